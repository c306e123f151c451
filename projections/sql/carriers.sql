-- name: create_tables#
CREATE TABLE carriers_g0 (
    merchant text COLLATE "C" NOT NULL,
    carrier text COLLATE "C" NOT NULL,
    name text NOT NULL,
    suspended boolean NOT NULL DEFAULT false,
    suspended_reason text,
    versions_count bigint NOT NULL DEFAULT 0,
    added_at timestamptz NOT NULL,
    PRIMARY KEY (merchant, carrier)
);
CREATE TABLE rate_cards_g0 (
    merchant text COLLATE "C" NOT NULL,
    carrier text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    currency text COLLATE "C" NOT NULL,
    effective_from timestamptz NOT NULL,
    services text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (merchant, carrier, version)
);
CREATE TABLE carrier_rules_g0 (
    merchant text COLLATE "C" PRIMARY KEY,
    prefer text COLLATE "C" NOT NULL,
    day_cents bigint NOT NULL,
    late_cents bigint NOT NULL,
    days_max bigint,
    on_time_min_permille bigint NOT NULL,
    unit_weight_g bigint NOT NULL,
    unit_length_mm bigint NOT NULL,
    unit_width_mm bigint NOT NULL,
    unit_height_mm bigint NOT NULL,
    set_at timestamptz NOT NULL
);
-- For who bought what a carrier brings, too.
CREATE TABLE tracking_links_g0 (
    merchant text COLLATE "C" NOT NULL,
    carrier text COLLATE "C" NOT NULL,
    template text NOT NULL,
    for_customers boolean NOT NULL DEFAULT true,
    PRIMARY KEY (merchant, carrier)
);

-- name: insert_carriers!
INSERT INTO carriers_g0 (merchant, carrier, name, added_at)
SELECT * FROM unnest(:merchant, :carrier, :name, :added_at);

-- name: change_carriers!
UPDATE carriers_g0 AS c SET
    suspended = coalesce(n.suspended, c.suspended),
    suspended_reason = coalesce(n.suspended_reason, c.suspended_reason),
    versions_count = coalesce(n.versions_count, c.versions_count)
FROM unnest(:merchant, :carrier, :suspended, :suspended_reason, :versions_count)
    AS n (merchant, carrier, suspended, suspended_reason, versions_count)
WHERE c.merchant = n.merchant AND c.carrier = n.carrier;

-- name: insert_rate_cards!
INSERT INTO rate_cards_g0
SELECT * FROM unnest(:merchant, :carrier, :version, :currency, :effective_from, :services, :published_at);

-- name: set_rules!
-- The last one stands.
INSERT INTO carrier_rules_g0
SELECT * FROM unnest(
    :merchant, :prefer, :day_cents, :late_cents, :days_max, :on_time_min_permille, :unit_weight_g,
    :unit_length_mm, :unit_width_mm, :unit_height_mm, :set_at
)
ON CONFLICT (merchant) DO UPDATE SET
    prefer = excluded.prefer, day_cents = excluded.day_cents, late_cents = excluded.late_cents,
    days_max = excluded.days_max, on_time_min_permille = excluded.on_time_min_permille,
    unit_weight_g = excluded.unit_weight_g, unit_length_mm = excluded.unit_length_mm,
    unit_width_mm = excluded.unit_width_mm, unit_height_mm = excluded.unit_height_mm, set_at = excluded.set_at;

-- name: set_tracking_links!
INSERT INTO tracking_links_g0 (merchant, carrier, template)
SELECT * FROM unnest(:merchant, :carrier, :template)
ON CONFLICT (merchant, carrier) DO UPDATE SET template = excluded.template;
