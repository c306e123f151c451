-- name: create_tables#
CREATE TABLE warehouses_g0 (
    merchant text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    name text NOT NULL,
    country text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    zip_prefix text COLLATE "C" NOT NULL,
    is_open boolean NOT NULL,
    note text NOT NULL,
    registered_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL,
    PRIMARY KEY (merchant, warehouse)
);

-- name: change_warehouses!
-- Of one that is known: the registration is its first event.
INSERT INTO warehouses_g0 AS w (
    merchant, warehouse, name, country, state, zip_prefix, is_open, note, registered_at, changed_at, changed_by
)
SELECT c.merchant, c.warehouse,
    coalesce(c.name, o.name), coalesce(c.country, o.country), coalesce(c.state, o.state),
    coalesce(c.zip_prefix, o.zip_prefix), coalesce(c.is_open, o.is_open), coalesce(c.note, o.note),
    coalesce(c.registered_at, o.registered_at), c.changed_at, c.changed_by
FROM unnest(
    :merchant, :warehouse, :name, :country, :state, :zip_prefix, :is_open, :note, :registered_at, :changed_at,
    :changed_by
) AS c (
    merchant, warehouse, name, country, state, zip_prefix, is_open, note, registered_at, changed_at, changed_by
)
LEFT JOIN warehouses_g0 AS o ON o.merchant = c.merchant AND o.warehouse = c.warehouse
ON CONFLICT (merchant, warehouse) DO UPDATE SET
    name = excluded.name,
    country = excluded.country,
    state = excluded.state,
    zip_prefix = excluded.zip_prefix,
    is_open = excluded.is_open,
    note = excluded.note,
    changed_at = excluded.changed_at,
    changed_by = excluded.changed_by;
