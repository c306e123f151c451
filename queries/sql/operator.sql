-- name: list_checkouts
SELECT * FROM checkouts
WHERE :after_id::text IS NULL OR (placed_at, checkout_id, currency) < (:after_at, :after_id, :after_currency)
ORDER BY placed_at DESC, checkout_id DESC, currency DESC
LIMIT :limit;

-- name: list_parked_keys
SELECT follower, key, min(position) AS position, count(*) AS events_count, min(parked_at) AS parked_at,
    (array_agg(error ORDER BY position))[1] AS error
FROM parked
WHERE :after_key::text IS NULL OR (follower, key) > (:after_follower, :after_key)
GROUP BY follower, key ORDER BY follower, key LIMIT :limit;

-- name: list_parked_events
SELECT position, parked_at, error FROM parked
WHERE follower = :follower AND key = :key AND position > :after_position
ORDER BY position LIMIT :limit;

-- name: read_first_parked
-- The event that a key stands at; null if it is not parked.
SELECT min(position) AS position FROM parked WHERE follower = :follower AND key = :key;
