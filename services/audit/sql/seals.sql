-- name: read_leaves(after, sealed, limit)^
-- The leaf hashes of up to :limit events after position :after, one after the other; how many, the last position, the
-- time of the first beyond :sealed, and whether each is a hash.
SELECT coalesce(string_agg(leaf_hash, ''::bytea ORDER BY position), ''), count(*), max(position),
       min(recorded_at) FILTER (WHERE position > :sealed),
       coalesce(bool_and(length(leaf_hash) = 32), true)
FROM (
    SELECT position, recorded_at, leaf_hash FROM events WHERE position > :after ORDER BY position LIMIT :limit
) AS e;

-- name: read_tiles(levels, numbers)
-- These tiles, as far as they go: :levels int[], :numbers bigint[]. One that is not full is made of the roots of those
-- below it, at level 0 of the log's own leaf hashes, which may go further than what was sealed.
SELECT wanted.level, wanted.number, coalesce(full_tile.hashes, CASE WHEN wanted.level = 0
    THEN leaf_hashes(wanted.number * 256 + 1, 256)
    ELSE (
        SELECT coalesce(string_agg(below.root, ''::bytea ORDER BY below.number), '') FROM seal_tiles AS below
        WHERE below.level = wanted.level - 1
          AND below.number >= wanted.number * 256 AND below.number < (wanted.number + 1) * 256
    ) END)
FROM unnest(:levels::int[], :numbers::bigint[]) AS wanted (level, number)
LEFT JOIN seal_tiles AS full_tile ON full_tile.level = wanted.level AND full_tile.number = wanted.number;

-- name: read_full_tiles(level, after, limit)
-- Full tiles of a level with numbers after :after, in order.
SELECT number, hashes FROM seal_tiles WHERE level = :level AND number > :after ORDER BY number LIMIT :limit;

-- name: add_tiles!
-- :levels int[], :numbers bigint[], :roots bytea[], :hashes bytea[].
INSERT INTO seal_tiles (level, number, root, hashes)
SELECT * FROM unnest(:levels::int[], :numbers::bigint[], :roots::bytea[], :hashes::bytea[]);

-- name: add_checkpoint!
INSERT INTO seal_checkpoints (size, epoch, root, note, signed_at, oldest_s)
VALUES (:size, :epoch, :root, :note, :signed_at, :oldest_s);

-- name: read_last_checkpoint()^
-- The largest, of whichever epoch.
SELECT size, epoch, root, note, signed_at FROM seal_checkpoints ORDER BY size DESC, epoch DESC LIMIT 1;

-- name: read_notes(after, epoch, limit)
-- The checkpoints of an epoch after size :after, in order.
SELECT size, note FROM seal_checkpoints WHERE size > :after AND epoch = :epoch ORDER BY size LIMIT :limit;

-- name: add_key!
-- The first of an epoch stays.
INSERT INTO seal_keys (epoch, key) VALUES (:epoch, :key) ON CONFLICT DO NOTHING;

-- name: read_key(epoch)$
SELECT key FROM seal_keys WHERE epoch = :epoch;

-- name: read_checkpoint(size)^
-- The smallest of the present epoch that covers :size leaves; the largest, where :size is NULL. With its cosignatures.
SELECT c.size, c.epoch, c.root, c.note, ARRAY(
    SELECT s.line FROM seal_cosignatures AS s WHERE s.size = c.size AND s.epoch = c.epoch ORDER BY s.witness LIMIT 64
)
FROM log CROSS JOIN LATERAL (
    (
        SELECT * FROM seal_checkpoints AS last WHERE :size::bigint IS NULL AND last.epoch = log.epoch
        ORDER BY last.size DESC LIMIT 1
    ) UNION ALL (
        SELECT * FROM seal_checkpoints AS first WHERE first.size >= :size::bigint AND first.epoch = log.epoch
        ORDER BY first.size LIMIT 1
    )
) AS c;

-- name: read_exact_checkpoint(size)^
-- That of :size leaves, of the newest epoch that has one. With its cosignatures.
SELECT c.size, c.epoch, c.root, c.note, ARRAY(
    SELECT s.line FROM seal_cosignatures AS s WHERE s.size = c.size AND s.epoch = c.epoch ORDER BY s.witness LIMIT 64
)
FROM seal_checkpoints AS c WHERE c.size = :size ORDER BY c.epoch DESC LIMIT 1;

-- name: add_cosignature!
-- The first of a witness for a checkpoint stays.
INSERT INTO seal_cosignatures (size, epoch, witness, line, witnessed_at)
VALUES (:size, :epoch, :witness, :line, :witnessed_at) ON CONFLICT DO NOTHING;

-- name: add_halt!
INSERT INTO seal_halts (position, reason) VALUES (:position, :reason);

-- name: read_state()^
-- How far the log is sealed: its head, the last checkpoint, how long the first event waits that it does not cover, when
-- the log was last found altered, and how long an event had waited at most for one of the last 3,600 checkpoints.
SELECT log_head() AS head, coalesce(c.size, 0) AS size, c.epoch, c.signed_at,
       greatest(extract(epoch FROM now() - recorded_at_of(coalesce(c.size, 0) + 1)), 0)::double precision AS uncovered_s,
       h.halted_at, h.position AS halted_position, h.reason AS halted_because,
       (SELECT max(r.oldest_s) FROM (
           SELECT recent.oldest_s FROM seal_checkpoints AS recent ORDER BY recent.size DESC LIMIT 3600
       ) AS r) AS waited_s_max
FROM (SELECT) AS one
LEFT JOIN LATERAL (SELECT * FROM seal_checkpoints ORDER BY size DESC, epoch DESC LIMIT 1) AS c ON true
LEFT JOIN LATERAL (SELECT * FROM seal_halts ORDER BY halted_at DESC LIMIT 1) AS h ON true;

-- name: find_event(event_id, merchant)$
SELECT position_of_event(:event_id, :merchant);
