-- name: load_processes(agents, keys)
SELECT p.agent, p.key, p.state FROM unnest(:agents::text[], :keys::text[]) AS wanted (agent, key)
JOIN agent_processes AS p ON p.agent = wanted.agent AND p.key = wanted.key;

-- name: load_parked_keys(followers)
SELECT DISTINCT follower, key FROM parked WHERE follower = ANY(:followers);

-- name: load_unfinished(agents, done, position)
-- Reactions whose commands may not have been carried out when the worker stopped, or are to be sent again; what is
-- parked waits until somebody retries it. So they are a page's at most, and those of keys that people let go on.
SELECT r.agent, r.position, r.key, r.commands FROM reactions AS r
WHERE r.agent = ANY(:agents) AND (r.position > :done AND r.position <= :position OR r.resend)
    AND NOT EXISTS (
        SELECT FROM parked AS p WHERE p.follower = 'agent:' || r.agent AND p.key = r.key AND p.position = r.position
    )
ORDER BY r.position;

-- name: load_attempts()
-- What was begun last in each range of partitions.
SELECT first_partition, last_partition, resuming, position, attempts FROM agent_attempts
ORDER BY first_partition LIMIT 64;

-- name: count_attempts(firsts, lasts, resuming, position, attempts)!
-- Before anything is begun in these ranges of partitions, and before any handler sees it. What was begun in parts of
-- them is of who had them before.
WITH mine AS (
    SELECT * FROM unnest(:firsts::integer[], :lasts::integer[]) AS mine (first, last)
), before AS (
    DELETE FROM agent_attempts AS a USING mine
    WHERE a.first_partition > mine.first AND a.last_partition <= mine.last
        AND a.first_partition <> ALL(:firsts::integer[])
)
INSERT INTO agent_attempts (first_partition, last_partition, resuming, position, attempts)
SELECT first, last, :resuming::boolean, :position::bigint, :attempts::integer FROM mine
ON CONFLICT (first_partition) DO UPDATE SET last_partition = excluded.last_partition,
    resuming = excluded.resuming, position = excluded.position, attempts = excluded.attempts;

-- name: withdraw_attempts(firsts, lasts, resumings, positions, attempts)!
-- Who leaves alive has not been ended by what it began; unless somebody has begun something there since.
UPDATE agent_attempts AS a SET attempts = a.attempts - 1
FROM unnest(
    :firsts::integer[], :lasts::integer[], :resumings::boolean[], :positions::bigint[], :attempts::integer[]
) AS ours (first, last, resuming, position, attempts)
WHERE a.first_partition = ours.first AND a.last_partition = ours.last AND a.resuming = ours.resuming
    AND a.position = ours.position AND a.attempts = ours.attempts;

-- name: record_reactions
-- One page's reactions and the move of the checkpoint, in one statement: all of it or nothing. The move is a
-- compare-and-set of all places that move together, which everything else hangs on: the range belongs to it, since
-- a worker that was stopped while its checkpoint was cut may still know the lease. False if one is another's.
WITH held AS (
    SELECT c.first_partition
    FROM unnest(:firsts::integer[], :lasts::integer[], :leases::bigint[]) AS mine (first, last, lease)
    JOIN checkpoints AS c
        ON c.follower = :follower AND c.first_partition = mine.first AND c.last_partition = mine.last
        AND c.lease = mine.lease AND c.position = :was
    ORDER BY c.first_partition
    FOR UPDATE OF c
), all_held AS (
    SELECT FROM held HAVING count(*) = cardinality(:firsts::integer[])
), advanced AS (
    UPDATE checkpoints AS c SET position = :position, done = :done, moved_at = now()
    FROM held, all_held WHERE c.follower = :follower AND c.first_partition = held.first_partition
    RETURNING 1
), moved AS (
    SELECT FROM advanced LIMIT 1
), processes AS (
    INSERT INTO agent_processes (agent, key, state)
    SELECT p.* FROM unnest(:process_agents::text[], :keys::text[], :states::bytea[]) AS p, moved
    ON CONFLICT (agent, key) DO UPDATE SET state = excluded.state
), recorded AS (
    INSERT INTO reactions (agent, position, event_id, key, rule_version, commands, resend)
    SELECT r.*, :resend::boolean FROM unnest(
        :reaction_agents::text[], :reaction_positions::bigint[], :reaction_events::uuid[],
        :reaction_keys::text[], :rule_versions::integer[], :reaction_commands::bytea[]
    ) AS r, moved
), withdrawn AS (
    DELETE FROM deadlines AS d
    USING unnest(:withdrawn_agents::text[], :withdrawn_keys::text[], :withdrawn_names::text[])
          AS w (agent, key, name), moved
    WHERE d.agent = w.agent AND d.key = w.key AND d.name = w.name
), asked AS (
    INSERT INTO deadlines (agent, key, name, merchant, correlation, clock, causation, due_at)
    SELECT d.* FROM unnest(
        :deadline_agents::text[], :deadline_keys::text[], :deadline_names::text[], :deadline_merchants::text[],
        :deadline_correlations::text[], :deadline_clocks::text[], :deadline_causes::text[],
        :due_at::timestamptz[]
    ) AS d, moved
    -- Asked for again, it is the later fact's in all: its due time is of that one's clock.
    ON CONFLICT (agent, key, name) DO UPDATE SET merchant = excluded.merchant, correlation = excluded.correlation,
        clock = excluded.clock, causation = excluded.causation, due_at = excluded.due_at
), put_aside AS (
    INSERT INTO parked (follower, key, position, error)
    SELECT p.* FROM unnest(
        :parked_agents::text[], :parked_keys::text[], :parked_positions::bigint[], :parked_errors::text[]
    ) AS p, moved
)
SELECT EXISTS (SELECT FROM moved);

