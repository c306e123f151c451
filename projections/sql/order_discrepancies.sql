-- name: create_tables#
CREATE TABLE order_discrepancies_g0 (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    about text COLLATE "C" NOT NULL,
    fact text COLLATE "C" NOT NULL,
    opened_at timestamptz NOT NULL,
    resolved_at timestamptz,
    resolved_by text,
    reason text,
    status text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
        CASE WHEN resolved_at IS NULL THEN 'open' ELSE 'resolved' END
    ) STORED,
    PRIMARY KEY (merchant, order_id, kind, about)
) WITH (fillfactor = 80);
CREATE INDEX ON order_discrepancies_g0 (merchant, opened_at DESC, order_id DESC, kind DESC, about DESC);
CREATE INDEX ON order_discrepancies_g0 (merchant, kind, opened_at DESC, order_id DESC, about DESC);
CREATE INDEX ON order_discrepancies_g0 (merchant, opened_at DESC, order_id DESC, kind DESC, about DESC)
    WHERE resolved_at IS NULL;
CREATE INDEX ON order_discrepancies_g0 (merchant, kind, opened_at DESC, order_id DESC, about DESC)
    WHERE resolved_at IS NULL;

-- name: resolve_discrepancies!
-- Before whole kinds are, and before the rows of the same batch are written.
UPDATE order_discrepancies_g0 AS d SET
    resolved_at = r.resolved_at, resolved_by = r.resolved_by, reason = r.reason
FROM unnest(:merchant, :order_id, :kind, :about, :resolved_at, :resolved_by, :reason)
    AS r (merchant, order_id, kind, about, resolved_at, resolved_by, reason)
WHERE d.merchant = r.merchant AND d.order_id = r.order_id AND d.kind = r.kind AND d.about = r.about
  AND d.resolved_at IS NULL;

-- name: resolve_kinds!
-- All of a kind that are open then.
UPDATE order_discrepancies_g0 AS d SET
    resolved_at = r.resolved_at, resolved_by = r.resolved_by, reason = r.reason
FROM unnest(:merchant, :order_id, :kind, :resolved_at, :resolved_by, :reason)
    AS r (merchant, order_id, kind, resolved_at, resolved_by, reason)
WHERE d.merchant = r.merchant AND d.order_id = r.order_id AND d.kind = r.kind AND d.resolved_at IS NULL;

-- name: open_discrepancies!
-- One that is told again is open from then, unless the same batch has closed it.
INSERT INTO order_discrepancies_g0 (
    merchant, order_id, kind, about, fact, opened_at, resolved_at, resolved_by, reason
)
SELECT * FROM unnest(
    :merchant, :order_id, :kind, :about, :fact, :opened_at, :resolved_at, :resolved_by, :reason
)
ON CONFLICT (merchant, order_id, kind, about) DO UPDATE SET
    fact = excluded.fact, opened_at = excluded.opened_at, resolved_at = excluded.resolved_at,
    resolved_by = excluded.resolved_by, reason = excluded.reason;
