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

-- name: lock_checkpoints
-- All of the follower's that this statement sees: nobody moves them meanwhile.
SELECT first_partition, last_partition, position FROM checkpoints WHERE follower = :follower ORDER BY first_partition FOR UPDATE;

-- name: remove_follower!
WITH gone AS (DELETE FROM checkpoints WHERE follower = :follower),
    unparked AS (DELETE FROM parked WHERE follower = :follower)
DELETE FROM projection_attempts WHERE follower = :follower;

-- name: read_attempts
-- How often a page of some of their partitions was begun at the very position where these followers stand.
SELECT c.follower, c.first_partition, max(a.attempts)
FROM checkpoints AS c JOIN projection_attempts AS a
    ON a.follower = c.follower AND a.position = c.position
    AND a.first_partition <= c.last_partition AND a.last_partition >= c.first_partition
WHERE c.follower = ANY(:followers) GROUP BY c.follower, c.first_partition;

-- name: read_parked
SELECT DISTINCT follower, key FROM parked WHERE follower = ANY(:followers);

-- name: count_attempt!
INSERT INTO projection_attempts (follower, first_partition, last_partition, position, attempts)
VALUES (:follower, :first, :last, :position, :attempts)
ON CONFLICT (follower, first_partition) DO UPDATE SET
    last_partition = excluded.last_partition, position = excluded.position, attempts = excluded.attempts;

-- name: begin_page
-- The commit need not wait for the disk: rows and checkpoints are in one transaction, so a crash loses both
-- or neither, and what was lost is read from the log again. The plans must not depend on how many rows the
-- tables had when they were made: always the index.
SELECT set_config('synchronous_commit', 'off', true), set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
    set_config('plan_cache_mode', 'force_generic_plan', true),
    move_projections(
        :followers::text[], :firsts::integer[], :lasts::integer[], :leases::bigint[], :was::bigint, :position::bigint
    );

-- name: wait_for_turn
-- Until the end of the transaction, at the rows of a read model that several partitions share.
SELECT pg_advisory_xact_lock(hashtextextended(:key, 0));

-- name: park!
INSERT INTO parked (follower, key, position, error)
SELECT :follower, * FROM unnest(:keys::text[], :positions::bigint[], :errors::text[])
ON CONFLICT (follower, key, position) DO NOTHING;

-- name: read_parked_positions
SELECT position FROM parked WHERE follower = :follower AND key = :key ORDER BY position;

-- name: unpark!
DELETE FROM parked WHERE follower = :follower AND key = :key AND position = ANY(:positions);

-- name: skip_parked
-- Only the event that the key stands at.
DELETE FROM parked WHERE follower = :follower AND key = :key AND position = :position
    AND position = (SELECT min(p.position) FROM parked AS p WHERE p.follower = :follower AND p.key = :key)
RETURNING true;

-- name: tell_error!
UPDATE parked SET error = :error WHERE follower = :follower AND key = :key AND position = :position;

-- name: read_skipped
-- What the live read models leave out, since a person said so.
SELECT r.name, a.skipped
FROM read_models AS r JOIN parked_answers AS a ON a.follower = projection_follower(r.name, r.generation)
WHERE r.live AND a.skipped IS NOT NULL;

-- name: fence!
-- Whoever holds a lease of it fails its next compare-and-set, takes the lease again and looks what is parked.
UPDATE checkpoints SET lease = lease + 1, leased_until = '-infinity' WHERE follower = :follower;

-- name: announce
-- Wakes readers who wait for a position.
SELECT pg_notify('tillroll_projections', :moved);

-- name: read_ranges
-- Where each live read model stands, in which partitions.
SELECT r.name, c.first_partition, c.last_partition, c.position
FROM read_models AS r JOIN checkpoints AS c ON c.follower = projection_follower(r.name, r.generation)
WHERE r.live ORDER BY r.name, c.first_partition;
