-- name: create_tables#
CREATE TABLE manifests_g0 (
    merchant text COLLATE "C" NOT NULL,
    manifest_id text COLLATE "C" NOT NULL,
    carrier text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    parcels_count bigint NOT NULL,
    closed_at timestamptz NOT NULL,
    received_by text,
    handed_over_at timestamptz,
    PRIMARY KEY (merchant, manifest_id)
);
CREATE INDEX ON manifests_g0 (merchant, closed_at DESC, manifest_id DESC);
CREATE INDEX ON manifests_g0 (merchant, carrier, closed_at DESC, manifest_id DESC);

-- name: insert_manifests!
INSERT INTO manifests_g0 (merchant, manifest_id, carrier, warehouse, parcels_count, closed_at)
SELECT * FROM unnest(:merchant, :manifest_id, :carrier, :warehouse, :parcels_count, :closed_at);

-- name: hand_over_manifests!
UPDATE manifests_g0 AS m SET received_by = h.received_by, handed_over_at = h.handed_over_at
FROM unnest(:merchant, :manifest_id, :received_by, :handed_over_at)
    AS h (merchant, manifest_id, received_by, handed_over_at)
WHERE m.merchant = h.merchant AND m.manifest_id = h.manifest_id;
