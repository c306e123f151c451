-- name: create_tables#
CREATE TABLE payments_g0 (
    merchant text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    checkout_id text COLLATE "C",
    portion bigint,
    sequence bigint,
    method text COLLATE "C" NOT NULL,
    installments bigint NOT NULL,
    currency text COLLATE "C" NOT NULL,
    amount_cents bigint NOT NULL,
    planned_at timestamptz NOT NULL,
    requested boolean NOT NULL DEFAULT false,
    authorized boolean NOT NULL DEFAULT false,
    declined boolean NOT NULL DEFAULT false,
    void_requested boolean NOT NULL DEFAULT false,
    voided boolean NOT NULL DEFAULT false,
    expired boolean NOT NULL DEFAULT false,
    captures_count bigint NOT NULL DEFAULT 0,
    capture_requested_cents bigint NOT NULL DEFAULT 0,
    refund_requested_cents bigint NOT NULL DEFAULT 0,
    authorized_cents bigint NOT NULL DEFAULT 0,
    captured_cents bigint NOT NULL DEFAULT 0,
    refunded_cents bigint NOT NULL DEFAULT 0,
    voided_cents bigint NOT NULL DEFAULT 0,
    expired_cents bigint NOT NULL DEFAULT 0,
    disputed_cents bigint NOT NULL DEFAULT 0,
    action text COLLATE "C",
    action_url text,
    provider_reference text,
    decline_reason text,
    discrepancy text,
    trouble text COLLATE "C",
    requested_at timestamptz,
    authorized_at timestamptz,
    declined_at timestamptz,
    captured_at timestamptz,
    refunded_at timestamptz,
    voided_at timestamptz,
    held_until timestamptz,
    expires_at timestamptz GENERATED ALWAYS AS (
        CASE WHEN captured_cents + voided_cents + expired_cents < authorized_cents THEN held_until END
    ) STORED,
    status text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN refunded_cents > 0 AND refunded_cents >= captured_cents THEN 'refunded'
            WHEN refunded_cents > 0 THEN 'partially_refunded'
            WHEN captures_count > 0 AND captured_cents + voided_cents + expired_cents >= authorized_cents THEN 'captured'
            WHEN captures_count > 0 THEN 'partially_captured'
            WHEN voided THEN 'voided'
            WHEN expired THEN 'expired'
            WHEN declined THEN 'declined'
            WHEN authorized THEN 'authorized'
            WHEN action = 'required' THEN 'action_required'
            WHEN requested THEN 'requested'
            ELSE 'planned'
        END
    ) STORED,
    PRIMARY KEY (merchant, payment_id)
) WITH (fillfactor = 80);
CREATE INDEX ON payments_g0 (merchant, order_id);
CREATE INDEX ON payments_g0 (merchant, planned_at DESC, payment_id DESC);
CREATE INDEX ON payments_g0 (merchant, status, planned_at DESC, payment_id DESC);
CREATE INDEX ON payments_g0 (merchant, planned_at DESC, payment_id DESC) WHERE trouble IS NOT NULL;
CREATE INDEX ON payments_g0 (merchant, expires_at, payment_id) WHERE expires_at IS NOT NULL;
CREATE TABLE payment_terms_g0 (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    authorization_valid_s bigint NOT NULL,
    PRIMARY KEY (merchant, order_id)
);
CREATE TABLE payment_requests_g0 (
    merchant text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C" NOT NULL,
    call text COLLATE "C" NOT NULL,
    reference text COLLATE "C" NOT NULL,
    amount_cents bigint,
    status text COLLATE "C" NOT NULL,
    reason text,
    refund_reason text COLLATE "C",
    refund_note text,
    position bigint NOT NULL,
    requested_at timestamptz,
    settled_at timestamptz,
    PRIMARY KEY (merchant, payment_id, call, reference)
);
CREATE TABLE payment_troubles_g0 (
    merchant text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C" NOT NULL,
    call text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (merchant, payment_id, call)
);

-- name: remember_payment_terms!
INSERT INTO payment_terms_g0 (merchant, order_id, authorization_valid_s)
SELECT * FROM unnest(:merchant, :order_id, :authorization_valid_s);

-- name: plan_payments!
-- The first row of a payment stays: that of its order, where there is one.
INSERT INTO payments_g0 (
    merchant, payment_id, order_id, checkout_id, portion, sequence, method, installments, currency,
    amount_cents, planned_at
)
SELECT * FROM unnest(
    :merchant, :payment_id, :order_id, :checkout_id, :portion, :sequence, :method, :installments, :currency,
    :amount_cents, :planned_at
)
ON CONFLICT (merchant, payment_id) DO NOTHING;

