-- name: find_kept(name, version, position)
-- The last kept state of a read model that is not past :position.
SELECT position FROM kept_read_models
WHERE name = :name AND version = :version AND position <= :position ORDER BY position DESC LIMIT 1;

-- name: read_columns(relation)
-- The columns of a table that are stored and not derived, in order.
SELECT attname::text FROM pg_attribute
WHERE attrelid = :relation::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum;

-- name: read_key(relation)
-- The columns of a table's primary key, in order.
SELECT a.attname::text FROM pg_index AS i
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, number)
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = :relation::regclass AND i.indisprimary ORDER BY k.number;

-- name: read_further_indexes(relation)
-- The indexes of a table that nothing depends on.
SELECT c.relname::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = :relation::regclass AND NOT i.indisunique;

-- name: read_facts(after, until, types, limit, data_bytes)
-- A page of the events of some types, as `read_range` of the history.
SELECT position, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
       occurred_at, recorded_at, leaf_hash
FROM (
    SELECT found.*, sum(octet_length(found.data)) OVER (ORDER BY found.position) - octet_length(found.data) AS before
    FROM (
        SELECT * FROM events WHERE position > :after AND position <= :until AND type = ANY(:types::text[])
        ORDER BY position LIMIT :limit
    ) AS found
) AS sized
WHERE before <= :data_bytes ORDER BY position;

-- name: list_kept(name, tables)
-- All kept states of a read model, also such as an older version of the code made; whether all of its :tables text[]
-- are there, as they may be deleted.
SELECT position, version, (
    SELECT bool_and(to_regclass(quote_ident(kept || '_at' || position)) IS NOT NULL) FROM unnest(:tables::text[]) AS kept
)
FROM kept_read_models WHERE name = :name ORDER BY position LIMIT 1000;

-- name: add_kept(name, position, version)!
INSERT INTO kept_read_models (name, position, version) VALUES (:name, :position, :version);

-- name: remove_kept(name, position)!
DELETE FROM kept_read_models WHERE name = :name AND position = :position;

-- name: protect(relation)
SELECT protect_read_model(:relation::regclass);

-- name: take_changes()
-- What changed since the last time, in the order in which it did.
WITH taken AS (DELETE FROM pg_temp.changes RETURNING number, position, relation, was, now)
SELECT position, relation, was, now FROM taken ORDER BY number;
