-- name: create_tables#
CREATE TABLE shipments_g0 (
    merchant text COLLATE "C" NOT NULL,
    shipment_id text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    ship_to_state text NOT NULL,
    units_count bigint NOT NULL,
    warehouse text COLLATE "C",
    carrier text,
    booked_with text COLLATE "C",
    tracking_number text COLLATE "C",
    stage bigint NOT NULL DEFAULT 0,
    dispatch_inferred boolean NOT NULL DEFAULT false,
    scans_count bigint NOT NULL DEFAULT 0,
    requested_at timestamptz NOT NULL,
    dispatched_at timestamptz,
    delivered_at timestamptz,
    returned_at timestamptz,
    last_scan_at timestamptz,
    tracking_level bigint NOT NULL DEFAULT 0,
    tracking_status text COLLATE "C",
    tracking_at timestamptz,
    booking bigint NOT NULL DEFAULT 1,
    fallbacks_count bigint NOT NULL DEFAULT 0,
    service text COLLATE "C",
    choice_reason text,
    weight_g bigint,
    weighed_by text COLLATE "C",
    billed_g bigint,
    quoted_cents bigint,
    label_cents bigint,
    billed_cents bigint NOT NULL DEFAULT 0,
    currency text COLLATE "C",
    promised_at timestamptz,
    manifest_id text COLLATE "C",
    is_held boolean NOT NULL DEFAULT false,
    handed_over_at timestamptz,
    misdirected_count bigint NOT NULL DEFAULT 0,
    dispatched_booking bigint,
    called_off_at timestamptz,
    trouble text COLLATE "C",
    trouble_reason text,
    trouble_at timestamptz,
    status text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
        CASE stage
            WHEN 0 THEN 'requested' WHEN 1 THEN 'label_bought' WHEN 2 THEN 'label_voided' WHEN 3 THEN 'dispatched'
            WHEN 4 THEN 'in_transit' WHEN 5 THEN 'out_for_delivery' WHEN 6 THEN 'delivered' WHEN 7 THEN 'returned'
        END
    ) STORED,
    PRIMARY KEY (merchant, shipment_id)
) WITH (fillfactor = 80);
CREATE INDEX ON shipments_g0 (merchant, order_id);
CREATE INDEX ON shipments_g0 (merchant, requested_at DESC, shipment_id DESC);
CREATE INDEX ON shipments_g0 (merchant, status, requested_at DESC, shipment_id DESC);
CREATE INDEX ON shipments_g0 (merchant, tracking_status, requested_at DESC, shipment_id DESC);
CREATE INDEX ON shipments_g0 (merchant, manifest_id, requested_at DESC, shipment_id DESC);
CREATE INDEX ON shipments_g0 (merchant, (coalesce(booked_with, carrier)), requested_at DESC, shipment_id DESC);
CREATE INDEX ON shipments_g0 (merchant, warehouse, requested_at DESC, shipment_id DESC);
CREATE INDEX ON shipments_g0 (merchant, warehouse, status, requested_at DESC, shipment_id DESC);
CREATE INDEX ON shipments_g0 (merchant, requested_at DESC, shipment_id DESC) WHERE trouble IS NOT NULL;
CREATE TABLE shipment_lines_g0 (
    merchant text COLLATE "C" NOT NULL,
    shipment_id text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL,
    PRIMARY KEY (merchant, shipment_id, sku, warehouse)
) WITH (fillfactor = 80);
CREATE TABLE shipment_scans_g0 (
    merchant text COLLATE "C" NOT NULL,
    shipment_id text COLLATE "C" NOT NULL,
    scan_id text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    happened_at timestamptz,
    position bigint NOT NULL,
    detail text NOT NULL,
    misdirected boolean NOT NULL,
    carrier text,
    tracking_number text COLLATE "C",
    PRIMARY KEY (merchant, shipment_id, scan_id)
);
CREATE TABLE shipment_labels_g0 (
    merchant text COLLATE "C" NOT NULL,
    shipment_id text COLLATE "C" NOT NULL,
    booking bigint NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    carrier text COLLATE "C" NOT NULL,
    service text NOT NULL,
    tracking_number text COLLATE "C" NOT NULL,
    cents bigint,
    bought_at timestamptz NOT NULL,
    voided_at timestamptz,
    PRIMARY KEY (merchant, shipment_id, booking)
);
CREATE INDEX ON shipment_labels_g0 (merchant, tracking_number, bought_at DESC, shipment_id DESC);

