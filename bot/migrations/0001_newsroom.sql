CREATE TABLE feeds (
    id {identity},
    url TEXT NOT NULL UNIQUE,
    title TEXT,
    etag TEXT,
    last_modified TEXT,
    body_hash TEXT,
    due_at BIGINT NOT NULL,
    lease_until BIGINT,
    attempt BIGINT NOT NULL DEFAULT 0,
    baseline_at BIGINT,
    polled_at BIGINT,
    failures BIGINT NOT NULL DEFAULT 0,
    error TEXT,
    retired_at BIGINT
);

CREATE TABLE stories (
    id {identity},
    feed_id BIGINT NOT NULL REFERENCES feeds (id),
    guid TEXT,
    story_key TEXT UNIQUE,
    code TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    short_url TEXT,
    title TEXT NOT NULL,
    summary TEXT NOT NULL,
    body TEXT NOT NULL,
    author TEXT,
    editor TEXT,
    image_url TEXT,
    tags TEXT NOT NULL,
    published_at BIGINT,
    updated_at BIGINT,
    seen_at BIGINT NOT NULL,
    shown_at BIGINT NOT NULL,
    digest TEXT NOT NULL,
    revision BIGINT NOT NULL DEFAULT 1,
    withdrawn_at BIGINT,
    UNIQUE (feed_id, guid)
);
CREATE INDEX stories_newest ON stories (shown_at DESC, id DESC);

CREATE TABLE story_tags (
    tag TEXT NOT NULL,
    story_id BIGINT NOT NULL REFERENCES stories (id),
    PRIMARY KEY (tag, story_id)
);
CREATE INDEX story_tags_story ON story_tags (story_id);

CREATE TABLE chats (
    id {identity},
    telegram_id BIGINT UNIQUE,
    username TEXT,
    type TEXT NOT NULL CHECK (type IN ('private', 'group', 'supergroup', 'channel')),
    title TEXT,
    language TEXT,
    created_at BIGINT NOT NULL,
    closed_at BIGINT,
    closed_reason TEXT,
    refusals BIGINT NOT NULL DEFAULT 0,
    next_at BIGINT NOT NULL DEFAULT 0,
    interval_ms BIGINT
);
CREATE INDEX chats_username ON chats (username);

CREATE TABLE subscriptions (
    id {identity},
    chat_id BIGINT NOT NULL REFERENCES chats (id),
    thread_id BIGINT NOT NULL DEFAULT 0,
    origin TEXT NOT NULL CHECK (origin IN ('chat', 'settings')),
    silent_at BIGINT,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    UNIQUE (chat_id, thread_id)
);

CREATE TABLE subscription_tags (
    subscription_id BIGINT NOT NULL REFERENCES subscriptions (id),
    tag TEXT NOT NULL,
    label TEXT NOT NULL,
    PRIMARY KEY (subscription_id, tag)
);

CREATE TABLE broadcasts (
    id {identity},
    story_id BIGINT NOT NULL REFERENCES stories (id),
    state TEXT NOT NULL CHECK (state IN ('draft', 'scheduled', 'open', 'cancelled', 'retracted')),
    due_at BIGINT,
    message TEXT,
    revision BIGINT NOT NULL DEFAULT 1,
    created_by BIGINT,
    created_at BIGINT NOT NULL,
    story_revision BIGINT,
    urgent_at BIGINT,
    offered_at BIGINT,
    opened_at BIGINT,
    fan_cursor BIGINT,
    stale_at BIGINT
);
CREATE INDEX broadcasts_story ON broadcasts (story_id);
CREATE INDEX broadcasts_due ON broadcasts (due_at) WHERE state = 'scheduled';
CREATE INDEX broadcasts_stale ON broadcasts (id) WHERE state = 'open' AND stale_at IS NOT NULL;
CREATE INDEX broadcasts_fanning ON broadcasts (id) WHERE fan_cursor IS NOT NULL;
CREATE INDEX broadcasts_unoffered ON broadcasts (id) WHERE state = 'draft' AND offered_at IS NULL;

CREATE TABLE broadcast_stories (
    broadcast_id BIGINT NOT NULL REFERENCES broadcasts (id),
    story_id BIGINT NOT NULL REFERENCES stories (id),
    position BIGINT NOT NULL,
    PRIMARY KEY (broadcast_id, story_id)
);
CREATE INDEX broadcast_stories_story ON broadcast_stories (story_id);

CREATE TABLE broadcast_messages (
    broadcast_id BIGINT NOT NULL REFERENCES broadcasts (id),
    revision BIGINT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (broadcast_id, revision)
);

CREATE TABLE deliveries (
    id {identity},
    broadcast_id BIGINT NOT NULL REFERENCES broadcasts (id),
    action TEXT NOT NULL CHECK (action IN ('send', 'edit', 'retract')),
    lane BIGINT NOT NULL CHECK (lane BETWEEN 0 AND 3),
    chat_id BIGINT NOT NULL REFERENCES chats (id),
    thread_id BIGINT NOT NULL DEFAULT 0,
    silent_at BIGINT,
    state TEXT NOT NULL
        CHECK (state IN ('pending', 'sending', 'sent', 'unknown', 'failed', 'cancelled')),
    due_at BIGINT NOT NULL,
    lease_until BIGINT,
    worker TEXT,
    attempt BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0,
    message_id BIGINT,
    list_id BIGINT REFERENCES broadcasts (id),
    revision BIGINT,
    floor_id BIGINT,
    probes BIGINT NOT NULL DEFAULT 0,
    error TEXT,
    created_at BIGINT NOT NULL,
    settled_at BIGINT,
    unconfirmed_at BIGINT,
    asked_at BIGINT,
    UNIQUE (broadcast_id, action, chat_id, thread_id)
);
CREATE INDEX deliveries_unconfirmed ON deliveries (id) WHERE unconfirmed_at IS NOT NULL;
CREATE INDEX deliveries_next ON deliveries (lane, id) WHERE state = 'pending';
CREATE INDEX deliveries_waiting ON deliveries (chat_id, lane, id) WHERE state = 'pending';
CREATE INDEX deliveries_under_way ON deliveries (chat_id) WHERE state IN ('sending', 'unknown');
CREATE INDEX deliveries_unknown ON deliveries (id) WHERE state = 'unknown';
CREATE INDEX deliveries_message ON deliveries (chat_id, message_id)
    WHERE action = 'send' AND message_id IS NOT NULL;

CREATE TABLE known_messages (
    space BIGINT NOT NULL,
    message_id BIGINT NOT NULL,
    noted_at BIGINT NOT NULL,
    PRIMARY KEY (space, message_id)
);
CREATE INDEX known_messages_age ON known_messages (noted_at);

CREATE TABLE updates (
    update_id BIGINT PRIMARY KEY,
    body TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    handled_at BIGINT
);
CREATE INDEX updates_waiting ON updates (update_id) WHERE handled_at IS NULL;
