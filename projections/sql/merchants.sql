-- name: create_tables#
CREATE TABLE merchants_g0 (
    merchant text COLLATE "C" PRIMARY KEY,
    zip_prefix text NOT NULL,
    city text NOT NULL,
    state text NOT NULL,
    registered_at timestamptz NOT NULL,
    reservation_valid_s bigint NOT NULL,
    authorization_valid_s bigint NOT NULL,
    time_zone text NOT NULL
);

-- name: register_merchants!
INSERT INTO merchants_g0
SELECT * FROM unnest(
    :merchant, :zip_prefix, :city, :state, :registered_at, :reservation_valid_s, :authorization_valid_s,
    :time_zone
);

-- name: set_terms!
UPDATE merchants_g0 AS m SET
    reservation_valid_s = t.reservation_valid_s, authorization_valid_s = t.authorization_valid_s
FROM unnest(:merchant, :reservation_valid_s, :authorization_valid_s)
    AS t (merchant, reservation_valid_s, authorization_valid_s)
WHERE m.merchant = t.merchant;

-- name: set_time_zones!
UPDATE merchants_g0 AS m SET time_zone = z.time_zone
FROM unnest(:merchant, :time_zone) AS z (merchant, time_zone)
WHERE m.merchant = z.merchant;
