-- name: load_processes(agents, keys)
SELECT p.agent, p.key, p.state FROM unnest(:agents::text[], :keys::text[]) AS wanted (agent, key)
JOIN agent_processes AS p ON p.agent = wanted.agent AND p.key = wanted.key;

-- name: load_parked_keys(followers)
SELECT DISTINCT follower, key FROM parked WHERE follower = ANY(:followers);

-- name: load_unfinished(agents, done, position)
-- Reactions whose commands may not have been carried out when the worker stopped, or are to be sent again.
SELECT agent, position, commands FROM reactions
WHERE agent = ANY(:agents) AND (position > :done AND position <= :position OR resend) ORDER BY position;

-- name: record_reactions
-- One page's reactions and the move of the checkpoint, in one statement: all of it or nothing. The move is a
-- compare-and-set, which everything else hangs on; false if the lease is another's.
WITH moved AS (
    UPDATE checkpoints SET position = :position, done = :done, moved_at = now()
    WHERE follower = :follower AND lease = :lease AND position = :was
    RETURNING true
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
    ON CONFLICT (agent, key, name) DO UPDATE SET due_at = excluded.due_at, causation = excluded.causation
), put_aside AS (
    INSERT INTO parked (follower, key, position, error)
    SELECT p.* FROM unnest(
        :parked_agents::text[], :parked_keys::text[], :parked_positions::bigint[], :parked_errors::text[]
    ) AS p, moved
)
SELECT EXISTS (SELECT FROM moved);

-- name: finish(follower, lease, position)!
-- All commands of reactions up to the checkpoint have answered.
UPDATE checkpoints SET done = position
WHERE follower = :follower AND lease = :lease AND position = :position;

-- name: end_resuming(follower, lease, position, agents)!
-- All unfinished reactions were carried out: nothing is to be sent again, if the lease still is ours.
WITH finished AS (
    UPDATE checkpoints SET done = position
    WHERE follower = :follower AND lease = :lease AND position = :position
    RETURNING true
)
UPDATE reactions SET resend = false FROM finished WHERE resend AND agent = ANY(:agents);

-- name: park!
-- An event of a key with its error, and those of the key that wait behind it.
INSERT INTO parked (follower, key, position, error)
SELECT :follower, :key, p.* FROM unnest(:positions::bigint[], :errors::text[]) AS p
ON CONFLICT DO NOTHING;

-- name: lock_place(follower)
-- Nobody moves the agents meanwhile.
SELECT lease, position, done FROM checkpoints WHERE follower = :follower FOR UPDATE;

-- name: load_parked(follower, agent, key)
-- What is parked of a key, in order, and whether a reaction to it was recorded.
SELECT p.position, r.position IS NOT NULL
FROM parked AS p LEFT JOIN reactions AS r ON r.agent = :agent AND r.position = p.position
WHERE p.follower = :follower AND p.key = :key ORDER BY p.position;

-- name: unpark(follower, agent, key)!
-- Let a key go on, and have what was recorded for it sent again.
WITH freed AS (
    DELETE FROM parked WHERE follower = :follower AND key = :key RETURNING position
)
UPDATE reactions AS r SET resend = true FROM freed WHERE r.agent = :agent AND r.position = freed.position;

-- name: fence(follower)!
-- Whoever holds the lease fails its next compare-and-set; whoever takes it next begins with what is unfinished.
UPDATE checkpoints SET lease = lease + 1, leased_until = '-infinity' WHERE follower = :follower;
