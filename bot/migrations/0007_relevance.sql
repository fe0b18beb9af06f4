ALTER TABLE stories ADD COLUMN worded_revision BIGINT;
CREATE INDEX stories_unworded ON stories (id)
    WHERE worded_revision IS NULL OR worded_revision <> revision;

CREATE TABLE words (
    id {identity},
    word {binary_text} NOT NULL UNIQUE,
    stories BIGINT NOT NULL
);

CREATE TABLE story_words (
    story_id BIGINT PRIMARY KEY REFERENCES stories (id),
    counts {bytes} NOT NULL,
    norm DOUBLE PRECISION NOT NULL,
    title_norm DOUBLE PRECISION NOT NULL,
    normed_at_stories BIGINT NOT NULL,
    copy_of BIGINT,
    earlier TEXT,
    later TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX story_words_normed ON story_words (normed_at_stories);
CREATE INDEX story_words_unrelated ON story_words (story_id) WHERE earlier IS NULL;
{search_index}
