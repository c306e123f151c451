-- name: create_tables#
CREATE TABLE merchant_overview_g0 (
    merchant text COLLATE "C" PRIMARY KEY,
    orders_placed bigint NOT NULL DEFAULT 0,
    orders_reserved bigint NOT NULL DEFAULT 0,
    orders_confirmed bigint NOT NULL DEFAULT 0,
    orders_shipped bigint NOT NULL DEFAULT 0,
    orders_completed bigint NOT NULL DEFAULT 0,
    orders_cancelled bigint NOT NULL DEFAULT 0,
    orders_count bigint NOT NULL GENERATED ALWAYS AS (
        orders_placed + orders_reserved + orders_confirmed + orders_shipped + orders_completed + orders_cancelled
    ) STORED,
    units_on_hand bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE TABLE merchant_money_g0 (
    merchant text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    ordered_cents bigint NOT NULL DEFAULT 0,
    authorized_cents bigint NOT NULL DEFAULT 0,
    captured_cents bigint NOT NULL DEFAULT 0,
    refunded_cents bigint NOT NULL DEFAULT 0,
    voided_cents bigint NOT NULL DEFAULT 0,
    expired_cents bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (merchant, currency)
) WITH (fillfactor = 50);
CREATE TABLE overview_orders_g0 (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'placed',
    PRIMARY KEY (merchant, order_id)
) WITH (fillfactor = 70);

-- name: remember_orders!
INSERT INTO overview_orders_g0 (merchant, order_id, currency)
SELECT * FROM unnest(:merchant, :order_id, :currency);

-- name: add_placed!
WITH placed AS (
    SELECT * FROM unnest(:merchant, :currency, :total_cents) AS p (merchant, currency, total_cents)
), counted AS (
    INSERT INTO merchant_overview_g0 AS o (merchant, orders_placed)
    SELECT merchant, count(*) FROM placed GROUP BY merchant
    ON CONFLICT (merchant) DO UPDATE SET orders_placed = o.orders_placed + excluded.orders_placed
)
INSERT INTO merchant_money_g0 AS m (merchant, currency, ordered_cents)
SELECT merchant, currency, sum(total_cents) FROM placed GROUP BY merchant, currency
ON CONFLICT (merchant, currency) DO UPDATE SET ordered_cents = m.ordered_cents + excluded.ordered_cents;

-- name: move_statuses!
-- Each order moves from the count of the status that it had to that of the one it has now.
WITH moved AS (
    UPDATE overview_orders_g0 AS o SET status = m.status
    FROM unnest(:merchant, :order_id, :status) AS m (merchant, order_id, status)
    WHERE o.merchant = m.merchant AND o.order_id = m.order_id
    RETURNING o.merchant, old.status AS was, new.status AS is
), steps AS (
    SELECT merchant, was AS status, -1 AS step FROM moved UNION ALL SELECT merchant, "is", 1 FROM moved
)
INSERT INTO merchant_overview_g0 AS o (
    merchant, orders_placed, orders_reserved, orders_confirmed, orders_shipped, orders_completed, orders_cancelled
)
SELECT merchant,
    coalesce(sum(step) FILTER (WHERE status = 'placed'), 0), coalesce(sum(step) FILTER (WHERE status = 'reserved'), 0),
    coalesce(sum(step) FILTER (WHERE status = 'confirmed'), 0), coalesce(sum(step) FILTER (WHERE status = 'shipped'), 0),
    coalesce(sum(step) FILTER (WHERE status = 'completed'), 0), coalesce(sum(step) FILTER (WHERE status = 'cancelled'), 0)
FROM steps GROUP BY merchant
ON CONFLICT (merchant) DO UPDATE SET
    orders_placed = o.orders_placed + excluded.orders_placed,
    orders_reserved = o.orders_reserved + excluded.orders_reserved,
    orders_confirmed = o.orders_confirmed + excluded.orders_confirmed,
    orders_shipped = o.orders_shipped + excluded.orders_shipped,
    orders_completed = o.orders_completed + excluded.orders_completed,
    orders_cancelled = o.orders_cancelled + excluded.orders_cancelled;

-- name: add_money!
INSERT INTO merchant_money_g0 AS m
    (merchant, currency, authorized_cents, captured_cents, refunded_cents, voided_cents, expired_cents)
SELECT a.merchant, o.currency, sum(a.authorized_cents), sum(a.captured_cents), sum(a.refunded_cents),
    sum(a.voided_cents), sum(a.expired_cents)
FROM unnest(
    :merchant, :order_id, :authorized_cents, :captured_cents, :refunded_cents, :voided_cents, :expired_cents
) AS a (merchant, order_id, authorized_cents, captured_cents, refunded_cents, voided_cents, expired_cents)
JOIN overview_orders_g0 AS o ON o.merchant = a.merchant AND o.order_id = a.order_id
GROUP BY a.merchant, o.currency
ON CONFLICT (merchant, currency) DO UPDATE SET
    authorized_cents = m.authorized_cents + excluded.authorized_cents,
    captured_cents = m.captured_cents + excluded.captured_cents,
    refunded_cents = m.refunded_cents + excluded.refunded_cents,
    voided_cents = m.voided_cents + excluded.voided_cents,
    expired_cents = m.expired_cents + excluded.expired_cents;

-- name: add_stock!
INSERT INTO merchant_overview_g0 AS o (merchant, units_on_hand)
SELECT * FROM unnest(:merchant, :units_on_hand)
ON CONFLICT (merchant) DO UPDATE SET units_on_hand = o.units_on_hand + excluded.units_on_hand;
