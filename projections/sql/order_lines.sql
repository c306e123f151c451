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

-- name: insert_order_lines!
INSERT INTO order_lines_g0
SELECT * FROM unnest(
    :merchant, :order_id, :line, :checkout_id, :sku, :name, :category, :quantity, :currency,
    :unit_price_cents, :unit_shipping_cents, :warehouse, :ship_by, :placed_at
);
