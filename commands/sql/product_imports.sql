-- name: add_import
-- The digest that is kept: another's, if the same key came with another file before.
INSERT INTO catalogue_imports (import_id, merchant, actor, digest) VALUES (:import_id, :merchant, :actor, :digest)
ON CONFLICT (import_id) DO UPDATE SET import_id = excluded.import_id
RETURNING digest, (xmax = 0) AS added;

-- name: add_rows!
-- A row with a message could not be read.
INSERT INTO catalogue_import_rows (import_id, line, cells, outcome, readable, "column", message)
SELECT :import_id, r.line, r.cells::jsonb, CASE WHEN r.message = '' THEN 'waiting' ELSE 'failed' END, r.message = '',
    r."column", r.message
FROM unnest(:lines::integer[], :cells::text[], :columns::text[], :messages::text[])
    AS r (line, cells, "column", message);

-- name: take_rows
-- Of one import that has some waiting, and that nobody else works on; they are locked until the transaction ends.
SELECT i.import_id, i.merchant, i.actor, i.attempt, r.line, r.cells
FROM (
    SELECT c.* FROM catalogue_imports AS c
    WHERE EXISTS (
        SELECT FROM catalogue_import_rows AS w WHERE w.import_id = c.import_id AND w.outcome = 'waiting'
    )
    ORDER BY c.received_at LIMIT 1 FOR UPDATE SKIP LOCKED
) AS i
JOIN catalogue_import_rows AS r ON r.import_id = i.import_id AND r.outcome = 'waiting'
ORDER BY r.line
LIMIT :limit;

-- name: keep_outcomes!
UPDATE catalogue_import_rows AS r SET
    outcome = CASE WHEN o.message = '' THEN 'done' ELSE 'failed' END, "column" = o."column", message = o.message
FROM unnest(:lines::integer[], :columns::text[], :messages::text[]) AS o (line, "column", message)
WHERE r.import_id = :import_id AND r.line = o.line;

-- name: read_progress
SELECT i.received_at, i.attempt, count(r.line) AS rows, count(r.line) FILTER (WHERE r.outcome = 'done') AS done,
    count(r.line) FILTER (WHERE r.outcome = 'failed') AS failed,
    count(r.line) FILTER (WHERE NOT r.readable) AS unreadable
FROM catalogue_imports AS i LEFT JOIN catalogue_import_rows AS r ON r.import_id = i.import_id
WHERE i.import_id = :import_id AND i.merchant = :merchant
GROUP BY i.import_id;

-- name: read_failed
SELECT r.line, r."column", r.message, r.cells
FROM catalogue_import_rows AS r JOIN catalogue_imports AS i ON i.import_id = r.import_id
WHERE i.import_id = :import_id AND i.merchant = :merchant AND r.outcome = 'failed' AND r.line > :after
ORDER BY r.line LIMIT :limit;

-- name: try_again
-- What failed waits again, but for what could not be read: under a new attempt, as what came of the one before is kept
-- in the ledger.
WITH again AS (
    UPDATE catalogue_imports SET attempt = attempt + 1 WHERE import_id = :import_id AND merchant = :merchant
    RETURNING import_id
)
UPDATE catalogue_import_rows AS r SET outcome = 'waiting', "column" = '', message = ''
FROM again WHERE r.import_id = again.import_id AND r.outcome = 'failed' AND r.readable;

-- name: sweep!
DELETE FROM catalogue_imports WHERE import_id IN (
    SELECT import_id FROM catalogue_imports WHERE received_at < now() - interval '30 days' ORDER BY received_at LIMIT 10
);
