-- name: load_keys(subjects)
-- The wrapped keys of :subjects text[]; NULL for an erased one.
SELECT subject, wrapped_key FROM data_keys WHERE subject = ANY(:subjects);

-- name: create_keys(subjects, keys)
-- Keep new keys; those that exist, or were erased, stay as they are. :subjects text[], :keys bytea[].
INSERT INTO data_keys (subject, wrapped_key)
SELECT * FROM unnest(:subjects::text[], :keys::bytea[])
ON CONFLICT (subject) DO NOTHING;
