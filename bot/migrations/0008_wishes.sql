ALTER TABLE chats ADD COLUMN zone TEXT;

ALTER TABLE subscriptions ADD COLUMN pace TEXT NOT NULL DEFAULT 'once'
    CHECK (pace IN ('once', 'hourly', 'daily', 'weekly'));
ALTER TABLE subscriptions ADD COLUMN digest_hour BIGINT NOT NULL DEFAULT 7;
ALTER TABLE subscriptions ADD COLUMN digest_weekday BIGINT NOT NULL DEFAULT 0;
ALTER TABLE subscriptions ADD COLUMN quiet_from BIGINT;
ALTER TABLE subscriptions ADD COLUMN quiet_until BIGINT;
ALTER TABLE subscriptions ADD COLUMN urgent_at BIGINT;
ALTER TABLE subscriptions ADD COLUMN preview TEXT
    CHECK (preview IN ('large', 'small', 'none'));
ALTER TABLE subscriptions ADD COLUMN choosy_at BIGINT;
ALTER TABLE subscriptions ADD COLUMN digest_at BIGINT;
CREATE INDEX subscriptions_choosy ON subscriptions (id) WHERE choosy_at IS NOT NULL;
CREATE INDEX subscriptions_digest ON subscriptions (digest_at) WHERE digest_at IS NOT NULL;

CREATE TABLE subscription_words (
    subscription_id BIGINT NOT NULL REFERENCES subscriptions (id),
    kind TEXT NOT NULL CHECK (kind IN ('keyword', 'without', 'without_tag')),
    word TEXT NOT NULL,
    label TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (subscription_id, kind, word)
);

CREATE TABLE digest_stories (
    subscription_id BIGINT NOT NULL REFERENCES subscriptions (id),
    story_id BIGINT NOT NULL REFERENCES stories (id),
    broadcast_id BIGINT NOT NULL REFERENCES broadcasts (id),
    settled_at BIGINT,
    PRIMARY KEY (subscription_id, story_id)
);
CREATE INDEX digest_stories_waiting ON digest_stories (subscription_id)
    WHERE settled_at IS NULL;

ALTER TABLE broadcasts ADD COLUMN listing TEXT;
ALTER TABLE deliveries ADD COLUMN preview TEXT;
