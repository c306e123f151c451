-- name: create_tables#
CREATE TABLE order_kpis_g0 (
    merchant text COLLATE "C" NOT NULL,
    quarter timestamptz NOT NULL,
    currency text COLLATE "C" NOT NULL,
    orders_count bigint NOT NULL DEFAULT 0,
    units_count bigint NOT NULL DEFAULT 0,
    ordered_cents bigint NOT NULL DEFAULT 0,
    cancelled_count bigint NOT NULL DEFAULT 0,
    cancelled_cents bigint NOT NULL DEFAULT 0,
    returned_count bigint NOT NULL DEFAULT 0,
    refunded_of_orders_cents bigint NOT NULL DEFAULT 0,
    captured_cents bigint NOT NULL DEFAULT 0,
    refunded_cents bigint NOT NULL DEFAULT 0,
    deliveries_count bigint NOT NULL DEFAULT 0,
    promised_deliveries_count bigint NOT NULL DEFAULT 0,
    late_count bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (merchant, quarter, currency)
) WITH (fillfactor = 80);
CREATE TABLE kpi_orders_g0 (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    quarter timestamptz NOT NULL,
    estimated_delivery_at timestamptz,
    total_cents bigint NOT NULL,
    PRIMARY KEY (merchant, order_id)
);

-- name: remember_kpi_orders!
INSERT INTO kpi_orders_g0 (merchant, order_id, currency, quarter, estimated_delivery_at, total_cents)
SELECT * FROM unnest(:merchant, :order_id, :currency, :quarter, :estimated_delivery_at, :total_cents);

-- name: add_placed!
INSERT INTO order_kpis_g0 AS k (merchant, quarter, currency, orders_count, units_count, ordered_cents)
SELECT * FROM unnest(:merchant, :quarter, :currency, :orders_count, :units_count, :ordered_cents)
ON CONFLICT (merchant, quarter, currency) DO UPDATE SET
    orders_count = k.orders_count + excluded.orders_count,
    units_count = k.units_count + excluded.units_count,
    ordered_cents = k.ordered_cents + excluded.ordered_cents;

-- name: change_kpi_orders!
UPDATE kpi_orders_g0 AS o SET total_cents = o.total_cents + m.change_cents
FROM unnest(:merchant, :order_id, :change_cents) AS m (merchant, order_id, change_cents)
WHERE o.merchant = m.merchant AND o.order_id = m.order_id AND m.change_cents <> 0;

-- name: add_moves!
-- What became of orders, where they were placed. A cancelled order is not changed any more: what is called off is
-- what it came to last.
INSERT INTO order_kpis_g0 AS k (
    merchant, quarter, currency, units_count, ordered_cents, cancelled_count, cancelled_cents, returned_count,
    refunded_of_orders_cents
)
SELECT o.merchant, o.quarter, o.currency, sum(m.units_change), sum(m.change_cents), sum(m.cancelled_count),
    sum(m.cancelled_count * o.total_cents), sum(m.returned_count), sum(m.refunded_cents)
FROM unnest(
    :merchant, :order_id, :change_cents, :units_change, :cancelled_count, :returned_count, :refunded_of_orders_cents
) AS m (merchant, order_id, change_cents, units_change, cancelled_count, returned_count, refunded_cents)
JOIN kpi_orders_g0 AS o ON o.merchant = m.merchant AND o.order_id = m.order_id
GROUP BY o.merchant, o.quarter, o.currency
ON CONFLICT (merchant, quarter, currency) DO UPDATE SET
    units_count = k.units_count + excluded.units_count,
    ordered_cents = k.ordered_cents + excluded.ordered_cents,
    cancelled_count = k.cancelled_count + excluded.cancelled_count,
    cancelled_cents = k.cancelled_cents + excluded.cancelled_cents,
    returned_count = k.returned_count + excluded.returned_count,
    refunded_of_orders_cents = k.refunded_of_orders_cents + excluded.refunded_of_orders_cents;

-- name: add_money!
-- What was captured and given back, where that happened.
INSERT INTO order_kpis_g0 AS k (merchant, quarter, currency, captured_cents, refunded_cents)
SELECT o.merchant, m.quarter, o.currency, sum(m.captured_cents), sum(m.refunded_cents)
FROM unnest(:merchant, :order_id, :quarter, :captured_cents, :refunded_cents)
    AS m (merchant, order_id, quarter, captured_cents, refunded_cents)
JOIN kpi_orders_g0 AS o ON o.merchant = m.merchant AND o.order_id = m.order_id
GROUP BY o.merchant, m.quarter, o.currency
ON CONFLICT (merchant, quarter, currency) DO UPDATE SET
    captured_cents = k.captured_cents + excluded.captured_cents,
    refunded_cents = k.refunded_cents + excluded.refunded_cents;

-- name: add_deliveries!
-- Parcels that came; those of them of which the customer was told when; and those that came later than that, where
-- the order was placed.
INSERT INTO order_kpis_g0 AS k (merchant, quarter, currency, deliveries_count, promised_deliveries_count, late_count)
SELECT o.merchant, o.quarter, o.currency, count(*), count(o.estimated_delivery_at),
    count(*) FILTER (WHERE d.delivered_at > o.estimated_delivery_at)
FROM unnest(:merchant, :order_id, :delivered_at) AS d (merchant, order_id, delivered_at)
JOIN kpi_orders_g0 AS o ON o.merchant = d.merchant AND o.order_id = d.order_id
GROUP BY o.merchant, o.quarter, o.currency
ON CONFLICT (merchant, quarter, currency) DO UPDATE SET
    deliveries_count = k.deliveries_count + excluded.deliveries_count,
    promised_deliveries_count = k.promised_deliveries_count + excluded.promised_deliveries_count,
    late_count = k.late_count + excluded.late_count;
