-- name: create_tables#
CREATE TABLE carts_g0 (
    merchant text COLLATE "C" NOT NULL,
    cart_id text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'open',
    total_cents bigint,
    orders_count bigint NOT NULL DEFAULT 0,
    missing_count bigint NOT NULL DEFAULT 0,
    expire_after_s bigint NOT NULL,
    started_at timestamptz NOT NULL,
    touched_at timestamptz NOT NULL,
    abandoned_at timestamptz,
    completed_at timestamptz,
    expired_at timestamptz,
    PRIMARY KEY (merchant, cart_id)
) WITH (fillfactor = 80);
CREATE INDEX ON carts_g0 (merchant, started_at DESC, cart_id DESC);
CREATE INDEX ON carts_g0 (merchant, status, started_at DESC, cart_id DESC);
CREATE INDEX ON carts_g0 (merchant, subject, started_at DESC, cart_id DESC);

-- name: start_carts!
INSERT INTO carts_g0 (
    merchant, cart_id, subject, currency, channel, started_at, touched_at, expire_after_s
)
SELECT merchant, cart_id, subject, currency, channel, started_at, started_at, expire_after_s
FROM unnest(:merchant, :cart_id, :subject, :currency, :channel, :started_at, :expire_after_s)
    AS s (merchant, cart_id, subject, currency, channel, started_at, expire_after_s);

-- name: move_carts!
UPDATE carts_g0 AS c SET
    status = coalesce(m.status, c.status),
    subject = coalesce(m.subject, c.subject),
    total_cents = coalesce(m.total_cents, c.total_cents),
    orders_count = coalesce(m.orders_count, c.orders_count),
    missing_count = coalesce(m.missing_count, c.missing_count),
    touched_at = coalesce(m.touched_at, c.touched_at),
    abandoned_at = coalesce(m.abandoned_at, c.abandoned_at),
    completed_at = coalesce(m.completed_at, c.completed_at),
    expired_at = coalesce(m.expired_at, c.expired_at)
FROM unnest(
    :merchant, :cart_id, :status, :subject, :total_cents, :orders_count, :missing_count, :touched_at, :abandoned_at,
    :completed_at, :expired_at
) AS m (
    merchant, cart_id, status, subject, total_cents, orders_count, missing_count, touched_at, abandoned_at, completed_at,
    expired_at
)
WHERE c.merchant = m.merchant AND c.cart_id = m.cart_id;
