-- name: create_tables#
CREATE TABLE allocations_g0 (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    settings_version bigint,
    rule text COLLATE "C",
    reason text COLLATE "C",
    kept bigint NOT NULL DEFAULT 0,
    waits boolean NOT NULL DEFAULT false,
    warehouses_count bigint NOT NULL DEFAULT 0,
    planned_units bigint NOT NULL DEFAULT 0,
    missing_units bigint NOT NULL DEFAULT 0,
    missing text NOT NULL DEFAULT '[]',
    candidates text NOT NULL DEFAULT '[]',
    planned_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (merchant, order_id)
) WITH (fillfactor = 80);
CREATE INDEX ON allocations_g0 (merchant, planned_at DESC, order_id DESC);
CREATE INDEX ON allocations_g0 (merchant, status, planned_at DESC, order_id DESC);
CREATE INDEX ON allocations_g0 (merchant, planned_at DESC, order_id DESC) WHERE warehouses_count > 1;
CREATE TABLE allocation_picks_g0 (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    line bigint NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL,
    PRIMARY KEY (merchant, order_id, line, warehouse)
);

-- name: change_allocations!
-- Without a time of planning where it was cancelled before it was planned: then it is that of the end.
INSERT INTO allocations_g0 AS a (
    merchant, order_id, status, attempts, settings_version, rule, reason, kept, waits, warehouses_count,
    planned_units, missing_units, missing, candidates, planned_at, ended_at
)
SELECT c.merchant, c.order_id, coalesce(c.status, o.status),
    coalesce(c.attempts, o.attempts, 0), coalesce(c.settings_version, o.settings_version),
    coalesce(c.rule, o.rule), coalesce(c.reason, o.reason), coalesce(c.kept, o.kept, 0),
    coalesce(c.waits, o.waits, false), coalesce(c.warehouses_count, o.warehouses_count, 0),
    coalesce(c.planned_units, o.planned_units, 0), coalesce(c.missing_units, o.missing_units, 0),
    coalesce(c.missing, o.missing, '[]'), coalesce(c.candidates, o.candidates, '[]'),
    coalesce(o.planned_at, c.planned_at, c.ended_at), coalesce(c.ended_at, o.ended_at)
FROM unnest(
    :merchant, :order_id, :status, :attempts, :settings_version, :rule, :reason, :kept, :waits,
    :warehouses_count, :planned_units, :missing_units, :missing, :candidates, :planned_at, :ended_at
) AS c (
    merchant, order_id, status, attempts, settings_version, rule, reason, kept, waits, warehouses_count,
    planned_units, missing_units, missing, candidates, planned_at, ended_at
)
LEFT JOIN allocations_g0 AS o ON o.merchant = c.merchant AND o.order_id = c.order_id
ON CONFLICT (merchant, order_id) DO UPDATE SET
    status = excluded.status,
    attempts = excluded.attempts,
    settings_version = excluded.settings_version,
    rule = excluded.rule,
    reason = excluded.reason,
    kept = excluded.kept,
    waits = excluded.waits,
    warehouses_count = excluded.warehouses_count,
    planned_units = excluded.planned_units,
    missing_units = excluded.missing_units,
    missing = excluded.missing,
    candidates = excluded.candidates,
    ended_at = excluded.ended_at;

-- name: drop_picks!
DELETE FROM allocation_picks_g0 AS p
USING unnest(:merchant, :order_id) AS r (merchant, order_id)
WHERE p.merchant = r.merchant AND p.order_id = r.order_id;

-- name: insert_picks!
INSERT INTO allocation_picks_g0 (merchant, order_id, line, warehouse, sku, quantity)
SELECT * FROM unnest(:merchant, :order_id, :line, :warehouse, :sku, :quantity);
