-- name: create_tables#
CREATE TABLE order_lines_g0 (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    line bigint NOT NULL,
    checkout_id text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    name text NOT NULL,
    category text COLLATE "C",
    quantity bigint NOT NULL,
    currency text COLLATE "C" NOT NULL,
    unit_price_cents bigint NOT NULL,
    unit_shipping_cents bigint NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    ship_by timestamptz,
    placed_at timestamptz NOT NULL,
    PRIMARY KEY (merchant, order_id, line)
);
CREATE INDEX ON order_lines_g0 (merchant, sku, placed_at DESC, order_id DESC);

-- name: insert_order_lines!
INSERT INTO order_lines_g0
SELECT * FROM unnest(
    :merchant, :order_id, :line, :checkout_id, :sku, :name, :category, :quantity, :currency,
    :unit_price_cents, :unit_shipping_cents, :warehouse, :ship_by, :placed_at
);

-- name: replace_order_lines!
-- Lines that are new, or other than they were; when their order was placed is told by its other lines, as long as
-- it has any.
INSERT INTO order_lines_g0
SELECT r.merchant, r.order_id, r.line, coalesce(o.checkout_id, r.checkout_id), r.sku, r.name, r.category, r.quantity,
    r.currency, r.unit_price_cents, r.unit_shipping_cents, r.warehouse, r.ship_by, coalesce(o.placed_at, r.placed_at)
FROM unnest(
    :merchant, :order_id, :line, :checkout_id, :sku, :name, :category, :quantity, :currency,
    :unit_price_cents, :unit_shipping_cents, :warehouse, :ship_by, :placed_at
) AS r (
    merchant, order_id, line, checkout_id, sku, name, category, quantity, currency, unit_price_cents,
    unit_shipping_cents, warehouse, ship_by, placed_at
)
LEFT JOIN LATERAL (
    SELECT l.checkout_id, l.placed_at FROM order_lines_g0 AS l
    WHERE l.merchant = r.merchant AND l.order_id = r.order_id ORDER BY l.line LIMIT 1
) AS o ON true
ON CONFLICT (merchant, order_id, line) DO UPDATE SET
    sku = excluded.sku, name = excluded.name, category = excluded.category, quantity = excluded.quantity,
    unit_price_cents = excluded.unit_price_cents, unit_shipping_cents = excluded.unit_shipping_cents,
    warehouse = excluded.warehouse, ship_by = excluded.ship_by;

-- name: cut_order_lines!
UPDATE order_lines_g0 AS l SET quantity = c.quantity
FROM unnest(:merchant, :order_id, :line, :quantity) AS c (merchant, order_id, line, quantity)
WHERE l.merchant = c.merchant AND l.order_id = c.order_id AND l.line = c.line;

-- name: delete_order_lines!
DELETE FROM order_lines_g0 AS l USING unnest(:merchant, :order_id, :line) AS d (merchant, order_id, line)
WHERE l.merchant = d.merchant AND l.order_id = d.order_id AND l.line = d.line;
