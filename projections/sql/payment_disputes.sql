-- name: create_tables#
CREATE TABLE payment_disputes_g0 (
    merchant text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C" NOT NULL,
    dispute_id text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    amount_cents bigint NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'open',
    reason text NOT NULL,
    evidence text COLLATE "C",
    evidence_reason text,
    evidence_due_at timestamptz,
    opened_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (merchant, payment_id, dispute_id)
) WITH (fillfactor = 80);
CREATE INDEX ON payment_disputes_g0 (merchant, opened_at DESC, payment_id DESC, dispute_id DESC);
CREATE INDEX ON payment_disputes_g0 (merchant, status, opened_at DESC, payment_id DESC, dispute_id DESC);

-- name: open_disputes!
INSERT INTO payment_disputes_g0 (
    merchant, payment_id, dispute_id, order_id, amount_cents, reason, evidence_due_at, opened_at
)
SELECT * FROM unnest(
    :merchant, :payment_id, :dispute_id, :order_id, :amount_cents, :reason, :evidence_due_at, :opened_at
)
ON CONFLICT (merchant, payment_id, dispute_id) DO NOTHING;

-- name: move_disputes!
UPDATE payment_disputes_g0 AS d SET
    status = coalesce(m.status, d.status),
    ended_at = coalesce(m.ended_at, d.ended_at),
    evidence = coalesce(m.evidence, d.evidence),
    evidence_reason = nullif(coalesce(m.evidence_reason, d.evidence_reason), '')
FROM unnest(:merchant, :payment_id, :dispute_id, :status, :ended_at, :evidence, :evidence_reason)
    AS m (merchant, payment_id, dispute_id, status, ended_at, evidence, evidence_reason)
WHERE d.merchant = m.merchant AND d.payment_id = m.payment_id AND d.dispute_id = m.dispute_id;
