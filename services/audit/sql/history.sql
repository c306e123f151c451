-- name: read_indexed()
-- The last position that the index knows: blocks are of 128 positions.
SELECT coalesce((SELECT block FROM history_blocks ORDER BY block DESC LIMIT 1) + 1, 0) * 128;

-- name: read_until(block)
-- The latest time up to the end of a block; the first block has none before it.
SELECT recorded_until FROM history_blocks WHERE block = :block;

-- name: add_blocks(blocks, recorded_firsts, recorded_untils, occurred_firsts, occurred_lasts)!
INSERT INTO history_blocks
SELECT * FROM unnest(
    :blocks::bigint[], :recorded_firsts::timestamptz[], :recorded_untils::timestamptz[],
    :occurred_firsts::timestamptz[], :occurred_lasts::timestamptz[]
);

-- name: add_keys(keys, key_blocks)!
INSERT INTO history_keys SELECT * FROM unnest(:keys::bigint[], :key_blocks::bigint[]) ON CONFLICT DO NOTHING;

-- name: find_blocks(lead, others, first, last, scan, occurred_from, occurred_until, recorded_from, recorded_until)
-- Of the first :scan blocks from :first to :last with the key :lead those that have the keys :others, too, and are of
-- these times. Each row is a block, and whether it fits: the last row says how far the search came.
SELECT led.block,
    NOT EXISTS (
        SELECT FROM unnest(:others::bigint[]) AS other (key)
        WHERE NOT EXISTS (SELECT FROM history_keys AS k WHERE k.key = other.key AND k.block = led.block)
    )
    AND (:occurred_from::timestamptz IS NULL OR b.occurred_last >= :occurred_from)
    AND (:occurred_until::timestamptz IS NULL OR b.occurred_first < :occurred_until)
    AND (:recorded_from::timestamptz IS NULL OR b.recorded_until >= :recorded_from)
    AND (:recorded_until::timestamptz IS NULL OR b.recorded_first < :recorded_until) AS fits
FROM (
    SELECT block FROM history_keys WHERE key = :lead AND block >= :first AND block <= :last
    ORDER BY block LIMIT :scan
) AS led
JOIN history_blocks AS b ON b.block = led.block
ORDER BY led.block;

-- name: find_times(first, last, scan, occurred_from, occurred_until, recorded_from, recorded_until)
-- The same where nothing but times is asked for.
SELECT led.block,
    (:occurred_from::timestamptz IS NULL OR led.occurred_last >= :occurred_from)
    AND (:occurred_until::timestamptz IS NULL OR led.occurred_first < :occurred_until)
    AND (:recorded_from::timestamptz IS NULL OR led.recorded_until >= :recorded_from)
    AND (:recorded_until::timestamptz IS NULL OR led.recorded_first < :recorded_until) AS fits
FROM history_blocks AS led WHERE block >= :first AND block <= :last ORDER BY block LIMIT :scan;

-- name: block_after(moment)
-- The first block in which the log came past :moment.
SELECT block FROM history_blocks WHERE recorded_until > :moment::timestamptz ORDER BY recorded_until, block LIMIT 1;

-- name: first_after(after, until, moment)
-- The first event after :after, up to :until, that was recorded after :moment.
SELECT position FROM events
WHERE position > :after AND position <= :until AND recorded_at > :moment::timestamptz
ORDER BY position LIMIT 1;

-- name: read_blocks
-- Of the events after each of :lows up to its one of :highs, those with these columns (NULL: whatever it is): at most
-- :limit, and no more than :data_bytes of data beyond the first one. What they must hold somewhere, :data_has and
-- :metadata_has, only spares rows: who asked looks into each. The limit within holds the planner to the positions: it
-- would else look at the whole log for what it takes to be many.
SELECT position, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
       occurred_at, recorded_at, leaf_hash
