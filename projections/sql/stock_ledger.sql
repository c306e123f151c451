-- name: create_tables#
CREATE TABLE stock_ledger_g0 (
    merchant text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    type text COLLATE "C" NOT NULL,
    order_id text COLLATE "C",
    reference text,
    reason text,
    note text,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    causation text COLLATE "C" NOT NULL,
    actor text NOT NULL,
    on_hand_change bigint NOT NULL,
    reserved_change bigint NOT NULL,
    allocated_change bigint NOT NULL,
    quality_control_change bigint NOT NULL,
    damaged_change bigint NOT NULL,
    safety_stock_change bigint NOT NULL,
    incoming_change bigint NOT NULL,
    backordered_change bigint NOT NULL,
    on_hand bigint NOT NULL,
    reserved bigint NOT NULL,
    allocated bigint NOT NULL,
    quality_control bigint NOT NULL,
    damaged bigint NOT NULL,
    safety_stock bigint NOT NULL,
    incoming bigint NOT NULL,
    backordered bigint NOT NULL,
    available bigint NOT NULL GENERATED ALWAYS AS (
        on_hand - reserved - allocated - quality_control - damaged - safety_stock
    ) STORED,
    held bigint NOT NULL,
    held_allocated boolean NOT NULL,
    PRIMARY KEY (merchant, sku, warehouse, position)
);
CREATE INDEX ON stock_ledger_g0 (merchant, position);
CREATE INDEX ON stock_ledger_g0 (merchant, order_id, position) WHERE order_id IS NOT NULL;

-- name: insert_stock_ledger!
-- Each movement with the quantities after it: those after the last one that is here, and what was added since. What was
-- held for its order before these movements is told by the order's last one that is here.
WITH given AS (
    SELECT g.*, coalesce(h.held, 0) AS was, coalesce(h.held_allocated, false) AS was_allocated,
        CASE WHEN g.loose_all THEN coalesce(h.held, 0) - g.loose_before ELSE g.loose END AS gone
    FROM unnest(
        :merchant, :sku, :warehouse, :position, :type, :order_id, :reference, :reason, :note, :occurred_at, :recorded_at,
        :causation, :actor, :on_hand_change, :reserved_change, :allocated_change, :quality_control_change,
        :damaged_change, :safety_stock_change, :incoming_change, :backordered_change, :loose, :loose_all, :loose_before,
        :held, :held_allocated
    ) AS g (
        merchant, sku, warehouse, position, type, order_id, reference, reason, note, occurred_at, recorded_at,
        causation, actor, on_hand, reserved, allocated, quality_control, damaged, safety_stock, incoming, backordered,
        loose, loose_all, loose_before, held, held_allocated
    )
    LEFT JOIN LATERAL (
        SELECT l.held, l.held_allocated FROM stock_ledger_g0 AS l
        WHERE l.merchant = g.merchant AND l.sku = g.sku AND l.warehouse = g.warehouse AND l.order_id = g.order_id
        ORDER BY l.position DESC LIMIT 1
    ) AS h ON true
), moved AS (
    SELECT g.*,
        g.reserved - CASE WHEN g.was_allocated THEN 0 ELSE g.gone END AS reserved_change,
        g.allocated - CASE WHEN g.was_allocated THEN g.gone ELSE 0 END AS allocated_change
    FROM given AS g
), before AS (
    SELECT k.merchant, k.sku, k.warehouse, b.on_hand, b.reserved, b.allocated, b.quality_control, b.damaged,
        b.safety_stock, b.incoming, b.backordered
    FROM (SELECT DISTINCT merchant, sku, warehouse FROM given) AS k
    CROSS JOIN LATERAL (
        SELECT * FROM stock_ledger_g0 AS l
        WHERE l.merchant = k.merchant AND l.sku = k.sku AND l.warehouse = k.warehouse
        ORDER BY l.position DESC LIMIT 1
    ) AS b
)
INSERT INTO stock_ledger_g0 (
    merchant, sku, warehouse, position, type, order_id, reference, reason, note, occurred_at, recorded_at, causation,
    actor, on_hand_change, reserved_change, allocated_change, quality_control_change, damaged_change, safety_stock_change,
    incoming_change, backordered_change, on_hand, reserved, allocated, quality_control, damaged, safety_stock, incoming,
    backordered, held, held_allocated
)
SELECT m.merchant, m.sku, m.warehouse, m.position, m.type, m.order_id, m.reference, m.reason, m.note, m.occurred_at,
    m.recorded_at, m.causation, m.actor, m.on_hand, m.reserved_change, m.allocated_change, m.quality_control, m.damaged,
    m.safety_stock, m.incoming, m.backordered,
    coalesce(b.on_hand, 0) + sum(m.on_hand) OVER so_far,
    coalesce(b.reserved, 0) + sum(m.reserved_change) OVER so_far,
    coalesce(b.allocated, 0) + sum(m.allocated_change) OVER so_far,
    coalesce(b.quality_control, 0) + sum(m.quality_control) OVER so_far,
    coalesce(b.damaged, 0) + sum(m.damaged) OVER so_far,
    coalesce(b.safety_stock, 0) + sum(m.safety_stock) OVER so_far,
    coalesce(b.incoming, 0) + sum(m.incoming) OVER so_far,
    coalesce(b.backordered, 0) + sum(m.backordered) OVER so_far,
    coalesce(m.held, m.was - m.loose_before - m.loose),
    coalesce(m.held_allocated, m.was_allocated)
FROM moved AS m
LEFT JOIN before AS b ON b.merchant = m.merchant AND b.sku = m.sku AND b.warehouse = m.warehouse
WINDOW so_far AS (PARTITION BY m.merchant, m.sku, m.warehouse ORDER BY m.position);
