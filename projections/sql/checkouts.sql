-- name: create_tables#
CREATE TABLE checkout_orders_g0 (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    checkout_id text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    customer_id text,
    customer_unique_id text,
    ship_to_state text NOT NULL,
    currency text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'placed',
    cancel_reason text,
    preparing boolean NOT NULL DEFAULT false,
    on_account boolean NOT NULL,
    lines_count bigint NOT NULL,
    units_count bigint NOT NULL,
    payments_count bigint NOT NULL,
    items_cents bigint NOT NULL,
    shipping_cents bigint NOT NULL,
    adjustment_cents bigint NOT NULL,
    total_cents bigint NOT NULL,
    authorized_cents bigint NOT NULL DEFAULT 0,
    captured_cents bigint NOT NULL DEFAULT 0,
    refunded_cents bigint NOT NULL DEFAULT 0,
    voided_cents bigint NOT NULL DEFAULT 0,
    expired_cents bigint NOT NULL DEFAULT 0,
    dispatched_count bigint NOT NULL DEFAULT 0,
    delivered_count bigint NOT NULL DEFAULT 0,
    returned_count bigint NOT NULL DEFAULT 0,
    placed_at timestamptz NOT NULL,
    approved_at timestamptz,
    dispatched_at timestamptz,
    delivered_at timestamptz,
    estimated_delivery_at timestamptz,
    PRIMARY KEY (merchant, order_id)
) WITH (fillfactor = 80);
CREATE INDEX ON checkout_orders_g0 (checkout_id, currency);
CREATE INDEX ON checkout_orders_g0 (subject);
CREATE TABLE checkouts_g0 (
    checkout_id text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    customer_id text,
    customer_unique_id text,
    ship_to_state text NOT NULL,
    status text COLLATE "C" NOT NULL,
    cancel_reason text,
    preparing boolean NOT NULL,
    on_account boolean NOT NULL,
    orders_count bigint NOT NULL,
    merchants_count bigint NOT NULL,
    lines_count bigint NOT NULL,
    units_count bigint NOT NULL,
    payments_count bigint NOT NULL,
    items_cents bigint NOT NULL,
    shipping_cents bigint NOT NULL,
    adjustment_cents bigint NOT NULL,
    due_cents bigint NOT NULL,
    paid_cents bigint NOT NULL,
    authorized_cents bigint NOT NULL,
    captured_cents bigint NOT NULL,
    refunded_cents bigint NOT NULL,
    voided_cents bigint NOT NULL,
    expired_cents bigint NOT NULL,
    dispatched_count bigint NOT NULL,
    delivered_count bigint NOT NULL,
    returned_count bigint NOT NULL,
    placed_at timestamptz NOT NULL,
    approved_at timestamptz,
    dispatched_at timestamptz,
    delivered_at timestamptz,
    estimated_delivery_at timestamptz,
    PRIMARY KEY (checkout_id, currency)
) WITH (fillfactor = 80);
CREATE INDEX ON checkouts_g0 (placed_at DESC, checkout_id DESC, currency DESC);
CREATE INDEX ON checkouts_g0 (subject);

-- name: place_checkout_orders!
INSERT INTO checkout_orders_g0 (
    merchant, order_id, checkout_id, subject, customer_id, customer_unique_id, ship_to_state, currency, on_account,
    lines_count, units_count, payments_count, items_cents, shipping_cents, adjustment_cents, total_cents,
    placed_at, estimated_delivery_at
)
SELECT * FROM unnest(
    :merchant, :order_id, :checkout_id, :subject, :customer_id, :customer_unique_id, :ship_to_state, :currency,
    :on_account, :lines_count, :units_count, :payments_count, :items_cents, :shipping_cents, :adjustment_cents,
    :total_cents, :placed_at, :estimated_delivery_at
);

-- name: move_checkout_orders!
-- As in the read model `orders`, for the columns that a checkout sums up.
UPDATE checkout_orders_g0 AS o SET
    status = coalesce(m.status, o.status),
    cancel_reason = coalesce(m.cancel_reason, o.cancel_reason),
    preparing = coalesce(m.preparing, o.preparing),
    lines_count = o.lines_count + m.lines_count,
    units_count = o.units_count + m.units_count,
    payments_count = o.payments_count + m.payments_count,
    items_cents = o.items_cents + m.items_cents,
    shipping_cents = o.shipping_cents + m.shipping_cents,
    adjustment_cents = coalesce(m.adjustment_cents, o.adjustment_cents),
    total_cents = o.total_cents + m.total_cents,
    authorized_cents = o.authorized_cents + m.authorized_cents,
    captured_cents = o.captured_cents + m.captured_cents,
    refunded_cents = o.refunded_cents + m.refunded_cents,
    voided_cents = o.voided_cents + m.voided_cents,
    expired_cents = o.expired_cents + m.expired_cents,
    dispatched_count = o.dispatched_count + m.dispatched_count,
    delivered_count = o.delivered_count + m.delivered_count,
    returned_count = o.returned_count + m.returned_count,
    approved_at = greatest(o.approved_at, m.approved_at),
    dispatched_at = least(o.dispatched_at, m.dispatched_at),
    delivered_at = greatest(o.delivered_at, m.delivered_at)
