-- name: load_processes(agents, keys)
SELECT p.agent, p.key, p.state FROM unnest(:agents::text[], :keys::text[]) AS wanted (agent, key)
JOIN agent_processes AS p ON p.agent = wanted.agent AND p.key = wanted.key;

-- name: load_parked_keys(followers)
SELECT DISTINCT follower, key FROM parked WHERE follower = ANY(:followers);

-- name: load_unfinished(agents, done, position)
-- Reactions whose commands may not have been carried out when the worker stopped.
SELECT agent, position, commands FROM reactions
WHERE agent = ANY(:agents) AND position > :done AND position <= :position ORDER BY position;

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
    INSERT INTO reactions (agent, position, event_id, key, rule_version, commands)
    SELECT r.* FROM unnest(
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

-- name: park(follower, key, position, error)!
INSERT INTO parked (follower, key, position, error) VALUES (:follower, :key, :position, :error)
ON CONFLICT DO NOTHING;