-- name: request_shipments!
INSERT INTO shipments_g0 (
    merchant, shipment_id, order_id, ship_to_state, units_count, warehouse, requested_at
)
SELECT * FROM unnest(
    :merchant, :shipment_id, :order_id, :ship_to_state, :units_count, :warehouse, :requested_at
);

-- name: move_shipments!
-- The tracking of the highest level and latest time stands; what is booked anew begins anew.
UPDATE shipments_g0 AS s SET
    stage = CASE WHEN m.anew THEN m.stage ELSE greatest(s.stage, m.stage) END,
    carrier = coalesce(m.carrier, s.carrier),
    booked_with = coalesce(m.booked_with, s.booked_with),
    tracking_number = CASE WHEN m.anew THEN m.tracking_number ELSE coalesce(m.tracking_number, s.tracking_number) END,
    dispatch_inferred = coalesce(m.dispatch_inferred, s.dispatch_inferred),
    scans_count = s.scans_count + m.scans_count,
    dispatched_at = coalesce(m.dispatched_at, s.dispatched_at),
    delivered_at = coalesce(m.delivered_at, s.delivered_at),
    returned_at = coalesce(m.returned_at, s.returned_at),
    last_scan_at = greatest(s.last_scan_at, m.last_scan_at),
    (tracking_level, tracking_status, tracking_at) = (
        SELECT t.tracking_level, t.tracking_status, t.tracking_at FROM (VALUES
            (m.tracking_level, m.tracking_status, m.tracking_at, 1),
            (s.tracking_level, s.tracking_status, s.tracking_at, 0)
        ) AS t (tracking_level, tracking_status, tracking_at, newer)
        WHERE newer = 1 OR NOT m.anew
        ORDER BY t.tracking_level DESC, t.tracking_at DESC NULLS LAST, newer DESC LIMIT 1
    ),
    units_count = coalesce(m.units_count, s.units_count),
    warehouse = coalesce(m.warehouse, s.warehouse),
    booking = coalesce(m.booking, s.booking),
    fallbacks_count = s.fallbacks_count + m.fallbacks_count,
    service = coalesce(m.service, s.service),
    choice_reason = coalesce(m.choice_reason, s.choice_reason),
    weight_g = CASE WHEN m.weight_told THEN m.weight_g ELSE s.weight_g END,
    weighed_by = CASE WHEN m.weight_told THEN m.weighed_by ELSE s.weighed_by END,
    billed_g = coalesce(m.billed_g, s.billed_g),
    quoted_cents = coalesce(m.quoted_cents, s.quoted_cents),
    label_cents = coalesce(m.label_cents, s.label_cents),
    billed_cents = s.billed_cents + m.billed_cents,
    currency = coalesce(m.currency, s.currency),
    promised_at = coalesce(m.promised_at, s.promised_at),
    manifest_id = CASE WHEN m.unlisted THEN m.manifest_id ELSE coalesce(m.manifest_id, s.manifest_id) END,
    is_held = coalesce(m.is_held, s.is_held),
    ship_to_state = coalesce(m.ship_to_state, s.ship_to_state),
    handed_over_at = coalesce(m.handed_over_at, s.handed_over_at),
    misdirected_count = s.misdirected_count + m.misdirected_count,
    dispatched_booking = coalesce(m.dispatched_booking, s.dispatched_booking),
    called_off_at = coalesce(m.called_off_at, s.called_off_at),
    trouble = CASE WHEN m.trouble_told THEN m.trouble ELSE s.trouble END,
    trouble_reason = CASE WHEN m.trouble_told THEN m.trouble_reason ELSE s.trouble_reason END,
    trouble_at = CASE WHEN m.trouble_told THEN m.trouble_at ELSE s.trouble_at END
