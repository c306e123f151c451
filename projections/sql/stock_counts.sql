-- name: create_tables#
CREATE TABLE stock_counts_g0 (
    merchant text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    stocktake_id text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    began_with bigint,
    expected bigint,
    counted bigint,
    moved bigint,
    difference bigint GENERATED ALWAYS AS (counted - expected) STORED,
    started_at timestamptz,
    counted_at timestamptz,
    PRIMARY KEY (merchant, sku, warehouse, stocktake_id)
) WITH (fillfactor = 80);
CREATE INDEX ON stock_counts_g0 (merchant, stocktake_id, sku);

-- name: change_counts!
INSERT INTO stock_counts_g0 AS c (
    merchant, sku, warehouse, stocktake_id, status, began_with, expected, counted, moved, started_at, counted_at
)
SELECT * FROM unnest(
    :merchant, :sku, :warehouse, :stocktake_id, :status, :began_with, :expected, :counted, :moved, :started_at,
    :counted_at
)
ON CONFLICT (merchant, sku, warehouse, stocktake_id) DO UPDATE SET
    status = excluded.status,
    began_with = coalesce(excluded.began_with, c.began_with),
    expected = coalesce(excluded.expected, c.expected),
    counted = coalesce(excluded.counted, c.counted),
    moved = coalesce(excluded.moved, c.moved),
    started_at = coalesce(excluded.started_at, c.started_at),
    counted_at = coalesce(excluded.counted_at, c.counted_at);
