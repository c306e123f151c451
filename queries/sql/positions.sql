-- name: read_positions
-- What each live read model shows: as far as its furthest behind partitions are.
SELECT r.name, min(c.position)
FROM read_models AS r JOIN checkpoints AS c ON c.follower = projection_follower(r.name, r.generation)
WHERE r.live GROUP BY r.name;

-- name: read_standing
-- In the snapshot of a read: the position that all of :names text[] show, how many keys of theirs are parked
-- (so that rows of those are missing something), and whether there is such a merchant.
SELECT coalesce(min(c.position), 0) AS position, count(DISTINCT r.name) AS found,
    (SELECT coalesce(sum(p.keys), 0)::bigint FROM parked_keys AS p
        WHERE p.follower IN (
            SELECT projection_follower(l.name, l.generation) FROM read_models AS l WHERE l.live AND l.name = ANY(:names)
        )
    ) AS parked,
    EXISTS (SELECT FROM merchants AS m WHERE m.merchant = :merchant) AS known
FROM read_models AS r JOIN checkpoints AS c ON c.follower = projection_follower(r.name, r.generation)
WHERE r.live AND r.name = ANY(:names);

-- name: list_projections
-- Each live read model: how far it is, whether someone moves it, and what is parked.
SELECT r.name, r.generation, r.version, min(c.position) AS position, max(c.moved_at) AS moved_at,
    bool_and(c.leased_until > now()) AS alive, log_head() - min(c.position) AS behind,
    coalesce((SELECT p.keys FROM parked_keys AS p WHERE p.follower = projection_follower(r.name, r.generation)), 0)
        AS parked_keys
FROM read_models AS r JOIN checkpoints AS c ON c.follower = projection_follower(r.name, r.generation)
WHERE r.live GROUP BY r.name, r.generation, r.version ORDER BY r.name;
