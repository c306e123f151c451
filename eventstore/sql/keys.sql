-- name: load_keys(subjects)
-- The wrapped keys of :subjects text[]; NULL for an erased one.
SELECT subject, wrapped_key FROM data_keys WHERE subject = ANY(:subjects);

-- name: create_keys(subjects, keys)
-- Keep new keys; those that exist, or were erased, stay as they are. What stands for each afterwards, but for
-- those that somebody else makes at the same time. :subjects text[], :keys bytea[].
WITH created AS (
    INSERT INTO data_keys (subject, wrapped_key)
    SELECT * FROM unnest(:subjects::text[], :keys::bytea[])
    ON CONFLICT (subject) DO NOTHING
    RETURNING subject, wrapped_key
)
SELECT subject, wrapped_key FROM created
UNION ALL SELECT subject, wrapped_key FROM data_keys WHERE subject = ANY(:subjects);

-- name: read_check_value
-- What the master key of this log gives, if it was recorded; and a wrapped key that it opens, if there is one.
SELECT (SELECT check_value FROM master_key),
    (SELECT array[convert_to(subject, 'UTF8'), wrapped_key] FROM data_keys WHERE wrapped_key IS NOT NULL LIMIT 1);

-- name: record_check_value!
-- The first one stays. :check_value bytea.
INSERT INTO master_key (check_value) VALUES (:check_value) ON CONFLICT DO NOTHING;
