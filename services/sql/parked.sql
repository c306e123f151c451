-- name: list_parked()
SELECT follower, key, min(position), count(*), min(parked_at), (array_agg(error ORDER BY position))[1]
FROM parked GROUP BY follower, key ORDER BY follower, key;

-- name: read_first(follower, key)
-- The event that a parked key stands at; null if the key is not parked.
SELECT min(position) FROM parked WHERE follower = :follower AND key = :key;

-- name: read_requests()
-- What people have asked and nobody has answered. The index of streams finds them: they are few.
SELECT e.position, e.stream FROM events AS e
WHERE e.stream >= 'parked-' AND e.stream < 'parked.'
    AND NOT EXISTS (SELECT FROM parked_answers AS a WHERE a.request = e.position)
ORDER BY e.position;

-- name: begin_answer(request, follower, key)
-- Nothing if it was answered before. Who answers it at this moment is waited for.
INSERT INTO parked_answers (request, follower, key) VALUES (:request, :follower, :key)
ON CONFLICT (request) DO NOTHING RETURNING true;

-- name: count_attempt(request)
-- How often it was begun by now, unless by who lived to end it.
INSERT INTO parked_attempts AS a (request, attempts) VALUES (:request, 1)
ON CONFLICT (request) DO UPDATE SET attempts = a.attempts + 1 RETURNING attempts;

-- name: withdraw_attempt(request)!
UPDATE parked_attempts SET attempts = attempts - 1 WHERE request = :request;

-- name: end_answer(request, skipped, went_on, error)!
UPDATE parked_answers SET skipped = :skipped, went_on = :went_on, error = :error, answered_at = now()
WHERE request = :request;

-- name: read_answer(request)
SELECT request, skipped, went_on, error FROM parked_answers WHERE request = :request;

-- name: unpark_deadline(key)
-- It is due again.
DELETE FROM parked WHERE follower = 'scheduler' AND key = :key RETURNING true;

-- name: skip_deadline(key, position)
-- It is never reached.
WITH skipped AS (
    DELETE FROM parked WHERE follower = 'scheduler' AND key = :key AND position = :position RETURNING key
), dropped AS (
    DELETE FROM deadlines AS d USING skipped AS s WHERE d.agent || ' ' || d.key || ' ' || d.name = s.key
)
SELECT key FROM skipped;
