-- name: create_tables#
CREATE TABLE storefronts_g0 (
    merchant text COLLATE "C" PRIMARY KEY,
    channel text COLLATE "C" NOT NULL,
    guests boolean NOT NULL,
    abandon_after_s bigint NOT NULL,
    expire_after_s bigint NOT NULL,
    claim_valid_s bigint NOT NULL,
    shipping text NOT NULL,
    set_at timestamptz NOT NULL,
    set_by text NOT NULL
);

-- name: set_storefronts!
-- The last settings stand.
INSERT INTO storefronts_g0
SELECT * FROM unnest(
    :merchant, :channel, :guests, :abandon_after_s, :expire_after_s, :claim_valid_s, :shipping, :set_at, :set_by
)
ON CONFLICT (merchant) DO UPDATE SET
    channel = excluded.channel, guests = excluded.guests, abandon_after_s = excluded.abandon_after_s,
    expire_after_s = excluded.expire_after_s, claim_valid_s = excluded.claim_valid_s,
    shipping = excluded.shipping, set_at = excluded.set_at, set_by = excluded.set_by;
