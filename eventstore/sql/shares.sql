-- name: join_workers(name, teams, seconds)
-- A new worker comes last: those before it keep their order, and most of what they have.
INSERT INTO workers (name, teams, alive_until)
VALUES (:name, :teams, now() + make_interval(secs => :seconds)) RETURNING worker;

-- name: stay(worker, seconds)
UPDATE workers SET alive_until = now() + make_interval(secs => :seconds) WHERE worker = :worker RETURNING worker;

-- name: leave(worker)!
-- Those who died without a word go with whoever leaves, once nobody can mistake them for stopped ones.
DELETE FROM workers WHERE worker = :worker OR alive_until < now() - interval '1 hour';

-- name: read_team(teams)
-- Who shares each of these: the living, in the order in which they came.
SELECT t.team, array_agg(w.worker ORDER BY w.worker)
FROM workers AS w, unnest(w.teams) AS t (team)
WHERE w.alive_until > now() AND t.team = ANY(:teams) GROUP BY t.team;

-- name: lock_free(followers, firsts, lasts)
-- Checkpoints that nobody holds and that have some of the partitions which are wanted. One that is locked is in
-- somebody's page, or being taken: the next look will tell.
SELECT c.follower, c.first_partition, c.last_partition
FROM unnest(:followers::text[], :firsts::integer[], :lasts::integer[]) AS w (follower, first, last)
JOIN checkpoints AS c
    ON c.follower = w.follower AND c.first_partition <= w.last AND c.last_partition >= w.first
WHERE c.leased_until < now()
ORDER BY c.follower, c.first_partition
FOR UPDATE OF c SKIP LOCKED;

-- name: add_parts!
-- What is cut off a checkpoint (of which :wholes is the first partition) stands where that one stands.
INSERT INTO checkpoints (follower, first_partition, last_partition, position, done, lease, moved_at)
SELECT c.follower, p.first, p.last, c.position, c.done, c.lease, c.moved_at
FROM unnest(:followers::text[], :wholes::integer[], :firsts::integer[], :lasts::integer[])
    AS p (follower, whole, first, last)
JOIN checkpoints AS c ON c.follower = p.follower AND c.first_partition = p.whole;

-- name: resize!
UPDATE checkpoints AS c SET last_partition = r.last, lease = greatest(c.lease, r.lease)
FROM unnest(:followers::text[], :firsts::integer[], :lasts::integer[], :leases::bigint[])
    AS r (follower, first, last, lease)
WHERE c.follower = r.follower AND c.first_partition = r.first;

-- name: take
-- With a new fencing number each. Only for those that are locked and free.
UPDATE checkpoints AS c
SET lease = c.lease + 1, leased_until = now() + make_interval(secs => :seconds), worker = :worker
FROM unnest(:followers::text[], :firsts::integer[]) AS t (follower, first)
WHERE c.follower = t.follower AND c.first_partition = t.first
RETURNING c.follower, c.first_partition, c.last_partition, c.lease, c.position, c.done;

-- name: renew!
UPDATE checkpoints AS c SET leased_until = now() + make_interval(secs => :seconds)
FROM unnest(:followers::text[], :firsts::integer[], :leases::bigint[]) AS mine (follower, first, lease)
WHERE c.follower = mine.follower AND c.first_partition = mine.first AND c.lease = mine.lease;

-- name: release!
UPDATE checkpoints AS c SET leased_until = '-infinity', worker = NULL
FROM unnest(:followers::text[], :firsts::integer[], :leases::bigint[]) AS mine (follower, first, lease)
WHERE c.follower = mine.follower AND c.first_partition = mine.first AND c.lease = mine.lease;

-- name: release_all!
-- Whatever that worker took last, also what it does not know of, having been cancelled.
UPDATE checkpoints SET leased_until = '-infinity', worker = NULL WHERE worker = :worker;

-- name: lock_held
-- Those that are still as their worker thinks.
SELECT c.follower
FROM unnest(:followers::text[], :firsts::integer[], :lasts::integer[], :leases::bigint[], :positions::bigint[])
    AS mine (follower, first, last, lease, position)
JOIN checkpoints AS c
    ON c.follower = mine.follower AND c.first_partition = mine.first AND c.last_partition = mine.last
    AND c.lease = mine.lease AND c.position = mine.position
ORDER BY c.follower, c.first_partition
FOR UPDATE OF c;

-- name: remove_parts!
DELETE FROM checkpoints AS c USING unnest(:followers::text[], :firsts::integer[]) AS p (follower, first)
WHERE c.follower = p.follower AND c.first_partition = p.first;