-- name: keep_requests!
-- A failure names no amount; what the provider did unasked was never requested.
INSERT INTO payment_requests_g0 AS r (
    merchant, payment_id, call, reference, amount_cents, status, reason, refund_reason, refund_note, position,
    requested_at, settled_at
)
SELECT * FROM unnest(
    :merchant, :payment_id, :call, :reference, :amount_cents, :status, :reason, :refund_reason, :refund_note, :position,
    :requested_at, :settled_at
)
ON CONFLICT (merchant, payment_id, call, reference) DO UPDATE SET
    amount_cents = coalesce(excluded.amount_cents, r.amount_cents),
    status = excluded.status,
    reason = excluded.reason,
    refund_reason = coalesce(excluded.refund_reason, r.refund_reason),
    refund_note = coalesce(excluded.refund_note, r.refund_note),
    requested_at = coalesce(r.requested_at, excluded.requested_at),
    settled_at = coalesce(excluded.settled_at, r.settled_at);

-- name: mend_troubles!
DELETE FROM payment_troubles_g0 AS t USING unnest(:merchant, :payment_id, :call) AS m (merchant, payment_id, call)
WHERE t.merchant = m.merchant AND t.payment_id = m.payment_id AND t.call = m.call;

-- name: keep_troubles!
INSERT INTO payment_troubles_g0 (merchant, payment_id, call, kind, position)
SELECT * FROM unnest(:merchant, :payment_id, :call, :kind, :position)
ON CONFLICT (merchant, payment_id, call) DO UPDATE SET kind = excluded.kind, position = excluded.position;

-- name: move_payments!
-- Last of all: what is asked for, and the trouble, are derived from the tables of both.
UPDATE payments_g0 AS p SET
    requested = coalesce(m.requested, p.requested),
    authorized = coalesce(m.authorized, p.authorized),
    declined = coalesce(m.declined, p.declined),
    void_requested = coalesce(m.void_requested, p.void_requested),
    voided = coalesce(m.voided, p.voided),
    expired = coalesce(m.expired, p.expired),
    captures_count = p.captures_count + m.captures_count,
    capture_requested_cents = (
        SELECT coalesce(sum(r.amount_cents), 0) FROM payment_requests_g0 AS r
        WHERE r.merchant = p.merchant AND r.payment_id = p.payment_id AND r.call = 'capture' AND r.status <> 'failed'
          AND r.requested_at IS NOT NULL
    ),
    refund_requested_cents = (
        SELECT coalesce(sum(r.amount_cents), 0) FROM payment_requests_g0 AS r
        WHERE r.merchant = p.merchant AND r.payment_id = p.payment_id AND r.call = 'refund' AND r.status <> 'failed'
          AND r.requested_at IS NOT NULL
    ),
    authorized_cents = p.authorized_cents + m.authorized_cents,
    captured_cents = p.captured_cents + m.captured_cents,
    refunded_cents = p.refunded_cents + m.refunded_cents,
    voided_cents = p.voided_cents + m.voided_cents,
    expired_cents = p.expired_cents + m.expired_cents,
    disputed_cents = p.disputed_cents + m.disputed_cents,
    action = coalesce(m.action, p.action),
    action_url = nullif(coalesce(m.action_url, p.action_url), ''),
    provider_reference = coalesce(m.provider_reference, p.provider_reference),
    decline_reason = coalesce(m.decline_reason, p.decline_reason),
    discrepancy = coalesce(m.discrepancy, p.discrepancy),
    trouble = (
        SELECT t.call || '_' || t.kind FROM payment_troubles_g0 AS t
        WHERE t.merchant = p.merchant AND t.payment_id = p.payment_id ORDER BY t.position DESC LIMIT 1
    ),
    requested_at = coalesce(m.requested_at, p.requested_at),
    authorized_at = coalesce(m.authorized_at, p.authorized_at),
    declined_at = coalesce(m.declined_at, p.declined_at),
    captured_at = greatest(p.captured_at, m.captured_at),
    refunded_at = greatest(p.refunded_at, m.refunded_at),
    voided_at = coalesce(m.voided_at, p.voided_at),
    held_until = coalesce((
        SELECT m.held_at + make_interval(secs => t.authorization_valid_s) FROM payment_terms_g0 AS t
        WHERE m.held_at IS NOT NULL AND t.merchant = p.merchant AND t.order_id = p.order_id
    ), p.held_until)
FROM unnest(
    :merchant, :payment_id, :requested, :authorized, :declined, :void_requested, :voided, :expired,
    :captures_count, :authorized_cents, :captured_cents, :refunded_cents, :voided_cents, :expired_cents, :disputed_cents, :action, :action_url, :provider_reference, :decline_reason, :discrepancy,
    :requested_at, :authorized_at, :declined_at, :captured_at, :refunded_at, :voided_at, :held_at
) AS m (
    merchant, payment_id, requested, authorized, declined, void_requested, voided, expired,
    captures_count, authorized_cents, captured_cents, refunded_cents, voided_cents, expired_cents, disputed_cents, action, action_url, provider_reference, decline_reason, discrepancy,
    requested_at, authorized_at, declined_at, captured_at, refunded_at, voided_at, held_at
)
WHERE p.merchant = m.merchant AND p.payment_id = m.payment_id;
