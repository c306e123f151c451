-- name: lock_registry
-- One at a time makes, switches or drops generations.
SELECT pg_advisory_xact_lock(7246172);

-- name: try_to_build
-- For this session, until `end_to_build` or its end: a killed builder holds nobody up.
SELECT pg_try_advisory_lock(hashtextextended(:key, 0));

-- name: end_to_build
SELECT pg_advisory_unlock(hashtextextended(:key, 0));

-- name: read_live
SELECT name, generation, version FROM read_models WHERE live;

-- name: read_generations
SELECT generation, live FROM read_models WHERE name = :name ORDER BY generation;

-- name: add_generation$
INSERT INTO read_models (name, generation, version, live)
SELECT :name, coalesce(max(generation), 0) + 1, :version, :live FROM read_models WHERE name = :name
RETURNING generation;

-- name: protect
-- Let readers see of a new table what is theirs, and no more.
SELECT protect_read_model(CAST(:table AS regclass));

-- name: remove_generation!
DELETE FROM read_models WHERE name = :name AND generation = :generation;

-- name: switch_live!
-- In two steps, because of the unique index.
UPDATE read_models SET live = false WHERE name = :name AND live;

-- name: make_live!
UPDATE read_models SET live = true WHERE name = :name AND generation = :generation;

-- name: add_checkpoint!
INSERT INTO checkpoints (follower) VALUES (:follower);

-- name: lock_checkpoint
SELECT position FROM checkpoints WHERE follower = :follower FOR UPDATE;

-- name: remove_follower!
WITH gone AS (DELETE FROM checkpoints WHERE follower = :follower),
    unparked AS (DELETE FROM parked WHERE follower = :follower)
DELETE FROM projection_attempts WHERE follower = :follower;

-- name: take_leases
-- Those of :followers text[] that nobody holds: with the fencing number, and the attempts at this position.
UPDATE checkpoints AS c SET lease = c.lease + 1, leased_until = now() + make_interval(secs => :seconds)
WHERE c.follower = ANY(:followers) AND c.leased_until < now()
RETURNING c.follower, c.lease, c.position, coalesce((
    SELECT a.attempts FROM projection_attempts AS a WHERE a.follower = c.follower AND a.position = c.position
), 0);

-- name: renew_leases!
UPDATE checkpoints AS c SET leased_until = now() + make_interval(secs => :seconds)
FROM unnest(:followers::text[], :leases::bigint[]) AS mine (follower, lease)
WHERE c.follower = mine.follower AND c.lease = mine.lease;

-- name: release_leases!
UPDATE checkpoints AS c SET leased_until = '-infinity'
FROM unnest(:followers::text[], :leases::bigint[]) AS mine (follower, lease)
WHERE c.follower = mine.follower AND c.lease = mine.lease;

-- name: read_parked
SELECT DISTINCT follower, key FROM parked WHERE follower = ANY(:followers);

-- name: count_attempt!
INSERT INTO projection_attempts (follower, position, attempts) VALUES (:follower, :position, :attempts)
ON CONFLICT (follower) DO UPDATE SET position = excluded.position, attempts = excluded.attempts;

-- name: begin_page
-- The commit need not wait for the disk: rows and checkpoints are in one transaction, so a crash loses both
-- or neither, and what was lost is read from the log again. The plans must not depend on how many rows the
-- tables had when they were made: always the index.
SELECT set_config('synchronous_commit', 'off', true), set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
    set_config('plan_cache_mode', 'force_generic_plan', true),
    move_projections(:followers::text[], :leases::bigint[], :was::bigint, :position::bigint);

-- name: park!
INSERT INTO parked (follower, key, position, error)
SELECT :follower, * FROM unnest(:keys::text[], :positions::bigint[], :errors::text[])
ON CONFLICT (follower, key, position) DO NOTHING;

-- name: read_parked_positions
SELECT position FROM parked WHERE follower = :follower AND key = :key ORDER BY position;

-- name: unpark!
DELETE FROM parked WHERE follower = :follower AND key = :key;

-- name: fence!
-- Whoever holds the lease fails its next compare-and-set, takes the lease again and looks what is parked.
UPDATE checkpoints SET lease = lease + 1, leased_until = '-infinity' WHERE follower = :follower;

-- name: announce
-- Wakes readers who wait for a position: {"read model": position}.
SELECT pg_notify('tillroll_projections', :moved);

-- name: read_positions
SELECT r.name, c.position
FROM read_models AS r JOIN checkpoints AS c ON c.follower = projection_follower(r.name, r.generation)
WHERE r.live;
