-- name: read_places
-- How far everybody is who follows the log: who, everything up to where is done, whether somebody is at it.
-- :followers and :read_models text[] (of these the live generation; without one it was never made).
SELECT f.follower, coalesce(min(c.done), 0), coalesce(bool_or(c.leased_until > now()), false)
FROM (
    SELECT unnest(:followers::text[]) AS follower
    UNION ALL
    SELECT coalesce(projection_follower(r.name, r.generation), 'projection:' || m.name)
    FROM unnest(:read_models::text[]) AS m (name) LEFT JOIN read_models AS r ON r.name = m.name AND r.live
) AS f
LEFT JOIN checkpoints AS c ON c.follower = f.follower
GROUP BY f.follower ORDER BY f.follower;

-- name: read_overdue
-- Deadlines that have come by their own clock, those that are parked aside. :now wall clock.
SELECT d.agent || ' ' || d.key || ' ' || d.name
FROM deadlines AS d LEFT JOIN business_clocks AS c ON c.clock = d.clock
WHERE d.due_at <= CASE d.clock WHEN 'wall' THEN :now ELSE c.now END AND NOT EXISTS (
    SELECT FROM parked AS p WHERE p.follower = 'scheduler' AND p.key = d.agent || ' ' || d.key || ' ' || d.name
);

-- name: read_left_lying
-- What waits for a provider for more than :seconds: calls without an outcome, webhooks that match nothing.
(
    SELECT c.gateway || ': the call for position ' || c.position || ' is open after ' || c.attempts || ' attempts'
    FROM provider_calls AS c JOIN events AS e ON e.position = c.position
    WHERE e.recorded_at < now() - make_interval(secs => :seconds) ORDER BY c.position LIMIT 100
) UNION ALL (
    SELECT provider || ': webhook ' || webhook_id || ' matches nothing after ' || attempts || ' attempts'
    FROM webhook_inbox
    WHERE matched_at IS NULL AND received_at < now() - make_interval(secs => :seconds)
    ORDER BY received_at LIMIT 100
);

-- name: read_parked()
SELECT follower, key, min(position), (array_agg(error ORDER BY position))[1]
FROM parked GROUP BY follower, key ORDER BY follower, key LIMIT 100;

-- name: read_parked_keys()
-- The keys with which agents are stuck.
SELECT DISTINCT key FROM parked WHERE follower >= 'agent:' AND follower < 'agent;';

-- name: read_unrecorded(seconds)
-- What was skipped though nobody asked for it in the log; and what was asked, and nobody has answered.
(
    SELECT a.follower || ' skipped the event ' || a.skipped || ' of ' || a.key || ', and the log does not say why'
    FROM parked_answers AS a LEFT JOIN events AS e ON e.position = a.request AND e.type = 'ParkedSkipRequested'
    CROSS JOIN LATERAL (SELECT convert_from(e.data, 'UTF8')::jsonb AS asked) AS said
    WHERE a.skipped IS NOT NULL AND (asked->>'follower', asked->>'key', (asked->>'position')::bigint)
        IS DISTINCT FROM (a.follower, a.key, a.skipped)
    ORDER BY a.request LIMIT 100
) UNION ALL (
    SELECT 'nobody has carried out what was asked of a parked key at ' || e.position
    FROM events AS e
    WHERE e.stream >= 'parked-' AND e.stream < 'parked.'
        AND e.recorded_at < now() - make_interval(secs => :seconds)
        AND NOT EXISTS (SELECT FROM parked_answers AS a WHERE a.request = e.position)
    ORDER BY e.position LIMIT 100
);

-- name: read_ahead()
SELECT follower, max(position) FROM checkpoints
WHERE position > (SELECT coalesce(max(position), 0) FROM events) GROUP BY follower ORDER BY follower;

-- name: read_uncovered()
-- Followers whose checkpoints do not cover each of the partitions 0 to 63 once.
SELECT follower FROM (
    SELECT follower, first_partition, last_partition,
        lag(last_partition, 1, -1) OVER (PARTITION BY follower ORDER BY first_partition) AS before,
        lead(first_partition, 1, 64) OVER (PARTITION BY follower ORDER BY first_partition) AS after
    FROM checkpoints
) AS c
WHERE first_partition <> before + 1 OR after <> last_partition + 1 GROUP BY follower ORDER BY follower;

-- name: read_ledger_ahead()
SELECT command_id, merchant, last_position FROM commands
WHERE last_position > (SELECT coalesce(max(position), 0) FROM events) LIMIT 100;

-- name: read_ledger_faults(after, head)
-- Where entries of the ledger do not follow one another without a gap from :after to :head: the first position
-- of an entry (beyond the head, for the end) and the last one that those before it cover.
WITH entries AS (
    SELECT first_position, last_position, coalesce(max(last_position) OVER (
        ORDER BY first_position, last_position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), :after) AS covered
    FROM commands WHERE first_position > :after AND first_position <= :head AND first_position <= last_position
)
SELECT first_position, covered FROM entries WHERE first_position <> covered + 1
UNION ALL
SELECT :head + 1, coalesce(max(last_position), :after) FROM entries HAVING coalesce(max(last_position), :after) < :head
ORDER BY 1 LIMIT 100;

-- name: read_before_first()
-- Where events stand before the first one, which no reader sees.
SELECT position FROM events WHERE position < 1 ORDER BY position LIMIT 100;

-- name: read_unreadable(after)
-- The event after position :after, of which all else can't be read.
SELECT position, leaf_hash FROM events WHERE position > :after ORDER BY position LIMIT 1;
