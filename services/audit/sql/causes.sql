-- name: read_streams
-- Streams from their beginning, at most :limit events of each, and at most :all_limit of all.
SELECT e.* FROM unnest(:streams::text[]) AS wanted (stream)
CROSS JOIN LATERAL (
    SELECT position, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
           occurred_at, recorded_at, leaf_hash
    FROM events WHERE events.stream = wanted.stream ORDER BY events.version LIMIT :limit
) AS e
LIMIT :all_limit;

-- name: read_newest
-- The last :limit events of a stream.
SELECT position, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
       occurred_at, recorded_at, leaf_hash
FROM events WHERE stream = :stream ORDER BY version DESC LIMIT :limit;

-- name: read_positions
SELECT position, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
       occurred_at, recorded_at, leaf_hash
FROM events WHERE position = ANY(:positions::bigint[]) LIMIT :limit;

-- name: read_effects
-- In each of the streams, events that the event beside it caused: of commands that the ledger does not know any more.
-- Streams of stock are read to their end.
SELECT e.* FROM unnest(:streams::text[], :causes::text[]) AS wanted (stream, cause)
CROSS JOIN LATERAL (
    SELECT position, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
           occurred_at, recorded_at, leaf_hash
    FROM events WHERE events.stream = wanted.stream AND events.causation = wanted.cause LIMIT :limit
) AS e;

-- name: has_timeline
SELECT to_regclass('order_timeline') IS NOT NULL;

-- name: read_timeline
-- Where in the log something happened to each of these orders, its payments and its parcels, at most :limit each.
SELECT t.position FROM unnest(:merchants::text[], :order_ids::text[]) AS wanted (merchant, order_id)
CROSS JOIN LATERAL (
    SELECT position FROM order_timeline AS o WHERE o.merchant = wanted.merchant AND o.order_id = wanted.order_id
    ORDER BY position LIMIT :limit
) AS t;

-- name: read_merchants
-- Whose order, payment, parcel or stock is called so, two at most: who asks for one of several must say which.
SELECT DISTINCT merchant FROM {table} WHERE {column} = :name ORDER BY merchant LIMIT 2;

-- name: read_reactions
SELECT agent, position, key, rule_version, commands FROM reactions
WHERE agent = ANY(:agents::text[]) AND position = ANY(:positions::bigint[]) LIMIT :limit;

-- name: read_commands
-- What the ledger knows of these commands.
SELECT command_id, merchant, first_position, last_position, answer, recorded_at
FROM commands WHERE command_id = ANY(:ids::uuid[]) LIMIT :limit;

-- name: read_webhooks
SELECT w.provider, w.webhook_id, w.received_at, w.attempts, w.matched_at
FROM unnest(:providers::text[], :ids::text[]) AS wanted (provider, webhook_id)
JOIN webhook_inbox AS w ON w.provider = wanted.provider AND w.webhook_id = wanted.webhook_id;

-- name: read_open_calls
-- Requests whose outcome is not known yet.
SELECT gateway, position, attempts, next_at FROM provider_calls
WHERE gateway = ANY(:gateways::text[]) AND position = ANY(:positions::bigint[]) LIMIT :limit;

-- name: read_pending
-- Deadlines that the agents wait for.
SELECT agent, key, name, due_at FROM deadlines WHERE agent = ANY(:agents::text[]) AND key = ANY(:keys::text[]) LIMIT :limit;

-- name: read_parked
-- Events that an agent has not reacted to, since its handler failed on one of that order.
SELECT follower, position FROM left_out
WHERE follower = ANY(:followers::text[]) AND position = ANY(:positions::bigint[]) LIMIT :limit;

-- name: find_events
-- By their ids, each of which holds the time when it was made: near that time, in at most :window positions.
SELECT found.position FROM unnest(:ids::uuid[], :ats::timestamptz[]) AS wanted (event_id, made_at)
CROSS JOIN LATERAL (SELECT position_at(wanted.made_at) AS near) AS begun
CROSS JOIN LATERAL (
    SELECT position FROM events
    WHERE position > begun.near AND position <= begun.near + :window AND events.event_id = wanted.event_id LIMIT 1
) AS found
LIMIT :limit;

-- name: read_head
-- Up to where the log is seen in this transaction.
SELECT log_head();
