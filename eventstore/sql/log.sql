-- name: read_log(after, limit)
-- A page of the log. :after position, :limit rows.
SELECT position, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
       occurred_at, recorded_at, leaf_hash
FROM events WHERE position > :after ORDER BY position LIMIT :limit;

-- name: measure_range(after, end, without)
-- How many events stand after :after up to :end, and how many bytes of data have those that are not of the
-- types :without text[].
SELECT count(*), coalesce(sum(octet_length(data)) FILTER (WHERE type <> ALL (:without::text[])), 0)
FROM events WHERE position > :after AND position <= :end;

-- name: read_range(after, end, without)
-- These events, and the last one of the range, whatever its type.
SELECT position, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
       occurred_at, recorded_at, leaf_hash
FROM events
WHERE position > :after AND position <= :end AND (type <> ALL (:without::text[]) OR position = :end)
ORDER BY position;

-- name: find_damage(after, end)^
-- The first position after :after up to :end where an event is missing before a later one, or stands and has no time that
-- can be read: position, whether it is missing.
SELECT least(position, expected), position > expected
FROM (
    SELECT position, occurred_at, recorded_at, :after::bigint + row_number() OVER (ORDER BY position) AS expected
    FROM events WHERE position > :after AND position <= :end
) AS e
WHERE position <> expected OR NOT coalesce(
    occurred_at BETWEEN '0001-01-02Z' AND '9999-12-30Z' AND recorded_at BETWEEN '0001-01-02Z' AND '9999-12-30Z', false
)
ORDER BY position LIMIT 1;

-- name: read_streams(streams, versions, limit)
-- The rest of several streams, each in order. :streams text[], :versions bigint[] (read after), :limit rows
-- a stream. Each row ends with the number of the stream in the question, from 1.
SELECT e.position, e.stream, e.version, e.type, e.schema, e.data, e.merchant, e.correlation, e.causation,
       e.metadata, e.event_id, e.occurred_at, e.recorded_at, e.leaf_hash, wanted.number
FROM unnest(:streams::text[], :versions::bigint[]) WITH ORDINALITY AS wanted (stream, version, number)
CROSS JOIN LATERAL (
    SELECT * FROM events
    WHERE events.stream = wanted.stream AND events.version > wanted.version
    ORDER BY events.version LIMIT :limit
) AS e;

-- name: read_contents(streams, versions, limit)
-- Of the rest of several streams, asked for as in read_streams, what their states are folded from.
SELECT e.version, e.type, e.schema, e.data, wanted.number
FROM unnest(:streams::text[], :versions::bigint[]) WITH ORDINALITY AS wanted (stream, version, number)
CROSS JOIN LATERAL (
    SELECT version, type, schema, data FROM events
    WHERE events.stream = wanted.stream AND events.version > wanted.version
    ORDER BY events.version LIMIT :limit
) AS e;

-- name: read_head()$
-- The highest position, 0 for an empty log.
SELECT coalesce((SELECT position FROM events ORDER BY position DESC LIMIT 1), 0);
