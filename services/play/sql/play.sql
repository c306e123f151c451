-- name: observe
-- One snapshot of what moves: for each checkout that anything still happens to. :after position, :followers
-- text[], all of which must be there.
-- kind `event` (its last position since), `call`, `webhook`, `deadline`; and one row `followed` with the
-- position up to which every agent and gateway is done, one row `head`.
SELECT 'event', correlation, max(position) FROM events WHERE position > :after GROUP BY correlation
UNION ALL SELECT DISTINCT 'call', correlation, 0 FROM provider_calls
UNION ALL SELECT DISTINCT 'webhook', correlation, 0 FROM webhook_inbox WHERE matched_at IS NULL
UNION ALL SELECT DISTINCT 'deadline', c.clock, 0
    FROM business_clocks AS c JOIN deadlines AS d ON d.clock = c.clock AND d.due_at <= c.now
UNION ALL SELECT 'followed', '', CASE WHEN count(DISTINCT follower) = cardinality(:followers::text[]) THEN min(done) ELSE 0 END
    FROM checkpoints WHERE follower = ANY(:followers::text[])
UNION ALL SELECT 'head', '', coalesce(max(position), 0) FROM events;

-- name: first_deadlines
-- The first deadline of each clock that comes before the moment it is to be set to.
SELECT w.clock, min(d.due_at) FROM unnest(:clocks::text[], :moments::timestamptz[]) AS w (clock, moment)
JOIN deadlines AS d ON d.clock = w.clock AND d.due_at < w.moment GROUP BY w.clock;

-- name: projections_at
-- The position up to which every read model is built.
SELECT coalesce(min(c.position), 0)
FROM read_models AS r LEFT JOIN checkpoints AS c ON c.follower = projection_follower(r.name, r.generation)
WHERE r.live;

-- name: other_checkouts
-- Two, at most, of the merchants with an order of a checkout that is none of :checkouts text[].
SELECT DISTINCT merchant FROM events WHERE type = 'OrderPlaced' AND correlation <> ALL(:checkouts::text[]) LIMIT 2;

-- name: record_dataset!
-- The first play's stays. :digest bytea.
INSERT INTO plays (dataset_digest) VALUES (:digest) ON CONFLICT DO NOTHING;

-- name: read_dataset
-- The digest of what was played into this log.
SELECT dataset_digest FROM plays;