-- name: finish(follower, firsts, lasts, leases, positions)!
-- All commands of reactions up to these places have answered.
UPDATE checkpoints AS c SET done = c.position
FROM unnest(:firsts::integer[], :lasts::integer[], :leases::bigint[], :positions::bigint[])
    AS mine (first, last, lease, position)
WHERE c.follower = :follower AND c.first_partition = mine.first AND c.last_partition = mine.last
    AND c.lease = mine.lease AND c.position = mine.position;

-- name: end_resuming(follower, first, last, lease, position, agents, positions)!
-- The unfinished reactions of a place, these, were carried out: nothing is to be sent again, if it still is ours.
WITH finished AS (
    UPDATE checkpoints SET done = position
    WHERE follower = :follower AND first_partition = :first AND last_partition = :last AND lease = :lease
        AND position = :position
    RETURNING true
)
UPDATE reactions AS r SET resend = false
FROM finished, unnest(:agents::text[], :positions::bigint[]) AS resumed (agent, position)
WHERE r.resend AND r.agent = resumed.agent AND r.position = resumed.position;

-- name: park(follower, first, last, lease, parker, key, positions, errors)
-- An event of a key with its error, and those of the key that wait behind it; false if its place is another's.
WITH held AS (
    SELECT FROM checkpoints
    WHERE follower = :follower AND first_partition = :first AND last_partition = :last AND lease = :lease
    FOR UPDATE
), put_aside AS (
    INSERT INTO parked (follower, key, position, error)
    SELECT :parker, :key, p.* FROM unnest(:positions::bigint[], :errors::text[]) AS p, held
    ON CONFLICT DO NOTHING
)
SELECT EXISTS (SELECT FROM held);

-- name: lock_places(follower)
-- All that this statement sees: nobody moves them meanwhile.
SELECT first_partition, last_partition, lease, position, done
FROM checkpoints WHERE follower = :follower ORDER BY first_partition FOR UPDATE;

-- name: load_parked(follower, agent, key, limit)
-- What is parked of a key, the first of it in order, and whether a reaction to it was recorded.
SELECT p.position, r.position IS NOT NULL
FROM parked AS p LEFT JOIN reactions AS r ON r.agent = :agent AND r.position = p.position
WHERE p.follower = :follower AND p.key = :key ORDER BY p.position LIMIT :limit;

-- name: skip_parked(follower, agent, key, position)
-- Only the event that the key stands at; what was recorded of it is forgotten, or it would be sent one day.
WITH skipped AS (
    DELETE FROM parked WHERE follower = :follower AND key = :key AND position = :position
        AND position = (SELECT min(p.position) FROM parked AS p WHERE p.follower = :follower AND p.key = :key)
    RETURNING position
), forgotten AS (
    DELETE FROM reactions AS r USING skipped WHERE r.agent = :agent AND r.position = skipped.position
)
SELECT position FROM skipped;

-- name: unpark(follower, agent, key, positions)!
-- Let a key go on, and have what was recorded for it sent again.
WITH freed AS (
    DELETE FROM parked WHERE follower = :follower AND key = :key AND position = ANY(:positions) RETURNING position
)
UPDATE reactions AS r SET resend = true FROM freed WHERE r.agent = :agent AND r.position = freed.position;

-- name: tell_error(follower, key, position, error)!
UPDATE parked SET error = :error WHERE follower = :follower AND key = :key AND position = :position;

-- name: fence(follower)!
-- Whoever holds the lease fails its next compare-and-set; whoever takes it next begins with what is unfinished.
UPDATE checkpoints SET lease = lease + 1, leased_until = '-infinity' WHERE follower = :follower;
