-- name: create_tables#
CREATE TABLE stock_levels_g0 (
    merchant text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    on_hand bigint NOT NULL DEFAULT 0,
    reserved bigint NOT NULL DEFAULT 0,
    allocated bigint NOT NULL DEFAULT 0,
    quality_control bigint NOT NULL DEFAULT 0,
    damaged bigint NOT NULL DEFAULT 0,
    safety_stock bigint NOT NULL DEFAULT 0,
    incoming bigint NOT NULL DEFAULT 0,
    backordered bigint NOT NULL DEFAULT 0,
    backorder_limit bigint NOT NULL DEFAULT 0,
    reorder_point bigint NOT NULL DEFAULT 0,
    committed bigint NOT NULL GENERATED ALWAYS AS (reserved + allocated) STORED,
    unavailable bigint NOT NULL GENERATED ALWAYS AS (quality_control + damaged + safety_stock) STORED,
    available bigint NOT NULL GENERATED ALWAYS AS (
        on_hand - reserved - allocated - quality_control - damaged - safety_stock
    ) STORED,
    PRIMARY KEY (merchant, sku, warehouse)
) WITH (fillfactor = 80);
CREATE INDEX ON stock_levels_g0 (merchant, warehouse, sku);
CREATE INDEX ON stock_levels_g0 (merchant, sku, warehouse) WHERE reorder_point > 0 AND available <= reorder_point;
CREATE TABLE stock_holds_g0 (
    merchant text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (merchant, sku, warehouse, order_id)
) WITH (fillfactor = 80);
CREATE INDEX ON stock_holds_g0 (merchant, warehouse, sku, order_id);
CREATE TABLE stock_backorders_g0 (
    merchant text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL,
    since timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (merchant, sku, warehouse, order_id)
);
CREATE INDEX ON stock_backorders_g0 (merchant, position);
CREATE INDEX ON stock_backorders_g0 (merchant, warehouse, position);
CREATE INDEX ON stock_backorders_g0 (merchant, order_id, position);

-- name: add_levels!
INSERT INTO stock_levels_g0 AS l (
    merchant, sku, warehouse, on_hand, quality_control, damaged, safety_stock, incoming, backordered, backorder_limit,
    reorder_point
)
SELECT * FROM unnest(
    :merchant, :sku, :warehouse, :on_hand, :quality_control, :damaged, :safety_stock, :incoming, :backordered,
    :backorder_limit, :reorder_point
)
ON CONFLICT (merchant, sku, warehouse) DO UPDATE SET
    on_hand = l.on_hand + excluded.on_hand,
    quality_control = l.quality_control + excluded.quality_control,
    damaged = l.damaged + excluded.damaged,
    safety_stock = l.safety_stock + excluded.safety_stock,
    incoming = l.incoming + excluded.incoming,
    backordered = l.backordered + excluded.backordered,
    backorder_limit = l.backorder_limit + excluded.backorder_limit,
    reorder_point = l.reorder_point + excluded.reorder_point;

-- name: change_holds!
-- Set or reduce what is held for orders, and add what that changed to the levels.
WITH changed AS (
    MERGE INTO stock_holds_g0 AS h
    USING unnest(:merchant, :sku, :warehouse, :order_id, :quantity, :expires_at, :taken)
        AS c (merchant, sku, warehouse, order_id, quantity, expires_at, taken)
    ON h.merchant = c.merchant AND h.sku = c.sku AND h.warehouse = c.warehouse AND h.order_id = c.order_id
    WHEN MATCHED AND coalesce(c.quantity, h.quantity) <= c.taken THEN DELETE
    WHEN MATCHED THEN UPDATE SET
        quantity = coalesce(c.quantity, h.quantity) - c.taken,
        expires_at = CASE WHEN c.quantity IS NULL THEN h.expires_at ELSE c.expires_at END
    WHEN NOT MATCHED AND coalesce(c.quantity, 0) > c.taken THEN
        INSERT VALUES (c.merchant, c.sku, c.warehouse, c.order_id, c.quantity - c.taken, c.expires_at)
    RETURNING c.merchant, c.sku, c.warehouse,
        coalesce(old.quantity, 0) AS was, old.expires_at IS NULL AS was_allocated,
        coalesce(new.quantity, 0) AS held, new.expires_at IS NULL AS is_allocated
), deltas AS (
    SELECT merchant, sku, warehouse,
        sum(CASE WHEN is_allocated THEN 0 ELSE held END - CASE WHEN was_allocated THEN 0 ELSE was END) AS reserved,
        sum(CASE WHEN is_allocated THEN held ELSE 0 END - CASE WHEN was_allocated THEN was ELSE 0 END) AS allocated
    FROM changed GROUP BY merchant, sku, warehouse
)
INSERT INTO stock_levels_g0 AS l (merchant, sku, warehouse, reserved, allocated)
SELECT * FROM deltas WHERE reserved <> 0 OR allocated <> 0
ON CONFLICT (merchant, sku, warehouse) DO UPDATE SET
    reserved = l.reserved + excluded.reserved,
    allocated = l.allocated + excluded.allocated;

-- name: change_backorders!
-- Who waits for what from now on; whoever waits for nothing leaves the line.
MERGE INTO stock_backorders_g0 AS b
USING unnest(
    :merchant, :sku, :warehouse, :order_id, :quantity, :expires_at, :since, :position, :taken
) AS c (merchant, sku, warehouse, order_id, quantity, expires_at, since, position, taken)
ON b.merchant = c.merchant AND b.sku = c.sku AND b.warehouse = c.warehouse AND b.order_id = c.order_id
WHEN MATCHED AND coalesce(c.quantity, b.quantity) <= c.taken THEN DELETE
WHEN MATCHED THEN UPDATE SET
    quantity = coalesce(c.quantity, b.quantity) - c.taken,
    since = coalesce(c.since, b.since),
    expires_at = coalesce(c.expires_at, b.expires_at),
    position = coalesce(c.position, b.position)
WHEN NOT MATCHED AND coalesce(c.quantity, 0) > c.taken THEN
    INSERT (merchant, sku, warehouse, order_id, quantity, since, expires_at, position)
    VALUES (c.merchant, c.sku, c.warehouse, c.order_id, c.quantity - c.taken, c.since, c.expires_at, c.position);
