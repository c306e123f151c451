-- name: read_requested(types, days)
-- One request of each stream that was asked about in the last :days days, if its trade runs on the wall clock.
SELECT DISTINCT ON (stream) position FROM events
WHERE type = ANY(:types) AND recorded_at > now() - make_interval(days => :days)
    AND coalesce(convert_from(metadata, 'UTF8')::jsonb->>'clock', 'wall') = 'wall'
ORDER BY stream, position;
