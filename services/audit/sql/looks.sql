-- name: record_looks
-- As many as wait, in one statement; their numbers, in their order. All parameters are arrays of the same length.
INSERT INTO looks (
    looked_at, actor, role, merchant, permission, method, route, path, parameters, status, outcome, rows
)
SELECT looked_at, actor, role, merchant, permission, method, route, path, parameters, status, outcome, rows
FROM unnest(
    :looked_at::timestamptz[], :actor::text[], :role::text[], :merchant::text[], :permission::text[],
    :method::text[], :route::text[], :path::text[], :parameters::text[], :status::integer[], :outcome::text[],
    :rows::bigint[]
) WITH ORDINALITY AS t (
    looked_at, actor, role, merchant, permission, method, route, path, parameters, status, outcome, rows, place
)
ORDER BY place
RETURNING number;

-- name: end_look(number, ended_at, outcome, rows)!
INSERT INTO look_ends (number, ended_at, outcome, rows) VALUES (:number, :ended_at, :outcome, :rows)
ON CONFLICT (number) DO NOTHING;

-- name: list_looks(merchant, actor, since, until, before, limit)
-- Newest first; NULL: whatever it is. Numbers are given in the order of time, so that `before` goes on.
SELECT l.number, l.looked_at, l.actor, l.role, l.merchant, l.permission, l.method, l.route, l.path, l.parameters,
    l.status, coalesce(e.outcome, l.outcome) AS outcome, coalesce(e.rows, l.rows) AS rows, e.ended_at
FROM looks AS l LEFT JOIN look_ends AS e ON e.number = l.number AND l.outcome = 'begun'
WHERE (:merchant::text IS NULL OR l.merchant = :merchant) AND (:actor::text IS NULL OR l.actor = :actor)
    AND (:since::timestamptz IS NULL OR l.looked_at >= :since)
    AND (:until::timestamptz IS NULL OR l.looked_at < :until) AND l.number < :before
ORDER BY l.number DESC LIMIT :limit;

-- name: forget_looks(before, limit)
-- A batch of those that are over; how many.
WITH gone AS (
    DELETE FROM looks WHERE number IN (
        SELECT number FROM looks WHERE looked_at < :before ORDER BY looked_at, number LIMIT :limit
    ) RETURNING number
), ends AS (
    DELETE FROM look_ends USING gone WHERE look_ends.number = gone.number AND look_ends.ended_at < :before
)
SELECT count(*) AS forgotten FROM gone;
