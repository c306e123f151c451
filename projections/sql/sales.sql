-- name: create_tables#
CREATE TABLE sales_by_day_g0 (
    merchant text COLLATE "C" NOT NULL,
    day date NOT NULL,
    currency text COLLATE "C" NOT NULL,
    orders_count bigint NOT NULL DEFAULT 0,
    units_count bigint NOT NULL DEFAULT 0,
    gross_cents bigint NOT NULL DEFAULT 0,
    shipping_cents bigint NOT NULL DEFAULT 0,
    adjustment_cents bigint NOT NULL DEFAULT 0,
    cancelled_count bigint NOT NULL DEFAULT 0,
    cancelled_cents bigint NOT NULL DEFAULT 0,
    refunded_cents bigint NOT NULL DEFAULT 0,
    net_cents bigint NOT NULL GENERATED ALWAYS AS (
        gross_cents + shipping_cents + adjustment_cents - cancelled_cents - refunded_cents
    ) STORED,
    PRIMARY KEY (merchant, day, currency)
) WITH (fillfactor = 80);
CREATE TABLE sales_by_product_g0 (
    merchant text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    orders_count bigint NOT NULL DEFAULT 0,
    units_count bigint NOT NULL DEFAULT 0,
    gross_cents bigint NOT NULL DEFAULT 0,
    shipping_cents bigint NOT NULL DEFAULT 0,
    cancelled_units_count bigint NOT NULL DEFAULT 0,
    cancelled_cents bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (merchant, sku, currency)
) WITH (fillfactor = 80);
CREATE INDEX ON sales_by_product_g0 (merchant, gross_cents DESC, sku DESC, currency DESC);
CREATE TABLE sales_by_category_g0 (
    merchant text COLLATE "C" NOT NULL,
    category text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    orders_count bigint NOT NULL DEFAULT 0,
    units_count bigint NOT NULL DEFAULT 0,
    gross_cents bigint NOT NULL DEFAULT 0,
    shipping_cents bigint NOT NULL DEFAULT 0,
    cancelled_units_count bigint NOT NULL DEFAULT 0,
    cancelled_cents bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (merchant, category, currency)
) WITH (fillfactor = 80);
CREATE INDEX ON sales_by_category_g0 (merchant, gross_cents DESC, category DESC, currency DESC);
CREATE TABLE sold_orders_g0 (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    total_cents bigint NOT NULL,
    captured_cents bigint NOT NULL DEFAULT 0,
    cancelled boolean NOT NULL DEFAULT false,
    PRIMARY KEY (merchant, order_id)
) WITH (fillfactor = 80);
CREATE TABLE sold_lines_g0 (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    category text COLLATE "C" NOT NULL,
    units_count bigint NOT NULL,
    gross_cents bigint NOT NULL,
    PRIMARY KEY (merchant, order_id, sku, category)
);

-- name: remember_orders!
INSERT INTO sold_orders_g0 (merchant, order_id, currency, total_cents)
SELECT * FROM unnest(:merchant, :order_id, :currency, :total_cents);

-- name: remember_lines!
INSERT INTO sold_lines_g0
SELECT * FROM unnest(:merchant, :order_id, :sku, :category, :units_count, :gross_cents);

-- name: add_days!
INSERT INTO sales_by_day_g0 AS s
    (merchant, day, currency, orders_count, units_count, gross_cents, shipping_cents, adjustment_cents)
SELECT * FROM unnest(
    :merchant, :day, :currency, :orders_count, :units_count, :gross_cents, :shipping_cents, :adjustment_cents
)
ON CONFLICT (merchant, day, currency) DO UPDATE SET
    orders_count = s.orders_count + excluded.orders_count,
    units_count = s.units_count + excluded.units_count,
    gross_cents = s.gross_cents + excluded.gross_cents,
    shipping_cents = s.shipping_cents + excluded.shipping_cents,
    adjustment_cents = s.adjustment_cents + excluded.adjustment_cents;

-- name: add_products!
INSERT INTO sales_by_product_g0 AS s
    (merchant, sku, currency, orders_count, units_count, gross_cents, shipping_cents)
SELECT * FROM unnest(:merchant, :name, :currency, :orders_count, :units_count, :gross_cents, :shipping_cents)
ON CONFLICT (merchant, sku, currency) DO UPDATE SET
    orders_count = s.orders_count + excluded.orders_count,
    units_count = s.units_count + excluded.units_count,
    gross_cents = s.gross_cents + excluded.gross_cents,
    shipping_cents = s.shipping_cents + excluded.shipping_cents;

