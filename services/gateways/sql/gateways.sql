-- name: load_calls(gateway)
-- Calls that were open when the last worker stopped, each with its event as stored.
SELECT c.attempts, c.next_at, e.position, e.stream, e.version, e.type, e.schema, e.data, e.merchant,
       e.correlation, e.causation, e.metadata, e.event_id, e.occurred_at, e.recorded_at, e.leaf_hash
FROM provider_calls AS c JOIN events AS e ON e.position = c.position
WHERE c.gateway = :gateway ORDER BY c.position;

-- name: keep_place
-- Move the checkpoint past what was taken and keep what of it is still open, in one statement: all of it or
-- nothing. The move is a compare-and-set, which everything else hangs on; false if the lease is another's. It
-- waits for the disk where the checkpoint stays: that a crash took it back, the next one would not notice.
WITH moved AS (
    UPDATE checkpoints SET position = :position, done = :position, moved_at = now()
    WHERE follower = :follower AND lease = :lease AND position = :was
    RETURNING true
), opened AS (
    INSERT INTO provider_calls (gateway, position, correlation, attempts, next_at)
    SELECT :gateway, c.* FROM unnest(
        :positions::bigint[], :correlations::text[], :attempts::integer[], :next_at::timestamptz[]
    ) AS c, moved
    ON CONFLICT (gateway, position) DO UPDATE SET attempts = excluded.attempts, next_at = excluded.next_at
), closed AS (
    DELETE FROM provider_calls USING moved WHERE gateway = :gateway AND position = ANY(:closed::bigint[])
)
SELECT EXISTS (SELECT FROM moved),
    set_config('synchronous_commit', CASE WHEN :position > :was THEN 'off' ELSE 'on' END, true);

-- name: load_moments(streams)
-- The newest event of each stream that exists, and the business clock that it runs on, if it has one.
SELECT e.stream, e.merchant, e.correlation, e.occurred_at, e.clock, c.now
FROM unnest(:streams::text[]) AS wanted (stream)
CROSS JOIN LATERAL (
    SELECT stream, merchant, correlation, occurred_at,
           coalesce(convert_from(metadata, 'UTF8')::json ->> 'clock', 'wall') AS clock
    FROM events WHERE events.stream = wanted.stream ORDER BY version DESC LIMIT 1
) AS e
LEFT JOIN business_clocks AS c ON c.clock = e.clock;

-- name: receive_webhooks
-- Keep webhooks, each once; those that are new. They are in hand: if nothing comes of it, `seconds` later
-- they are due again.
INSERT INTO webhook_inbox (provider, webhook_id, stream, correlation, body, next_at)
SELECT w.*, now() + make_interval(secs => :seconds)
FROM unnest(
    :providers::text[], :ids::text[], :streams::text[], :correlations::text[], :bodies::bytea[]
) AS w
ON CONFLICT (provider, webhook_id) DO NOTHING
RETURNING provider, webhook_id;

-- name: due_webhooks(seconds, limit)
-- Webhooks that are not matched and due, and postpone them by `seconds`: they are in hand now.
UPDATE webhook_inbox AS w SET next_at = now() + make_interval(secs => :seconds)
FROM (
    SELECT provider, webhook_id FROM webhook_inbox
    WHERE matched_at IS NULL AND next_at <= now() ORDER BY next_at LIMIT :limit FOR UPDATE SKIP LOCKED
) AS due
WHERE w.provider = due.provider AND w.webhook_id = due.webhook_id
RETURNING w.provider, w.webhook_id, w.stream, w.correlation, w.body, w.attempts;

-- name: release_webhooks()!
-- At the start: nothing is in hand.
UPDATE webhook_inbox SET next_at = now() WHERE matched_at IS NULL AND next_at > now();

-- name: settle_webhooks
-- What came of webhooks: matched, or to be tried again after `pauses` seconds. What is matched is not read again: what
-- its provider wrote goes, since it may say more of somebody than we keep.
WITH matched AS (
    UPDATE webhook_inbox AS w SET matched_at = now(), body = ''
    FROM unnest(:matched_providers::text[], :matched_ids::text[]) AS m (provider, webhook_id)
    WHERE w.provider = m.provider AND w.webhook_id = m.webhook_id
), postponed AS (
    UPDATE webhook_inbox AS w SET attempts = p.attempts, next_at = now() + make_interval(secs => p.pause)
    FROM unnest(
        :postponed_providers::text[], :postponed_ids::text[], :attempts::integer[], :pauses::double precision[]
    ) AS p (provider, webhook_id, attempts, pause)
    WHERE w.provider = p.provider AND w.webhook_id = p.webhook_id
)
SELECT set_config('synchronous_commit', 'off', true);
