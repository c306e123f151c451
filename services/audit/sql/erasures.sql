-- name: read_standing(subject)
-- A data subject's key: is it there, and who was it erased by, if it was? No row for an unknown one.
SELECT k.wrapped_key IS NOT NULL AS kept, e.merchant, e.actor, e.reason, e.despite, e.command_id,
    coalesce(e.erased_at, k.erased_at) AS erased_at, e.position
FROM data_keys AS k LEFT JOIN erasures AS e ON e.subject = k.subject WHERE k.subject = :subject;

-- name: erase_subject(subject, merchant, actor, reason, despite, command_id, erased_at)
-- Destroy the key, record that, and tell every process, all or nothing. A subject that was never known counts as
-- erased from now on: a restored log may hear of it again. The first erasure of a subject stays as it was.
WITH gone AS (
    INSERT INTO data_keys (subject, wrapped_key, erased_at) VALUES (:subject, NULL, :erased_at)
    ON CONFLICT (subject) DO UPDATE
        SET wrapped_key = NULL, erased_at = coalesce(data_keys.erased_at, excluded.erased_at)
    RETURNING subject
), recorded AS (
    INSERT INTO erasures (subject, merchant, actor, reason, despite, command_id, erased_at)
    SELECT subject, :merchant, :actor, :reason, :despite::text[], :command_id, :erased_at FROM gone
    ON CONFLICT (subject) DO NOTHING
    RETURNING number
)
SELECT pg_notify('tillroll_erasures', subject), (SELECT number FROM recorded) FROM gone;

-- name: read_unsaid()
-- Erasures that the log does not tell of yet.
SELECT number, subject, merchant, actor, reason, despite, command_id, erased_at FROM erasures
WHERE position IS NULL ORDER BY number LIMIT 1000;

-- name: note_said(subject, position)!
UPDATE erasures SET position = :position WHERE subject = :subject AND position IS NULL;

-- name: read_not_erased(subjects)
-- Which of these have a key, or no record of their erasure, in this database? :subjects text[]
SELECT asked.subject FROM unnest(:subjects::text[]) AS asked (subject)
WHERE NOT EXISTS (
    SELECT FROM data_keys AS k JOIN erasures AS e ON e.subject = k.subject
    WHERE k.subject = asked.subject AND k.wrapped_key IS NULL
);

-- name: read_erased_since(number)
-- For who forgets keys, and for the list outside of the database.
SELECT number, subject, merchant, actor, reason, despite, command_id, erased_at FROM erasures
WHERE number > :number ORDER BY number LIMIT 1000;

-- name: read_last_number()
SELECT coalesce((SELECT number FROM erasures ORDER BY number DESC LIMIT 1), 0) AS number;

-- name: read_erasures(merchant, before, limit)
-- Those of a merchant (NULL: of all), the newest first.
SELECT number, subject, merchant, actor, reason, despite, erased_at, position FROM erasures
WHERE (:merchant::text IS NULL OR merchant = :merchant) AND number < :before ORDER BY number DESC LIMIT :limit;

-- name: read_followed(followers)
-- Up to where all of these followers of the log are; 0 if none has a checkpoint.
SELECT coalesce(min(position), 0) AS position FROM checkpoints WHERE follower = ANY(:followers);

-- name: read_last_said()
-- The last event that tells of an erasure.
SELECT coalesce((SELECT position FROM erasures WHERE position IS NOT NULL ORDER BY position DESC LIMIT 1), 0)
    AS position;

-- name: count_orders_of
-- What is known of the person's orders, by merchant; of a merchant's reader it is bound to that one.
SELECT merchant, count(*) AS orders, count(*) FILTER (WHERE status NOT IN ('completed', 'cancelled')) AS open_orders,
    count(*) FILTER (WHERE customer_id IS NOT NULL) AS plain_rows
FROM (
    SELECT merchant, status, customer_id FROM orders WHERE orders.subject = :erased LIMIT 10000
) AS o GROUP BY merchant ORDER BY merchant;

-- name: read_shown
-- Up to where in the log the orders are shown; NULL where they are not.
SELECT min(c.position) AS position
FROM read_models AS r JOIN checkpoints AS c ON c.follower = projection_follower(r.name, r.generation)
WHERE r.live AND r.name = 'orders';
