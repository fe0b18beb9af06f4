ALTER TABLE feeds ADD COLUMN hub_until BIGINT;
ALTER TABLE feeds ADD COLUMN hasten_at BIGINT;
ALTER TABLE feeds ADD COLUMN hastened_at BIGINT;

CREATE TABLE hubs (
    id {identity},
    feed_id BIGINT NOT NULL REFERENCES feeds (id),
    hub_url TEXT NOT NULL,
    topic_url TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE,
    secret TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('idle', 'verified', 'denied')),
    asked TEXT CHECK (asked IN ('subscribe', 'unsubscribe')),
    asked_at BIGINT,
    confirmed_at BIGINT,
    ends_at BIGINT,
    due_at BIGINT NOT NULL,
    lease_until BIGINT,
    attempt BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0,
    public_url TEXT,
    delivered_at BIGINT,
    named_at BIGINT NOT NULL,
    dropped_at BIGINT,
    error TEXT,
    UNIQUE (feed_id, hub_url, topic_url)
);

CREATE TABLE hub_pushes (
    id {identity},
    hub_id BIGINT NOT NULL REFERENCES hubs (id),
    body TEXT NOT NULL,
    content_type TEXT,
    encoding TEXT,
    links TEXT,
    received_at BIGINT NOT NULL,
    lease_until BIGINT,
    attempt BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX hub_pushes_hub ON hub_pushes (hub_id, id);

CREATE TABLE hub_counts (
    outcome TEXT PRIMARY KEY,
    count BIGINT NOT NULL
);
