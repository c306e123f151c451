-- name: select_forwards(stream, after, until, limit)
-- A stream's events after version :after up to :until, in order; :limit rows, NULL for all.
SELECT stream, version, type, data FROM events
WHERE stream = :stream AND version > :after AND version <= :until
ORDER BY version LIMIT :limit;

-- name: select_backwards(stream, after, until, limit)
-- The same, the last one first.
SELECT stream, version, type, data FROM events
WHERE stream = :stream AND version > :after AND version <= :until
ORDER BY version DESC LIMIT :limit;

-- name: select_notifications(first, last, topics, limit)
-- Events at positions :first to :last in order, of the types :topics text[] (NULL: all); :limit rows.
SELECT stream, version, type, data, position FROM events
WHERE position BETWEEN :first AND :last AND (:topics::text[] IS NULL OR type = ANY(:topics::text[]))
ORDER BY position LIMIT :limit;

-- name: read_max_position()$
-- The highest position, 0 for an empty log.
SELECT coalesce((SELECT position FROM events ORDER BY position DESC LIMIT 1), 0);
