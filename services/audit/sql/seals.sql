-- name: read_leaves(after, sealed, limit)^
-- The leaf hashes of up to :limit events after position :after, one after the other; how many, the last position, when
-- the first beyond :sealed was recorded (seconds since 1970), and whether each has a hash and was recorded at a time.
SELECT coalesce(string_agg(leaf_hash, ''::bytea ORDER BY position), ''), count(*), max(position),
       extract(epoch FROM min(recorded_at) FILTER (WHERE position > :sealed))::double precision,
       coalesce(bool_and(coalesce(length(leaf_hash) = 32 AND isfinite(recorded_at), false)), true)
FROM (
    SELECT position, recorded_at, leaf_hash FROM events WHERE position > :after ORDER BY position LIMIT :limit
) AS e;

-- name: read_each_leaf(after, limit)
-- The same, row by row, where something is wrong with one: position, leaf hash, whether it was recorded at a time.
SELECT position, leaf_hash, coalesce(isfinite(recorded_at), false)
FROM events WHERE position > :after ORDER BY position LIMIT :limit;

-- name: read_before_first()
-- The lowest position that stands before the first one, where no event may be.
SELECT position FROM events WHERE position < 1 ORDER BY position LIMIT 1;

-- name: read_stray_tiles()
-- The first tile of each level that no checkpoint covers: level and number.
SELECT wanted.level, t.number
FROM generate_series(0, 7) AS wanted (level)
CROSS JOIN (SELECT coalesce(max(size), 0) AS size FROM seal_checkpoints) AS c
CROSS JOIN LATERAL (
    SELECT number FROM seal_tiles
    WHERE seal_tiles.level = wanted.level AND number >= CASE WHEN wanted.level < 7
        THEN c.size >> (8 * (wanted.level + 1)) ELSE 0 END
    ORDER BY number LIMIT 1
) AS t;

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

-- name: hold_lease(lease)$
-- NULL if another sealer has taken it over; else nobody does before this transaction ends.
SELECT hold_seal_lease(:lease);

-- name: add_checkpoint!
INSERT INTO seal_checkpoints (size, epoch, grown_from, root, note, signed_at, oldest_s)
VALUES (:size, :epoch, :grown_from, :root, :note, :signed_at, :oldest_s);

-- name: read_last_checkpoint()^
-- The largest of the last epoch that has any.
SELECT size, epoch, root, note, signed_at FROM seal_checkpoints ORDER BY epoch DESC, size DESC LIMIT 1;

-- name: read_notes(after, epoch, limit)
-- The checkpoints of an epoch after size :after, in order.
SELECT size, note FROM seal_checkpoints WHERE size > :after AND epoch = :epoch ORDER BY size LIMIT :limit;

-- name: read_last_note(epoch)^
-- The last checkpoint of an epoch: size and note.
SELECT size, note FROM seal_checkpoints WHERE epoch = :epoch ORDER BY size DESC LIMIT 1;

-- name: read_cosignatures(epoch, keys)
-- Of the last checkpoint of an epoch that one of these witnesses cosigned (:keys text[]): size, note, and for each
-- who it is and what it said.
SELECT c.size, c.note, s.witness, s.line
FROM (
    SELECT size FROM seal_cosignatures WHERE epoch = :epoch AND witness = ANY (:keys::text[])
    ORDER BY size DESC LIMIT 1
) AS last
JOIN seal_checkpoints AS c ON c.size = last.size AND c.epoch = :epoch
JOIN seal_cosignatures AS s ON s.size = c.size AND s.epoch = c.epoch AND s.witness = ANY (:keys::text[])
ORDER BY s.witness LIMIT 64;

-- name: add_key!
-- The first of an epoch stays.
INSERT INTO seal_keys (epoch, key) VALUES (:epoch, :key) ON CONFLICT DO NOTHING;

-- name: read_key(epoch)$
SELECT key FROM seal_keys WHERE epoch = :epoch;

