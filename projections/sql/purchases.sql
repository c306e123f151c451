-- name: create_tables#
CREATE TABLE purchases_g0 (
    merchant text COLLATE "C" NOT NULL,
    purchase_id text COLLATE "C" NOT NULL,
    supplier text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    note text NOT NULL,
    ordered_units bigint NOT NULL DEFAULT 0,
    ordered_cents bigint NOT NULL DEFAULT 0,
    received_units bigint NOT NULL DEFAULT 0,
    damaged_units bigint NOT NULL DEFAULT 0,
    missing_units bigint NOT NULL DEFAULT 0,
    discrepancies_count bigint NOT NULL DEFAULT 0,
    ended text,
    placed_at timestamptz NOT NULL,
    expected_at timestamptz,
    ended_at timestamptz,
    status text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN ended IS NOT NULL THEN ended
            WHEN received_units = 0 THEN 'placed'
            WHEN missing_units > 0 THEN 'part_received'
            ELSE 'received'
        END
    ) STORED,
    PRIMARY KEY (merchant, purchase_id)
) WITH (fillfactor = 80);
CREATE INDEX ON purchases_g0 (merchant, placed_at DESC, purchase_id DESC);
CREATE INDEX ON purchases_g0 (merchant, status, placed_at DESC, purchase_id DESC);
CREATE INDEX ON purchases_g0 (merchant, placed_at DESC, purchase_id DESC) WHERE discrepancies_count > 0;
CREATE TABLE purchase_lines_g0 (
    merchant text COLLATE "C" NOT NULL,
    purchase_id text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL,
    unit_cost_cents bigint NOT NULL,
    received bigint NOT NULL DEFAULT 0,
    damaged bigint NOT NULL DEFAULT 0,
    missing bigint NOT NULL GENERATED ALWAYS AS (greatest(0, quantity - received)) STORED,
    PRIMARY KEY (merchant, purchase_id, sku)
) WITH (fillfactor = 80);
CREATE TABLE purchase_discrepancies_g0 (
    merchant text COLLATE "C" NOT NULL,
    purchase_id text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL,
    resolved bigint NOT NULL,
    open bigint NOT NULL GENERATED ALWAYS AS (quantity - resolved) STORED,
    resolution text,
    note text,
    opened_at timestamptz NOT NULL,
    resolved_at timestamptz,
    PRIMARY KEY (merchant, purchase_id, sku, kind)
);

-- name: place_purchases!
INSERT INTO purchases_g0 (merchant, purchase_id, supplier, warehouse, currency, note, placed_at, expected_at)
SELECT * FROM unnest(
    :merchant, :purchase_id, :supplier, :warehouse, :currency, :note, :placed_at, :expected_at
);

-- name: insert_purchase_lines!
INSERT INTO purchase_lines_g0 (merchant, purchase_id, sku, quantity, unit_cost_cents)
SELECT * FROM unnest(:merchant, :purchase_id, :sku, :quantity, :unit_cost_cents);

-- name: add_received!
UPDATE purchase_lines_g0 AS l SET received = l.received + a.received, damaged = l.damaged + a.damaged
FROM unnest(:merchant, :purchase_id, :sku, :received, :damaged) AS a (merchant, purchase_id, sku, received, damaged)
WHERE l.merchant = a.merchant AND l.purchase_id = a.purchase_id AND l.sku = a.sku;

-- name: change_discrepancies!
-- One of a kind for each SKU: what is opened again after it was resolved is the same one.
INSERT INTO purchase_discrepancies_g0 AS d (
    merchant, purchase_id, sku, kind, quantity, resolved, resolution, note, opened_at, resolved_at
)
SELECT merchant, purchase_id, sku, kind, opened, resolved, resolution, note, coalesce(opened_at, resolved_at), resolved_at
FROM unnest(
    :merchant, :purchase_id, :sku, :kind, :opened, :resolved, :resolution, :note, :opened_at, :resolved_at
) AS c (merchant, purchase_id, sku, kind, opened, resolved, resolution, note, opened_at, resolved_at)
ON CONFLICT (merchant, purchase_id, sku, kind) DO UPDATE SET
    quantity = d.quantity + excluded.quantity,
    resolved = d.resolved + excluded.resolved,
    resolution = coalesce(excluded.resolution, d.resolution),
    note = coalesce(excluded.note, d.note),
    resolved_at = coalesce(excluded.resolved_at, d.resolved_at);

-- name: sum_up_purchases!
-- The head of each, by what its lines and discrepancies come to now.
UPDATE purchases_g0 AS p SET
    ended = coalesce(t.ended, p.ended),
    ended_at = coalesce(t.ended_at, p.ended_at),
    ordered_units = l.ordered,
    ordered_cents = l.cents,
    received_units = l.received,
    damaged_units = l.damaged,
    missing_units = l.missing,
    discrepancies_count = d.open
FROM unnest(:merchant, :purchase_id, :ended, :ended_at) AS t (merchant, purchase_id, ended, ended_at)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(quantity), 0) AS ordered, coalesce(sum(quantity * unit_cost_cents), 0) AS cents,
        coalesce(sum(received), 0) AS received, coalesce(sum(damaged), 0) AS damaged,
        coalesce(sum(missing), 0) AS missing
    FROM purchase_lines_g0 WHERE merchant = t.merchant AND purchase_id = t.purchase_id
) AS l
CROSS JOIN LATERAL (
    SELECT count(*) AS open FROM purchase_discrepancies_g0
    WHERE merchant = t.merchant AND purchase_id = t.purchase_id AND open > 0
) AS d
WHERE p.merchant = t.merchant AND p.purchase_id = t.purchase_id;
