CREATE TABLE editors (
    telegram_id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    appointed_by BIGINT,
    appointed_at BIGINT,
    dismissed_at BIGINT
);

CREATE TABLE acts (
    id {identity},
    editor BIGINT NOT NULL,
    kind TEXT NOT NULL,
    done_at BIGINT NOT NULL,
    refused_at BIGINT,
    story_id BIGINT,
    broadcast_id BIGINT,
    detail TEXT NOT NULL
);
CREATE INDEX acts_story ON acts (story_id);

CREATE TABLE notices (
    id {identity},
    purpose TEXT NOT NULL,
    story_id BIGINT,
    broadcast_id BIGINT,
    chat BIGINT NOT NULL,
    message_id BIGINT NOT NULL,
    language TEXT NOT NULL,
    shown TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    due_at BIGINT,
    UNIQUE (chat, message_id)
);
CREATE INDEX notices_due ON notices (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notices_broadcast ON notices (broadcast_id);
CREATE INDEX notices_story ON notices (story_id);

CREATE TABLE corrections (
    id {identity},
    story_id BIGINT NOT NULL REFERENCES stories (id),
    html TEXT NOT NULL,
    url TEXT NOT NULL,
    marked_at BIGINT,
    created_by BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    made_at BIGINT
);

ALTER TABLE broadcasts ADD COLUMN audience TEXT;
ALTER TABLE broadcasts ADD COLUMN decided_by BIGINT;
ALTER TABLE broadcasts ADD COLUMN decided_at BIGINT;
ALTER TABLE broadcasts ADD COLUMN written_at BIGINT;
ALTER TABLE broadcasts ADD COLUMN paused_at BIGINT;
ALTER TABLE broadcasts ADD COLUMN stopped_at BIGINT;
ALTER TABLE broadcasts ADD COLUMN halted_at BIGINT;
CREATE INDEX broadcasts_halted ON broadcasts (id) WHERE halted_at IS NOT NULL;
CREATE INDEX broadcasts_opened ON broadcasts (opened_at) WHERE opened_at IS NOT NULL;

ALTER TABLE deliveries ADD COLUMN parked_at BIGINT;
CREATE INDEX deliveries_parked ON deliveries (broadcast_id) WHERE parked_at IS NOT NULL;
CREATE INDEX broadcasts_waiting ON broadcasts (id) WHERE state IN ('draft', 'scheduled');