-- name: add_categories!
INSERT INTO sales_by_category_g0 AS s
    (merchant, category, currency, orders_count, units_count, gross_cents, shipping_cents)
SELECT * FROM unnest(:merchant, :name, :currency, :orders_count, :units_count, :gross_cents, :shipping_cents)
ON CONFLICT (merchant, category, currency) DO UPDATE SET
    orders_count = s.orders_count + excluded.orders_count,
    units_count = s.units_count + excluded.units_count,
    gross_cents = s.gross_cents + excluded.gross_cents,
    shipping_cents = s.shipping_cents + excluded.shipping_cents;

-- name: change_days!
-- Of orders that come to less, what was not captured by then is called off; what was stays, to be refunded.
WITH changed AS (
    SELECT c.merchant, c.day, o.currency, c.change_cents,
        o.total_cents - o.captured_cents
            + coalesce(sum(c.change_cents) OVER before, 0) - sum(c.captured_cents) OVER so_far AS open_cents
    FROM unnest(:merchant, :order_id, :place, :day, :change_cents, :captured_cents)
        AS c (merchant, order_id, place, day, change_cents, captured_cents)
    JOIN sold_orders_g0 AS o ON o.merchant = c.merchant AND o.order_id = c.order_id
    WINDOW so_far AS (PARTITION BY c.merchant, c.order_id ORDER BY c.place),
        before AS (so_far ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
INSERT INTO sales_by_day_g0 AS s (merchant, day, currency, cancelled_cents)
SELECT merchant, day, currency, sum(least(-change_cents, greatest(open_cents, 0))) FROM changed
WHERE change_cents < 0 GROUP BY merchant, day, currency
ON CONFLICT (merchant, day, currency) DO UPDATE SET cancelled_cents = s.cancelled_cents + excluded.cancelled_cents;

-- name: change_orders!
UPDATE sold_orders_g0 AS o
SET total_cents = o.total_cents + c.change_cents, captured_cents = o.captured_cents + c.captured_cents
FROM (
    SELECT merchant, order_id, sum(change_cents) AS change_cents, sum(captured_cents) AS captured_cents
    FROM unnest(:merchant, :order_id, :change_cents, :captured_cents) AS c (merchant, order_id, change_cents, captured_cents)
    GROUP BY merchant, order_id
) AS c
WHERE o.merchant = c.merchant AND o.order_id = c.order_id;

-- name: change_products!
INSERT INTO sales_by_product_g0 AS s (merchant, sku, currency, cancelled_units_count, cancelled_cents)
SELECT c.merchant, c.sku, o.currency, sum(c.units), sum(c.cents)
FROM unnest(:merchant, :order_id, :sku, :cancelled_units_count, :cancelled_cents)
    AS c (merchant, order_id, sku, units, cents)
JOIN sold_orders_g0 AS o ON o.merchant = c.merchant AND o.order_id = c.order_id
GROUP BY c.merchant, c.sku, o.currency
ON CONFLICT (merchant, sku, currency) DO UPDATE SET
    cancelled_units_count = s.cancelled_units_count + excluded.cancelled_units_count,
    cancelled_cents = s.cancelled_cents + excluded.cancelled_cents;

-- name: change_categories!
INSERT INTO sales_by_category_g0 AS s (merchant, category, currency, cancelled_units_count, cancelled_cents)
SELECT c.merchant, c.category, o.currency, sum(c.units), sum(c.cents)
FROM unnest(:merchant, :order_id, :category, :cancelled_units_count, :cancelled_cents)
    AS c (merchant, order_id, category, units, cents)
JOIN sold_orders_g0 AS o ON o.merchant = c.merchant AND o.order_id = c.order_id
GROUP BY c.merchant, c.category, o.currency
ON CONFLICT (merchant, category, currency) DO UPDATE SET
    cancelled_units_count = s.cancelled_units_count + excluded.cancelled_units_count,
    cancelled_cents = s.cancelled_cents + excluded.cancelled_cents;

-- name: change_lines!
INSERT INTO sold_lines_g0 AS l (merchant, order_id, sku, category, units_count, gross_cents)
SELECT * FROM unnest(:merchant, :order_id, :sku, :category, :units_change, :gross_change_cents)
ON CONFLICT (merchant, order_id, sku, category) DO UPDATE SET
    units_count = l.units_count + excluded.units_count, gross_cents = l.gross_cents + excluded.gross_cents;

-- name: cancel_days!
-- What was not captured by then is called off; what was stays, to be refunded.
WITH cancelled AS (
    UPDATE sold_orders_g0 AS o SET cancelled = true, captured_cents = o.captured_cents + c.captured_cents
    FROM unnest(:merchant, :order_id, :day, :captured_cents) AS c (merchant, order_id, day, captured_cents)
    WHERE o.merchant = c.merchant AND o.order_id = c.order_id
    RETURNING c.merchant, c.day, o.currency, o.total_cents - o.captured_cents AS cancelled_cents
)
INSERT INTO sales_by_day_g0 AS s (merchant, day, currency, cancelled_count, cancelled_cents)
SELECT merchant, day, currency, count(*), sum(cancelled_cents) FROM cancelled GROUP BY merchant, day, currency
ON CONFLICT (merchant, day, currency) DO UPDATE SET
    cancelled_count = s.cancelled_count + excluded.cancelled_count,
    cancelled_cents = s.cancelled_cents + excluded.cancelled_cents;

-- name: cancel_products!
INSERT INTO sales_by_product_g0 AS s (merchant, sku, currency, cancelled_units_count, cancelled_cents)
SELECT l.merchant, l.sku, o.currency, sum(l.units_count), sum(l.gross_cents)
FROM unnest(:merchant, :order_id) AS c (merchant, order_id)
JOIN sold_orders_g0 AS o ON o.merchant = c.merchant AND o.order_id = c.order_id
JOIN sold_lines_g0 AS l ON l.merchant = c.merchant AND l.order_id = c.order_id
GROUP BY l.merchant, l.sku, o.currency
ON CONFLICT (merchant, sku, currency) DO UPDATE SET
    cancelled_units_count = s.cancelled_units_count + excluded.cancelled_units_count,
    cancelled_cents = s.cancelled_cents + excluded.cancelled_cents;

-- name: cancel_categories!
INSERT INTO sales_by_category_g0 AS s (merchant, category, currency, cancelled_units_count, cancelled_cents)
SELECT l.merchant, l.category, o.currency, sum(l.units_count), sum(l.gross_cents)
FROM unnest(:merchant, :order_id) AS c (merchant, order_id)
JOIN sold_orders_g0 AS o ON o.merchant = c.merchant AND o.order_id = c.order_id
JOIN sold_lines_g0 AS l ON l.merchant = c.merchant AND l.order_id = c.order_id
GROUP BY l.merchant, l.category, o.currency
ON CONFLICT (merchant, category, currency) DO UPDATE SET
    cancelled_units_count = s.cancelled_units_count + excluded.cancelled_units_count,
    cancelled_cents = s.cancelled_cents + excluded.cancelled_cents;

-- name: capture_days!
-- Of an order that is not cancelled it is kept for later; of one that is, that much was not called off after all.
WITH captured AS (
    SELECT * FROM unnest(:merchant, :order_id, :day, :captured_cents) AS c (merchant, order_id, day, cents)
), kept AS (
    UPDATE sold_orders_g0 AS o SET captured_cents = o.captured_cents + c.cents
    FROM (SELECT merchant, order_id, sum(cents) AS cents FROM captured GROUP BY merchant, order_id) AS c
    WHERE o.merchant = c.merchant AND o.order_id = c.order_id AND NOT o.cancelled
)
INSERT INTO sales_by_day_g0 AS s (merchant, day, currency, cancelled_cents)
SELECT c.merchant, c.day, o.currency, -sum(c.cents)
FROM captured AS c JOIN sold_orders_g0 AS o ON o.merchant = c.merchant AND o.order_id = c.order_id
WHERE o.cancelled
GROUP BY c.merchant, c.day, o.currency
ON CONFLICT (merchant, day, currency) DO UPDATE SET cancelled_cents = s.cancelled_cents + excluded.cancelled_cents;

-- name: refund_days!
INSERT INTO sales_by_day_g0 AS s (merchant, day, currency, refunded_cents)
SELECT r.merchant, r.day, o.currency, sum(r.refunded_cents)
FROM unnest(:merchant, :order_id, :day, :refunded_cents) AS r (merchant, order_id, day, refunded_cents)
JOIN sold_orders_g0 AS o ON o.merchant = r.merchant AND o.order_id = r.order_id
GROUP BY r.merchant, r.day, o.currency
ON CONFLICT (merchant, day, currency) DO UPDATE SET refunded_cents = s.refunded_cents + excluded.refunded_cents;
