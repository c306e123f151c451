-- name: create_tables#
CREATE TABLE carrier_records_g0 (
    merchant text COLLATE "C" NOT NULL,
    carrier text COLLATE "C" NOT NULL,
    service text COLLATE "C" NOT NULL,
    parcels_count bigint NOT NULL,
    on_time_count bigint NOT NULL,
    days_late bigint NOT NULL,
    on_time_permille bigint NOT NULL GENERATED ALWAYS AS (1000 * on_time_count / parcels_count) STORED,
    PRIMARY KEY (merchant, carrier, service)
);

-- name: add_seen!
INSERT INTO carrier_records_g0 AS r (merchant, carrier, service, parcels_count, on_time_count, days_late)
SELECT * FROM unnest(:merchant, :carrier, :service, :parcels_count, :on_time_count, :days_late)
ON CONFLICT (merchant, carrier, service) DO UPDATE SET
    parcels_count = r.parcels_count + excluded.parcels_count,
    on_time_count = r.on_time_count + excluded.on_time_count,
    days_late = r.days_late + excluded.days_late;
