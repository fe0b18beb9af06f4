CREATE INDEX stories_recent ON stories (feed_id, seen_at, id);
