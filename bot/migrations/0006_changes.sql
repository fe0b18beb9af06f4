CREATE TABLE listings (
    feed_id BIGINT NOT NULL REFERENCES feeds (id),
    story_id BIGINT NOT NULL REFERENCES stories (id),
    PRIMARY KEY (feed_id, story_id)
);
CREATE INDEX listings_story ON listings (story_id);

CREATE TABLE feed_tags (
    story_id BIGINT NOT NULL REFERENCES stories (id),
    feed_id BIGINT NOT NULL REFERENCES feeds (id),
    tags TEXT NOT NULL,
    PRIMARY KEY (story_id, feed_id)
);

CREATE TABLE absences (
    story_id BIGINT PRIMARY KEY REFERENCES stories (id),
    missed_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    looks BIGINT NOT NULL DEFAULT 0,
    gone_at BIGINT,
    confirmed_at BIGINT,
    asked_at BIGINT,
    decided_at BIGINT,
    withdrawn_at BIGINT
);
CREATE INDEX absences_due ON absences (due_at) WHERE confirmed_at IS NULL;
CREATE INDEX absences_unasked ON absences (story_id)
    WHERE confirmed_at IS NOT NULL AND asked_at IS NULL AND decided_at IS NULL;

CREATE TABLE archives (
    feed_id BIGINT PRIMARY KEY REFERENCES feeds (id),
    api_url TEXT,
    due_at BIGINT NOT NULL,
    modified_at BIGINT,
    failures BIGINT NOT NULL DEFAULT 0,
    error TEXT
);

ALTER TABLE broadcasts ADD COLUMN edits BIGINT NOT NULL DEFAULT 0;
ALTER TABLE broadcasts ADD COLUMN edited_at BIGINT;
ALTER TABLE broadcasts ADD COLUMN edit_due_at BIGINT;
