-- name: read_live
SELECT name, generation, version FROM read_models WHERE live;

-- name: add_generation$
INSERT INTO read_models (name, generation, version, live)
SELECT :model, coalesce(max(generation), 0) + 1, :version, :live FROM read_models WHERE name = :model
RETURNING generation;

-- name: add_checkpoint!
INSERT INTO checkpoints (follower) VALUES (:follower);

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
-- tables had when they were made: always the index. Whoever is stopped in the middle of a page has its checkpoints
-- locked, so that nobody can go on in its place: the server ends it.
SELECT set_config('synchronous_commit', 'off', true), set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
    set_config('plan_cache_mode', 'force_generic_plan', true), set_config('transaction_timeout', '30s', true),
    move_projections(
        :followers::text[], :firsts::integer[], :lasts::integer[], :leases::bigint[], :was::bigint, :position::bigint
    );

-- name: wait_for_turn
-- Until the end of the transaction, at the rows of a read model that several partitions share.
SELECT pg_advisory_xact_lock(hashtextextended(:key, 0));

-- name: park_page!
INSERT INTO parked (follower, key, position, error)
SELECT :follower, * FROM unnest(:keys::text[], :positions::bigint[], :errors::text[])
ON CONFLICT (follower, key, position) DO NOTHING;

-- name: announce
-- Wakes readers who wait for a position.
SELECT pg_notify('tillroll_projections', :moved);
