-- name: lock_registry
-- One at a time makes, switches or drops generations.
SELECT pg_advisory_xact_lock(7246172);

-- name: try_to_build
-- For this session, until `end_to_build` or its end: a killed builder holds nobody up.
SELECT pg_try_advisory_lock(hashtextextended(:key, 0));

-- name: end_to_build
SELECT pg_advisory_unlock(hashtextextended(:key, 0));

-- name: read_generations
SELECT generation, live FROM read_models WHERE name = :name ORDER BY generation;

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

-- name: lock_checkpoints
-- All of the follower's that this statement sees: nobody moves them meanwhile.
SELECT first_partition, last_partition, position FROM checkpoints WHERE follower = :follower ORDER BY first_partition FOR UPDATE;

-- name: remove_follower!
WITH gone AS (DELETE FROM checkpoints WHERE follower = :follower),
    unparked AS (DELETE FROM parked WHERE follower = :follower)
DELETE FROM projection_attempts WHERE follower = :follower;

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

-- name: read_ranges
-- Where each live read model stands, in which partitions.
SELECT r.name, c.first_partition, c.last_partition, c.position
FROM read_models AS r JOIN checkpoints AS c ON c.follower = projection_follower(r.name, r.generation)
WHERE r.live ORDER BY r.name, c.first_partition;
