-- name: share_rates
-- Adds what one process has counted since it last said so, and tells what all have counted together: in each of
-- these windows, and in the one before. The arrays are sorted by key and window, so that two processes that do
-- this at once never wait for one another in a circle.
WITH counted AS (
    INSERT INTO rates AS known (key, window_number, hits, ends_at)
    SELECT * FROM unnest(%(keys)s::bytea[], %(windows)s::bigint[], %(hits)s::bigint[], %(ends)s::bigint[])
    ON CONFLICT (key, window_number) DO UPDATE SET hits = known.hits + excluded.hits
    RETURNING known.key, known.window_number, known.hits
)
SELECT counted.key, counted.window_number, counted.hits, coalesce(before.hits, 0)
FROM counted
LEFT JOIN rates AS before
    ON before.key = counted.key AND before.window_number = counted.window_number - 1;

-- name: sweep_rates!
-- Forgets windows that nobody asks about any more.
DELETE FROM rates WHERE ends_at <= %(now)s;