FROM unnest(
    :merchant, :shipment_id, :stage, :carrier, :booked_with, :tracking_number, :dispatch_inferred, :scans_count,
    :dispatched_at, :delivered_at, :returned_at, :last_scan_at, :tracking_level, :tracking_status, :tracking_at,
    :units_count, :warehouse, :booking, :fallbacks_count, :service, :choice_reason, :weight_g, :weighed_by, :billed_g,
    :quoted_cents, :label_cents,
    :billed_cents, :currency, :promised_at, :manifest_id, :unlisted, :is_held, :ship_to_state, :handed_over_at, :misdirected_count,
    :dispatched_booking, :called_off_at, :trouble, :trouble_reason, :trouble_at, :trouble_told, :weight_told, :anew
) AS m (
    merchant, shipment_id, stage, carrier, booked_with, tracking_number, dispatch_inferred, scans_count, dispatched_at,
    delivered_at, returned_at, last_scan_at, tracking_level, tracking_status, tracking_at, units_count, warehouse, booking,
    fallbacks_count, service, choice_reason, weight_g, weighed_by, billed_g, quoted_cents, label_cents,
    billed_cents, currency, promised_at,
    manifest_id, unlisted, is_held, ship_to_state, handed_over_at, misdirected_count, dispatched_booking,
    called_off_at, trouble, trouble_reason, trouble_at, trouble_told, weight_told, anew
)
WHERE s.merchant = m.merchant AND s.shipment_id = m.shipment_id;

-- name: drop_shipment_lines!
DELETE FROM shipment_lines_g0 AS l
USING unnest(:merchant, :shipment_id) AS c (merchant, shipment_id)
WHERE l.merchant = c.merchant AND l.shipment_id = c.shipment_id;

-- name: add_shipment_lines!
-- Fewer where some went into another parcel.
INSERT INTO shipment_lines_g0 AS l (merchant, shipment_id, sku, warehouse, order_id, quantity)
SELECT n.merchant, n.shipment_id, n.sku, n.warehouse, s.order_id, n.quantity
FROM unnest(:merchant, :shipment_id, :sku, :warehouse, :quantity)
    AS n (merchant, shipment_id, sku, warehouse, quantity)
JOIN shipments_g0 AS s ON s.merchant = n.merchant AND s.shipment_id = n.shipment_id
ON CONFLICT (merchant, shipment_id, sku, warehouse) DO UPDATE SET quantity = l.quantity + excluded.quantity;

-- name: drop_emptied_lines!
DELETE FROM shipment_lines_g0 AS l
USING unnest(:merchant, :shipment_id, :sku, :warehouse, :quantity)
    AS n (merchant, shipment_id, sku, warehouse, quantity)
WHERE l.merchant = n.merchant AND l.shipment_id = n.shipment_id AND l.sku = n.sku AND l.warehouse = n.warehouse
  AND l.quantity <= 0;

-- name: insert_scans!
INSERT INTO shipment_scans_g0
SELECT * FROM unnest(
    :merchant, :shipment_id, :scan_id, :type, :happened_at, :position, :detail, :misdirected, :carrier,
    :tracking_number
)
ON CONFLICT (merchant, shipment_id, scan_id) DO NOTHING;

-- name: insert_labels!
INSERT INTO shipment_labels_g0
SELECT * FROM unnest(
    :merchant, :shipment_id, :booking, :order_id, :carrier, :service, :tracking_number, :cents, :bought_at
);

-- name: void_labels!
-- A label that was never bought is voided too: there is no row of it.
UPDATE shipment_labels_g0 AS l SET voided_at = v.voided_at
FROM unnest(:merchant, :shipment_id, :booking, :voided_at) AS v (merchant, shipment_id, booking, voided_at)
WHERE l.merchant = v.merchant AND l.shipment_id = v.shipment_id AND l.booking = v.booking;
