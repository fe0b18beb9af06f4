CREATE TABLE story_lists (
    story_id BIGINT PRIMARY KEY REFERENCES stories (id),
    norm DOUBLE PRECISION NOT NULL,
    title_norm DOUBLE PRECISION NOT NULL,
    normed_at_stories BIGINT NOT NULL,
    copy_of BIGINT,
    earlier TEXT,
    later TEXT NOT NULL DEFAULT '[]'
);
INSERT INTO story_lists (story_id, norm, title_norm, normed_at_stories, copy_of, earlier, later)
    SELECT story_id, norm, title_norm, normed_at_stories, copy_of, earlier, later FROM story_words;
{row_sizes};
CREATE INDEX story_lists_normed ON story_lists (normed_at_stories);
CREATE INDEX story_lists_unrelated ON story_lists (story_id) WHERE earlier IS NULL;
DROP INDEX IF EXISTS story_words_normed;
DROP INDEX IF EXISTS story_words_unrelated;
