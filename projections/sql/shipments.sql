-- name: create_tables#
CREATE TABLE shipments_g0 (
    merchant text COLLATE "C" NOT NULL,
    shipment_id text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    ship_to_state text NOT NULL,
    units_count bigint NOT NULL,
    carrier text,
    tracking_number text COLLATE "C",
    stage bigint NOT NULL DEFAULT 0,
    dispatch_inferred boolean NOT NULL DEFAULT false,
    scans_count bigint NOT NULL DEFAULT 0,
    requested_at timestamptz NOT NULL,
    dispatched_at timestamptz,
    delivered_at timestamptz,
    returned_at timestamptz,
    last_scan_at timestamptz,
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
CREATE TABLE shipment_scans_g0 (
    merchant text COLLATE "C" NOT NULL,
    shipment_id text COLLATE "C" NOT NULL,
    scan_id text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    happened_at timestamptz,
    position bigint NOT NULL,
    PRIMARY KEY (merchant, shipment_id, scan_id)
);

-- name: request_shipments!
INSERT INTO shipments_g0 (merchant, shipment_id, order_id, ship_to_state, units_count, requested_at)
SELECT * FROM unnest(:merchant, :shipment_id, :order_id, :ship_to_state, :units_count, :requested_at);

-- name: move_shipments!
UPDATE shipments_g0 AS s SET
    stage = greatest(s.stage, m.stage),
    carrier = coalesce(m.carrier, s.carrier),
    tracking_number = coalesce(m.tracking_number, s.tracking_number),
    dispatch_inferred = coalesce(m.dispatch_inferred, s.dispatch_inferred),
    scans_count = s.scans_count + m.scans_count,
    dispatched_at = coalesce(m.dispatched_at, s.dispatched_at),
    delivered_at = coalesce(m.delivered_at, s.delivered_at),
    returned_at = coalesce(m.returned_at, s.returned_at),
    last_scan_at = greatest(s.last_scan_at, m.last_scan_at)
FROM unnest(
    :merchant, :shipment_id, :stage, :carrier, :tracking_number, :dispatch_inferred, :scans_count,
    :dispatched_at, :delivered_at, :returned_at, :last_scan_at
) AS m (
    merchant, shipment_id, stage, carrier, tracking_number, dispatch_inferred, scans_count, dispatched_at,
    delivered_at, returned_at, last_scan_at
)
WHERE s.merchant = m.merchant AND s.shipment_id = m.shipment_id;

-- name: insert_scans!
INSERT INTO shipment_scans_g0
SELECT * FROM unnest(:merchant, :shipment_id, :scan_id, :type, :happened_at, :position)
ON CONFLICT (merchant, shipment_id, scan_id) DO NOTHING;
