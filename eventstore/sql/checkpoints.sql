-- name: create_checkpoint(follower, position)!
INSERT INTO checkpoints (follower, position, done) VALUES (:follower, :position, :position)
ON CONFLICT (follower, first_partition) DO NOTHING;

-- name: take_lease(follower, seconds)
-- Take the follower's lease if nobody holds it; its fencing number, position and done.
UPDATE checkpoints SET lease = lease + 1, leased_until = now() + make_interval(secs => :seconds)
WHERE follower = :follower AND leased_until < now()
RETURNING lease, position, done;

-- name: renew_lease(follower, lease, seconds)
UPDATE checkpoints SET leased_until = now() + make_interval(secs => :seconds)
WHERE follower = :follower AND lease = :lease
RETURNING lease;

-- name: release_lease(follower, lease)!
UPDATE checkpoints SET leased_until = '-infinity' WHERE follower = :follower AND lease = :lease;

-- name: move_checkpoint(follower, lease, was, position, done)
-- Compare and set: a worker that lost its lease, or is not where it thought, moves nothing. The commit need not
-- wait for the disk: whoever moves by this statement may take the same events twice.
UPDATE checkpoints SET position = :position, done = :done, moved_at = now()
WHERE follower = :follower AND lease = :lease AND position = :was
RETURNING position, set_config('synchronous_commit', 'off', true);

-- name: read_checkpoints()
SELECT c.follower, c.first_partition, c.last_partition, c.position, c.done, c.leased_until > now() AS alive,
    c.moved_at, w.name AS worker
FROM checkpoints AS c LEFT JOIN workers AS w ON w.worker = c.worker
ORDER BY c.follower, c.first_partition;