-- name: read_checkpoint(size)^
-- The smallest of the present epoch that covers :size leaves; the largest, where :size is NULL. With the key that
-- should have signed it, and its cosignatures.
SELECT c.size, c.epoch, c.root, c.note, (SELECT k.key FROM seal_keys AS k WHERE k.epoch = c.epoch), ARRAY(
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
-- That of :size leaves, of the newest epoch that has one. With the key that should have signed it, and its cosignatures.
SELECT c.size, c.epoch, c.root, c.note, (SELECT k.key FROM seal_keys AS k WHERE k.epoch = c.epoch), ARRAY(
    SELECT s.line FROM seal_cosignatures AS s WHERE s.size = c.size AND s.epoch = c.epoch ORDER BY s.witness LIMIT 64
)
FROM seal_checkpoints AS c WHERE c.size = :size ORDER BY c.epoch DESC LIMIT 1;

-- name: add_cosignature!
-- The first of a witness for a checkpoint stays.
INSERT INTO seal_cosignatures (size, epoch, witness, line, witnessed_at)
VALUES (:size, :epoch, :witness, :line, :witnessed_at) ON CONFLICT DO NOTHING;

-- name: add_halt!
-- Unless it is known; :position NULL ends those before, if there are any.
INSERT INTO seal_halts (size, position, reason)
SELECT (SELECT coalesce(max(c.size), 0) FROM seal_checkpoints AS c), :position::bigint, :reason
FROM (SELECT coalesce(max(number), 0) AS number FROM seal_halts WHERE position IS NULL) AS ended
WHERE (:position::bigint IS NULL) = EXISTS (
    SELECT FROM seal_halts AS h
    WHERE h.number > ended.number AND (:position::bigint IS NULL OR (h.position = :position AND h.reason = :reason))
);

-- name: add_copy!
-- A place outside has taken the checkpoint of :size events.
INSERT INTO seal_copies (place, epoch, size) VALUES (:place, :epoch, :size)
ON CONFLICT (place) DO UPDATE SET epoch = excluded.epoch, size = excluded.size, copied_at = clock_timestamp();

-- name: read_copies()
-- What stands outside, of the present epoch: place, size, copied_at.
SELECT c.place, c.size, c.copied_at FROM seal_copies AS c JOIN log ON log.epoch = c.epoch ORDER BY c.place LIMIT 3;

-- name: read_state()^
-- How far the log is sealed: its head, the last checkpoint, what stands outside, how long the first event waits that no
-- place outside covers, the lowest position at which the log is found altered, when, how many were sealed then and why,
-- and how long an event had waited at most for one of the last 3,600 checkpoints to be signed.
SELECT log_head() AS head, coalesce(c.size, 0) AS size, c.epoch, c.signed_at, o.size AS outside,
       CASE WHEN isfinite(recorded_at_of(o.size + 1)) THEN
           greatest(extract(epoch FROM now() - recorded_at_of(o.size + 1)), 0)::double precision END AS uncovered_s,
       h.halted_at, h.size AS halted_size, h.position AS halted_position, h.reason AS halted_because,
       (SELECT max(r.oldest_s) FROM (
           SELECT recent.oldest_s FROM seal_checkpoints AS recent
           WHERE recent.epoch = c.epoch ORDER BY recent.size DESC LIMIT 3600
       ) AS r) AS waited_s_max
FROM (SELECT coalesce(max(k.size), 0) AS size FROM seal_copies AS k JOIN log ON log.epoch = k.epoch) AS o
LEFT JOIN LATERAL (SELECT * FROM seal_checkpoints ORDER BY epoch DESC, size DESC LIMIT 1) AS c ON true
LEFT JOIN LATERAL (
    SELECT * FROM seal_halts
    WHERE position IS NOT NULL AND number > (
        SELECT coalesce(max(ended.number), 0) FROM seal_halts AS ended WHERE ended.position IS NULL
    )
    ORDER BY position, number LIMIT 1
) AS h ON true;

-- name: read_halt()^
-- The lowest position at which the log is found altered, when, how many were sealed then, and why.
SELECT halted_at, size, position, reason FROM seal_halts
WHERE position IS NOT NULL AND number > (
    SELECT coalesce(max(ended.number), 0) FROM seal_halts AS ended WHERE ended.position IS NULL
)
ORDER BY position, number LIMIT 1;

-- name: find_event(event_id, merchant)$
SELECT position_of_event(:event_id, :merchant);
