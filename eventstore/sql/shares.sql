-- name: join_workers(known_as, teams, seconds)
-- A new worker comes last: those before it keep their order, and most of what they have.
INSERT INTO workers (name, teams, alive_until)
VALUES (:known_as, :teams, now() + make_interval(secs => :seconds)) RETURNING worker;

-- name: stay(worker, seconds)
UPDATE workers SET alive_until = now() + make_interval(secs => :seconds) WHERE worker = :worker RETURNING worker;

-- name: leave(worker)!
-- With all that it holds. Those who died without a word go, too, once nobody can mistake them for stopped ones.
WITH held AS (
    SELECT follower, first_partition FROM checkpoints WHERE worker = :worker
    ORDER BY follower, first_partition FOR UPDATE
), released AS (
    UPDATE checkpoints AS c SET leased_until = '-infinity', worker = NULL
    FROM held WHERE c.follower = held.follower AND c.first_partition = held.first_partition
)
DELETE FROM workers WHERE worker = :worker OR alive_until < now() - interval '1 hour';

-- name: read_team(teams)
-- Who shares each of these: the living, in the order in which they came.
SELECT t.team, array_agg(w.worker ORDER BY w.worker)
FROM workers AS w, unnest(w.teams) AS t (team)
WHERE w.alive_until > now() AND t.team = ANY(:teams) GROUP BY t.team;

-- name: take(followers, firsts, lasts, worker, seconds)
-- Of the checkpoints that nobody holds, what is wanted of each, with a new fencing number; what is cut off stands
-- where the whole stood. One that is locked is in somebody's page, or being taken: the next look will tell.
WITH free AS (
    SELECT c.*, w.first AS wanted_first, w.last AS wanted_last
    FROM unnest(:followers::text[], :firsts::integer[], :lasts::integer[]) AS w (follower, first, last)
    JOIN checkpoints AS c
        ON c.follower = w.follower AND c.first_partition <= w.last AND c.last_partition >= w.first
    WHERE c.leased_until < now()
    ORDER BY c.follower, c.first_partition
    FOR UPDATE OF c SKIP LOCKED
), parts AS (
    SELECT f.follower, f.first_partition AS whole, p.first, p.last, p.ours, f.position, f.done, f.moved_at,
        f.lease + p.ours::integer AS lease,
        CASE WHEN p.ours THEN now() + make_interval(secs => :seconds) ELSE f.leased_until END AS leased_until,
        CASE WHEN p.ours THEN :worker::bigint ELSE f.worker END AS worker
    FROM free AS f CROSS JOIN LATERAL (VALUES
        (f.first_partition, f.wanted_first - 1, false),
        (greatest(f.first_partition, f.wanted_first), least(f.last_partition, f.wanted_last), true),
        (f.wanted_last + 1, f.last_partition, false)
    ) AS p (first, last, ours)
    WHERE p.first <= p.last
), shortened AS (
    UPDATE checkpoints AS c
    SET last_partition = p.last, lease = p.lease, leased_until = p.leased_until, worker = p.worker
    FROM parts AS p WHERE c.follower = p.follower AND c.first_partition = p.first AND p.first = p.whole
), added AS (
    INSERT INTO checkpoints
        (follower, first_partition, last_partition, position, done, lease, leased_until, worker, moved_at)
    SELECT follower, first, last, position, done, lease, leased_until, worker, moved_at
    FROM parts WHERE first > whole
)
SELECT follower, first, last, lease, position, done FROM parts WHERE ours ORDER BY follower, first;

-- name: renew(followers, firsts, lasts, leases, seconds)
-- Those that still are ours, whole: of one that was cut while its worker stood still, the part that nobody took has its
-- lease, but the worker must learn that it has lost the rest. Whoever locks several checkpoints, here or for a page, does so in this one order: two who
-- wait for each other would both stand still until Postgres ends one of them.
WITH held AS (
    SELECT c.follower, c.first_partition
    FROM unnest(:followers::text[], :firsts::integer[], :lasts::integer[], :leases::bigint[])
        AS mine (follower, first, last, lease)
    JOIN checkpoints AS c
        ON c.follower = mine.follower AND c.first_partition = mine.first AND c.last_partition = mine.last
        AND c.lease = mine.lease
    ORDER BY c.follower, c.first_partition
    FOR UPDATE OF c
)
UPDATE checkpoints AS c SET leased_until = now() + make_interval(secs => :seconds)
FROM held WHERE c.follower = held.follower AND c.first_partition = held.first_partition
RETURNING c.follower, c.first_partition;

-- name: release(followers, firsts, lasts, leases)!
WITH held AS (
    SELECT c.follower, c.first_partition
    FROM unnest(:followers::text[], :firsts::integer[], :lasts::integer[], :leases::bigint[])
        AS mine (follower, first, last, lease)
    JOIN checkpoints AS c
        ON c.follower = mine.follower AND c.first_partition = mine.first AND c.last_partition = mine.last
        AND c.lease = mine.lease
    ORDER BY c.follower, c.first_partition
    FOR UPDATE OF c
)
UPDATE checkpoints AS c SET leased_until = '-infinity', worker = NULL
FROM held WHERE c.follower = held.follower AND c.first_partition = held.first_partition;

-- name: release_all(worker)!
-- Whatever that worker took last, also what it does not know of, having been cancelled.
WITH held AS (
    SELECT follower, first_partition FROM checkpoints WHERE worker = :worker
    ORDER BY follower, first_partition FOR UPDATE
)
UPDATE checkpoints AS c SET leased_until = '-infinity', worker = NULL
FROM held WHERE c.follower = held.follower AND c.first_partition = held.first_partition;

-- name: merge(followers, firsts, lasts, leases, positions, runs)
-- One checkpoint of each run, with a new fencing number, if all are still as their worker thinks; else nothing.
WITH held AS (
    SELECT mine.*, c.done
    FROM unnest(
        :followers::text[], :firsts::integer[], :lasts::integer[], :leases::bigint[], :positions::bigint[],
        :runs::integer[]
    ) AS mine (follower, first, last, lease, position, run)
    JOIN checkpoints AS c
        ON c.follower = mine.follower AND c.first_partition = mine.first AND c.last_partition = mine.last
        AND c.lease = mine.lease AND c.position = mine.position
    ORDER BY c.follower, c.first_partition
    FOR UPDATE OF c
), wholes AS (
    SELECT run, follower, min(first) AS first, max(last) AS last, 1 + max(lease) AS lease, min(done) AS done
    FROM held WHERE (SELECT count(*) FROM held) = cardinality(:runs::integer[]) GROUP BY run, follower
), removed AS (
    DELETE FROM checkpoints AS c USING held AS h JOIN wholes AS w USING (run)
    WHERE c.follower = h.follower AND c.first_partition = h.first AND h.first > w.first
), extended AS (
    UPDATE checkpoints AS c SET last_partition = w.last, lease = w.lease, done = w.done
    FROM wholes AS w WHERE c.follower = w.follower AND c.first_partition = w.first
)
SELECT first, last, lease FROM wholes ORDER BY run;
