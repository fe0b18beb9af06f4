CREATE TABLE console_links (
    token_hash TEXT PRIMARY KEY,
    editor BIGINT NOT NULL,
    browser_hash TEXT,
    ends_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX console_links_ends ON console_links (ends_at);

CREATE TABLE console_sessions (
    token_hash TEXT PRIMARY KEY,
    editor BIGINT NOT NULL,
    made_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
CREATE INDEX console_sessions_editor ON console_sessions (editor);
CREATE INDEX console_sessions_seen ON console_sessions (seen_at);

CREATE TABLE templates (
    id {identity},
    platform TEXT NOT NULL CHECK (platform IN ('telegram', 'whatsapp', 'line', 'plain')),
    source TEXT,
    editor BIGINT NOT NULL,
    made_at BIGINT NOT NULL
);
CREATE INDEX templates_platform ON templates (platform, id);
