-- name: create_tables#
CREATE TABLE late_deliveries_g0 (
    merchant text COLLATE "C" NOT NULL,
    shipment_id text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    checkout_id text COLLATE "C" NOT NULL,
    ship_to_state text NOT NULL,
    placed_at timestamptz NOT NULL,
    estimated_delivery_at timestamptz NOT NULL,
    delivered_at timestamptz NOT NULL,
    days_late bigint NOT NULL,
    PRIMARY KEY (merchant, shipment_id)
);
CREATE INDEX ON late_deliveries_g0 (merchant, delivered_at DESC, shipment_id DESC);
CREATE TABLE promised_deliveries_g0 (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    checkout_id text COLLATE "C" NOT NULL,
    ship_to_state text NOT NULL,
    placed_at timestamptz NOT NULL,
    estimated_delivery_at timestamptz NOT NULL,
    PRIMARY KEY (merchant, order_id)
);

-- name: remember_promises!
INSERT INTO promised_deliveries_g0
SELECT * FROM unnest(
    :merchant, :order_id, :checkout_id, :ship_to_state, :placed_at, :estimated_delivery_at
);

-- name: insert_late!
INSERT INTO late_deliveries_g0
SELECT p.merchant, d.shipment_id, p.order_id, p.checkout_id, p.ship_to_state, p.placed_at,
    p.estimated_delivery_at, d.delivered_at,
    (d.delivered_at AT TIME ZONE 'UTC')::date - (p.estimated_delivery_at AT TIME ZONE 'UTC')::date
FROM unnest(:merchant, :order_id, :shipment_id, :delivered_at) AS d (merchant, order_id, shipment_id, delivered_at)
JOIN promised_deliveries_g0 AS p ON p.merchant = d.merchant AND p.order_id = d.order_id
WHERE d.delivered_at > p.estimated_delivery_at;
