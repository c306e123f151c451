-- name: create_tables#
CREATE TABLE discrepancies_g0 (
    merchant text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    ours_cents bigint,
    theirs_cents bigint,
    currency text COLLATE "C",
    provider_reference text,
    opened_at timestamptz NOT NULL,
    resolved_at timestamptz,
    resolved_by text,
    reason text,
    status text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
        CASE WHEN resolved_at IS NULL THEN 'open' ELSE 'resolved' END
    ) STORED,
    PRIMARY KEY (merchant, payment_id, kind)
) WITH (fillfactor = 80);
CREATE INDEX ON discrepancies_g0 (merchant, opened_at DESC, payment_id DESC, kind DESC);
CREATE INDEX ON discrepancies_g0 (merchant, status, opened_at DESC, payment_id DESC, kind DESC);

-- name: open_discrepancies!
-- One that opens again, with other figures, is open again.
INSERT INTO discrepancies_g0 (
    merchant, payment_id, kind, order_id, ours_cents, theirs_cents, currency, provider_reference, opened_at,
    resolved_at, resolved_by, reason
)
SELECT * FROM unnest(
    :merchant, :payment_id, :kind, :order_id, :ours_cents, :theirs_cents, :currency, :provider_reference,
    :opened_at, :resolved_at, :resolved_by, :reason
)
ON CONFLICT (merchant, payment_id, kind) DO UPDATE SET
    ours_cents = excluded.ours_cents, theirs_cents = excluded.theirs_cents, opened_at = excluded.opened_at,
    currency = excluded.currency, provider_reference = excluded.provider_reference,
    resolved_at = NULL, resolved_by = NULL, reason = NULL;

-- name: resolve_discrepancies!
UPDATE discrepancies_g0 AS d SET
    resolved_at = r.resolved_at, resolved_by = r.resolved_by, reason = r.reason
FROM unnest(:merchant, :payment_id, :kind, :resolved_at, :resolved_by, :reason)
    AS r (merchant, payment_id, kind, resolved_at, resolved_by, reason)
WHERE d.merchant = r.merchant AND d.payment_id = r.payment_id AND d.kind = r.kind;
