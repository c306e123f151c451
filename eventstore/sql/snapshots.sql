-- name: load_snapshots(streams, forms)
-- The snapshots of these streams in these forms (text[], side by side), if the log holds the event that each is of.
SELECT s.stream, s.version, s.leaf_hash, s.form, s.state
FROM unnest(:streams::text[], :forms::text[]) AS wanted (stream, form)
JOIN snapshots AS s ON s.stream = wanted.stream AND s.form = wanted.form
JOIN events AS e ON e.stream = s.stream AND e.version = s.version AND e.leaf_hash = s.leaf_hash;

-- name: keep_snapshot(stream, version, leaf_hash, form, state)
-- Instead of the one before, unless that is of a later event of the log, in the same form.
INSERT INTO snapshots AS s (stream, version, leaf_hash, form, state)
VALUES (:stream, :version, :leaf_hash, :form, :state)
ON CONFLICT (stream) DO UPDATE
SET version = excluded.version, leaf_hash = excluded.leaf_hash, form = excluded.form, state = excluded.state
WHERE s.version < excluded.version OR s.form <> excluded.form OR NOT EXISTS (
    SELECT FROM events AS e WHERE e.stream = s.stream AND e.version = s.version AND e.leaf_hash = s.leaf_hash
);

-- name: page_of_snapshots(after, limit)
-- All snapshots, in the order of their streams. :after a stream, :limit rows.
SELECT stream, version, leaf_hash, form, state FROM snapshots WHERE stream > :after ORDER BY stream LIMIT :limit;
