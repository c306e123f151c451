-- name: create_tables#
CREATE TABLE pick_lists_g0 (
    merchant text COLLATE "C" NOT NULL,
    pick_list_id text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'released',
    is_held boolean NOT NULL DEFAULT false,
    units bigint NOT NULL,
    picked_units bigint NOT NULL DEFAULT 0,
    short_units bigint NOT NULL DEFAULT 0,
    put_back_units bigint NOT NULL DEFAULT 0,
    packages bigint,
    location text,
    reference text,
    reason text COLLATE "C",
    released_at timestamptz NOT NULL,
    started_at timestamptz,
    packed_at timestamptz,
    staged_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (merchant, pick_list_id)
) WITH (fillfactor = 80);
CREATE INDEX ON pick_lists_g0 (merchant, released_at, pick_list_id);
CREATE INDEX ON pick_lists_g0 (merchant, warehouse, status, released_at, pick_list_id);
CREATE INDEX ON pick_lists_g0 (merchant, status, released_at, pick_list_id);
CREATE INDEX ON pick_lists_g0 (merchant, order_id, released_at, pick_list_id);
CREATE TABLE pick_list_lines_g0 (
    merchant text COLLATE "C" NOT NULL,
    pick_list_id text COLLATE "C" NOT NULL,
    line bigint NOT NULL,
    sku text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL,
    picked bigint NOT NULL,
    short bigint NOT NULL,
    PRIMARY KEY (merchant, pick_list_id, line)
) WITH (fillfactor = 80);

-- name: release_pick_lists!
INSERT INTO pick_lists_g0 (merchant, pick_list_id, order_id, warehouse, units, released_at)
SELECT * FROM unnest(:merchant, :pick_list_id, :order_id, :warehouse, :units, :released_at);

-- name: add_pick_list_lines!
INSERT INTO pick_list_lines_g0 AS l (merchant, pick_list_id, line, sku, quantity, picked, short)
SELECT * FROM unnest(:merchant, :pick_list_id, :line, :sku, :quantity, :picked, :short)
ON CONFLICT (merchant, pick_list_id, line) DO UPDATE SET
    quantity = l.quantity + excluded.quantity,
    picked = l.picked + excluded.picked,
    short = l.short + excluded.short;

-- name: change_pick_lists!
UPDATE pick_lists_g0 AS p SET
    status = coalesce(c.status, p.status),
    is_held = coalesce(c.is_held, p.is_held),
    units = p.units + c.units,
    picked_units = p.picked_units + c.picked_units,
    short_units = p.short_units + c.short_units,
    put_back_units = p.put_back_units + c.put_back_units,
    packages = coalesce(c.packages, p.packages),
    location = coalesce(c.location, p.location),
    reference = coalesce(c.reference, p.reference),
    reason = coalesce(c.reason, p.reason),
    started_at = coalesce(c.started_at, p.started_at),
    packed_at = coalesce(c.packed_at, p.packed_at),
    staged_at = coalesce(c.staged_at, p.staged_at),
    ended_at = coalesce(c.ended_at, p.ended_at)
FROM unnest(
    :merchant, :pick_list_id, :status, :is_held, :units, :picked_units, :short_units, :put_back_units, :packages,
    :location, :reference, :reason, :started_at, :packed_at, :staged_at, :ended_at
) AS c (
    merchant, pick_list_id, status, is_held, units, picked_units, short_units, put_back_units, packages, location,
    reference, reason, started_at, packed_at, staged_at, ended_at
)
WHERE p.merchant = c.merchant AND p.pick_list_id = c.pick_list_id;
