-- name: due_deadlines
-- Deadlines that have come by their own clock and are not parked, the earliest first. :now wall clock, :limit rows.
(
    SELECT d.agent, d.key, d.name, d.merchant, d.correlation, d.clock, d.causation, d.due_at
    FROM deadlines AS d WHERE d.clock = 'wall' AND d.due_at <= :now AND NOT EXISTS (
        SELECT FROM parked AS p WHERE p.follower = 'scheduler' AND p.key = d.agent || ' ' || d.key || ' ' || d.name
    )
    ORDER BY d.due_at LIMIT :limit
) UNION ALL (
    SELECT d.agent, d.key, d.name, d.merchant, d.correlation, d.clock, d.causation, d.due_at
    FROM business_clocks AS c JOIN deadlines AS d ON d.clock = c.clock AND d.due_at <= c.now
    WHERE NOT EXISTS (
        SELECT FROM parked AS p WHERE p.follower = 'scheduler' AND p.key = d.agent || ' ' || d.key || ' ' || d.name
    )
    ORDER BY d.due_at LIMIT :limit
);

-- name: forget_deadlines!
-- Unless they were asked for again meanwhile. :agents, :keys, :names, :causes text[], :due_at timestamptz[].
DELETE FROM deadlines AS d
USING unnest(:agents::text[], :keys::text[], :names::text[], :causes::text[], :due_at::timestamptz[])
    AS r (agent, key, name, causation, due_at)
WHERE d.agent = r.agent AND d.key = r.key AND d.name = r.name AND d.causation = r.causation AND d.due_at = r.due_at;

-- name: park_deadlines!
-- Put aside what can't be appended. No event of the log is to blame: at position 0. :agents, :keys, :names,
-- :errors text[].
INSERT INTO parked (follower, key, position, error)
SELECT 'scheduler', r.agent || ' ' || r.key || ' ' || r.name, 0, r.error
FROM unnest(:agents::text[], :keys::text[], :names::text[], :errors::text[]) AS r (agent, key, name, error)
ON CONFLICT (follower, key, position) DO NOTHING;

-- name: set_business_clocks
-- Move checkouts' clocks forward, never back. :clocks text[], :moments timestamptz[].
INSERT INTO business_clocks (clock, now)
SELECT * FROM unnest(:clocks::text[], :moments::timestamptz[])
ON CONFLICT (clock) DO UPDATE SET now = greatest(business_clocks.now, excluded.now);

-- name: sweep_ledger(before, limit)
-- Forget ledger entries older than :before, some at a time. No index: the oldest stand first in the table.
WITH swept AS (
    DELETE FROM commands WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM commands WHERE recorded_at < :before LIMIT :limit
    )) RETURNING true
)
SELECT count(*) FROM swept;
