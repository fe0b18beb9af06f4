ALTER TABLE updates ADD COLUMN worker TEXT;
ALTER TABLE updates ADD COLUMN lease_until BIGINT;

CREATE TABLE turns (
    name TEXT PRIMARY KEY,
    worker TEXT NOT NULL,
    lease_until BIGINT NOT NULL
);
