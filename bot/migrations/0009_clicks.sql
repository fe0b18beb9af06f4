CREATE TABLE clicks (
    story_id BIGINT NOT NULL,
    platform TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('reader', 'preview', 'press')),
    day TEXT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (story_id, platform, kind, day)
);
CREATE INDEX clicks_day ON clicks (day);

CREATE TABLE click_totals (
    platform TEXT NOT NULL,
    kind TEXT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (platform, kind)
);

CREATE TABLE story_heats (
    story_id BIGINT PRIMARY KEY,
    heat DOUBLE PRECISION NOT NULL
);
CREATE INDEX story_heats_hottest ON story_heats (heat);
