-- name: create_tables#
CREATE TABLE stocktakes_g0 (
    merchant text COLLATE "C" NOT NULL,
    stocktake_id text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    note text NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'counting',
    skus_count bigint NOT NULL,
    counted_count bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (merchant, stocktake_id)
) WITH (fillfactor = 80);
CREATE INDEX ON stocktakes_g0 (merchant, started_at DESC, stocktake_id DESC);
CREATE TABLE stocktake_skus_g0 (
    merchant text COLLATE "C" NOT NULL,
    stocktake_id text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    counted bigint,
    PRIMARY KEY (merchant, stocktake_id, sku)
) WITH (fillfactor = 80);

-- name: start_stocktakes!
INSERT INTO stocktakes_g0 (merchant, stocktake_id, warehouse, note, skus_count, started_at)
SELECT * FROM unnest(:merchant, :stocktake_id, :warehouse, :note, :skus_count, :started_at);

-- name: list_skus!
INSERT INTO stocktake_skus_g0 AS s (merchant, stocktake_id, sku, counted)
SELECT * FROM unnest(:merchant, :stocktake_id, :sku, :counted)
ON CONFLICT (merchant, stocktake_id, sku) DO UPDATE SET counted = excluded.counted;

-- name: sum_up_stocktakes!
UPDATE stocktakes_g0 AS p SET
    status = coalesce(t.status, p.status),
    ended_at = coalesce(t.ended_at, p.ended_at),
    counted_count = s.counted
FROM unnest(:merchant, :stocktake_id, :status, :ended_at) AS t (merchant, stocktake_id, status, ended_at)
CROSS JOIN LATERAL (
    SELECT count(counted) AS counted FROM stocktake_skus_g0
    WHERE merchant = t.merchant AND stocktake_id = t.stocktake_id
) AS s
WHERE p.merchant = t.merchant AND p.stocktake_id = t.stocktake_id;