FROM (
    SELECT found.*, sum(octet_length(found.data)) OVER (ORDER BY found.position) - octet_length(found.data) AS before
    FROM (
        SELECT e.* FROM unnest(:lows::bigint[], :highs::bigint[]) AS part (low, high)
        CROSS JOIN LATERAL (
            SELECT * FROM events
            WHERE position > part.low AND position <= part.high
                AND (:stream::text IS NULL OR stream = :stream)
                AND (:type::text IS NULL OR type = :type)
                AND (:merchant::text IS NULL OR merchant = :merchant)
                AND (:correlation::text IS NULL OR correlation = :correlation)
                AND (:causation::text IS NULL OR causation = :causation)
                AND (:occurred_from::timestamptz IS NULL OR occurred_at >= :occurred_from)
                AND (:occurred_until::timestamptz IS NULL OR occurred_at < :occurred_until)
                AND (:recorded_from::timestamptz IS NULL OR recorded_at >= :recorded_from)
                AND (:recorded_until::timestamptz IS NULL OR recorded_at < :recorded_until)
                AND (:data_has::bytea IS NULL OR position(:data_has IN data) > 0 OR type = 'DeadlineReached')
                AND (:metadata_has::bytea IS NULL OR position(:metadata_has IN metadata) > 0)
            ORDER BY position LIMIT :limit
        ) AS e
        ORDER BY e.position LIMIT :limit
    ) AS found
) AS sized
WHERE before <= :data_bytes ORDER BY position;

-- name: read_range
-- The same of a whole range.
SELECT position, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
       occurred_at, recorded_at, leaf_hash
FROM (
    SELECT found.*, sum(octet_length(found.data)) OVER (ORDER BY found.position) - octet_length(found.data) AS before
    FROM (
        SELECT * FROM events
        WHERE position > :after AND position <= :until
            AND (:stream::text IS NULL OR stream = :stream)
            AND (:type::text IS NULL OR type = :type)
            AND (:merchant::text IS NULL OR merchant = :merchant)
            AND (:correlation::text IS NULL OR correlation = :correlation)
            AND (:causation::text IS NULL OR causation = :causation)
            AND (:occurred_from::timestamptz IS NULL OR occurred_at >= :occurred_from)
            AND (:occurred_until::timestamptz IS NULL OR occurred_at < :occurred_until)
            AND (:recorded_from::timestamptz IS NULL OR recorded_at >= :recorded_from)
            AND (:recorded_until::timestamptz IS NULL OR recorded_at < :recorded_until)
            AND (:data_has::bytea IS NULL OR position(:data_has IN data) > 0 OR type = 'DeadlineReached')
            AND (:metadata_has::bytea IS NULL OR position(:metadata_has IN metadata) > 0)
        ORDER BY position LIMIT :limit
    ) AS found
) AS sized
WHERE before <= :data_bytes ORDER BY position;

-- name: read_stream
-- The same of one stream. If :after is a position of the stream, as it is from the second page on, what comes before
-- it is not looked at.
SELECT position, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
       occurred_at, recorded_at, leaf_hash
FROM (
    SELECT found.*, sum(octet_length(found.data)) OVER (ORDER BY found.position) - octet_length(found.data) AS before
    FROM (
        SELECT * FROM events
        WHERE stream = :stream AND position > :after AND position <= :until
            AND version > coalesce(
                (SELECT known.version FROM events AS known WHERE known.position = :after AND known.stream = :stream), -1
            )
            AND (:type::text IS NULL OR type = :type)
            AND (:merchant::text IS NULL OR merchant = :merchant)
            AND (:correlation::text IS NULL OR correlation = :correlation)
            AND (:causation::text IS NULL OR causation = :causation)
            AND (:occurred_from::timestamptz IS NULL OR occurred_at >= :occurred_from)
            AND (:occurred_until::timestamptz IS NULL OR occurred_at < :occurred_until)
            AND (:recorded_from::timestamptz IS NULL OR recorded_at >= :recorded_from)
            AND (:recorded_until::timestamptz IS NULL OR recorded_at < :recorded_until)
            AND (:data_has::bytea IS NULL OR position(:data_has IN data) > 0 OR type = 'DeadlineReached')
            AND (:metadata_has::bytea IS NULL OR position(:metadata_has IN metadata) > 0)
        ORDER BY version LIMIT :limit
    ) AS found
) AS sized
WHERE before <= :data_bytes ORDER BY position;

-- name: read_positions(positions)
-- Events by their positions.
SELECT position, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
       occurred_at, recorded_at, leaf_hash
FROM events WHERE position = ANY(:positions::bigint[]) ORDER BY position;

-- name: count_stream(stream, position)
-- How many events a stream had at :position; at most 100,000 are counted.
SELECT count(*) FROM (
    SELECT FROM events WHERE stream = :stream AND position <= :position ORDER BY version LIMIT 100000
) AS e;
