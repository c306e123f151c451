-- name: try_alone(name)
SELECT pg_try_advisory_lock(hashtextextended(:name, 0));

-- name: end_alone(name)
SELECT pg_advisory_unlock(hashtextextended(:name, 0));
