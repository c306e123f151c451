-- name: create_tables#
CREATE TABLE product_prices_g0 (
    merchant text COLLATE "C" NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    valid_from timestamptz NOT NULL,
    price_cents bigint NOT NULL,
    set_at timestamptz NOT NULL,
    PRIMARY KEY (merchant, product_id, sku, channel, currency, valid_from)
);

-- name: set_prices!
INSERT INTO product_prices_g0
SELECT * FROM unnest(:merchant, :product_id, :sku, :channel, :currency, :valid_from, :price_cents, :set_at)
ON CONFLICT (merchant, product_id, sku, channel, currency, valid_from) DO UPDATE SET
    price_cents = excluded.price_cents, set_at = excluded.set_at;

-- name: withdraw_prices!
-- Only what was to come is withdrawn: of what held, nothing goes.
DELETE FROM product_prices_g0 AS p
USING unnest(:merchant, :product_id, :sku, :channel, :currency, :valid_from)
    AS w (merchant, product_id, sku, channel, currency, valid_from)
WHERE (p.merchant, p.product_id, p.sku, p.channel, p.currency, p.valid_from)
    = (w.merchant, w.product_id, w.sku, w.channel, w.currency, w.valid_from);