FROM unnest(
    :merchant, :order_id, :status, :cancel_reason, :preparing, :lines_count, :units_count, :payments_count,
    :items_cents, :shipping_cents, :adjustment_cents, :total_cents, :authorized_cents, :captured_cents,
    :refunded_cents, :voided_cents, :expired_cents, :dispatched_count, :delivered_count, :returned_count,
    :approved_at, :dispatched_at, :delivered_at
) AS m (
    merchant, order_id, status, cancel_reason, preparing, lines_count, units_count, payments_count, items_cents,
    shipping_cents, adjustment_cents, total_cents, authorized_cents, captured_cents,
    refunded_cents, voided_cents, expired_cents, dispatched_count, delivered_count, returned_count,
    approved_at, dispatched_at, delivered_at
)
WHERE o.merchant = m.merchant AND o.order_id = m.order_id;

-- name: erase_checkout_orders!
-- As in the read model `orders`; their checkouts are derived anew after it. :subject text[]
UPDATE checkout_orders_g0 SET customer_id = NULL, customer_unique_id = NULL
WHERE subject = ANY(:subject) AND (customer_id, customer_unique_id) IS DISTINCT FROM (NULL, NULL);

-- name: derive_checkouts!
-- The rows of the checkouts that these orders, and all orders of these subjects, belong to, from all of their
-- orders. :merchant, :order_id and :subject text[] (NULL where the others say which). Statuses and reasons that
-- differ are `mixed`; `payments_count` is that of the order with the most (each order has a part of each). The
-- customer and subject are those of one order, the first of a person who is not erased: so all that is personal is of
-- one person, also where marks stand for it.
INSERT INTO checkouts_g0
SELECT o.checkout_id, o.currency,
    coalesce(min(o.subject) FILTER (WHERE o.customer_id IS NOT NULL), min(o.subject)),
    (array_agg(o.customer_id ORDER BY o.subject, o.merchant, o.order_id) FILTER (WHERE o.customer_id IS NOT NULL))[1],
    (array_agg(o.customer_unique_id ORDER BY o.subject, o.merchant, o.order_id)
        FILTER (WHERE o.customer_id IS NOT NULL))[1],
    min(o.ship_to_state),
    CASE WHEN count(DISTINCT o.status) = 1 THEN min(o.status) ELSE 'mixed' END,
    CASE WHEN count(DISTINCT o.cancel_reason) > 1 THEN 'mixed' ELSE min(o.cancel_reason) END,
    bool_or(o.preparing), bool_or(o.on_account), count(*), count(DISTINCT o.merchant), sum(o.lines_count),
    sum(o.units_count), max(o.payments_count), sum(o.items_cents), sum(o.shipping_cents), sum(o.adjustment_cents),
    sum(o.items_cents + o.shipping_cents), sum(CASE WHEN o.on_account THEN 0 ELSE o.total_cents END),
    sum(o.authorized_cents), sum(o.captured_cents), sum(o.refunded_cents), sum(o.voided_cents), sum(o.expired_cents),
    sum(o.dispatched_count), sum(o.delivered_count), sum(o.returned_count), min(o.placed_at), max(o.approved_at),
    min(o.dispatched_at), max(o.delivered_at), max(o.estimated_delivery_at)
FROM (
    SELECT k.checkout_id, k.currency FROM unnest(:merchant, :order_id) AS t (merchant, order_id)
    JOIN checkout_orders_g0 AS k ON k.merchant = t.merchant AND k.order_id = t.order_id
    UNION
    SELECT k.checkout_id, k.currency FROM unnest(:subject) AS t (subject)
    JOIN checkout_orders_g0 AS k ON k.subject = t.subject
) AS touched
JOIN checkout_orders_g0 AS o ON o.checkout_id = touched.checkout_id AND o.currency = touched.currency
GROUP BY o.checkout_id, o.currency
ON CONFLICT (checkout_id, currency) DO UPDATE SET
    subject = excluded.subject, customer_id = excluded.customer_id,
    customer_unique_id = excluded.customer_unique_id, ship_to_state = excluded.ship_to_state,
    status = excluded.status, cancel_reason = excluded.cancel_reason, preparing = excluded.preparing,
    on_account = excluded.on_account, orders_count = excluded.orders_count,
    merchants_count = excluded.merchants_count, lines_count = excluded.lines_count,
    units_count = excluded.units_count, payments_count = excluded.payments_count,
    items_cents = excluded.items_cents, shipping_cents = excluded.shipping_cents,
    adjustment_cents = excluded.adjustment_cents, due_cents = excluded.due_cents,
    paid_cents = excluded.paid_cents, authorized_cents = excluded.authorized_cents,
    captured_cents = excluded.captured_cents, refunded_cents = excluded.refunded_cents,
    voided_cents = excluded.voided_cents, expired_cents = excluded.expired_cents,
    dispatched_count = excluded.dispatched_count, delivered_count = excluded.delivered_count,
    returned_count = excluded.returned_count, placed_at = excluded.placed_at, approved_at = excluded.approved_at,
    dispatched_at = excluded.dispatched_at, delivered_at = excluded.delivered_at,
    estimated_delivery_at = excluded.estimated_delivery_at;
