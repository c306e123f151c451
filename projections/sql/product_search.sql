-- name: create_tables#
-- The document holds the merchant, the channels and the options, too, as words that no text has (`=m1`, `#web`,
-- `~colour\tred`): so the index finds what is one merchant's alone, however many there are, what is on a channel,
-- and what comes in red. `options` are lines of a name, a tab and a value; each of `variants`, which E'\x1e' parts, has
-- its SKU and its options in lines.
CREATE TABLE search_products_g0 (
    merchant text COLLATE "C" NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'draft',
    name text NOT NULL DEFAULT '',
    brand text COLLATE "C" NOT NULL DEFAULT '',
    category text COLLATE "C",
    title text COLLATE "C" NOT NULL DEFAULT '',
    body text NOT NULL DEFAULT '',
    codes text NOT NULL DEFAULT '',
    skus text COLLATE "C" NOT NULL DEFAULT '',
    variants text COLLATE "C" NOT NULL DEFAULT '',
    channels text COLLATE "C" NOT NULL DEFAULT '',
    option_names text COLLATE "C" NOT NULL DEFAULT '',
    options text COLLATE "C" NOT NULL DEFAULT '',
    drafted_at timestamptz,
    document tsvector NOT NULL GENERATED ALWAYS AS (
        array_to_tsvector(
            ARRAY['=' || merchant]
            || CASE WHEN channels <> '' THEN string_to_array('#' || replace(channels, E'\n', E'\n#'), E'\n') END
            || CASE WHEN options <> '' THEN string_to_array('~' || replace(options, E'\n', E'\n~'), E'\n') END
        )
        || setweight(to_tsvector('pg_catalog.simple'::regconfig, title), 'A')
        || setweight(to_tsvector('pg_catalog.simple'::regconfig, codes), 'B')
        || setweight(to_tsvector('pg_catalog.simple'::regconfig, body), 'D')
    ) STORED,
    PRIMARY KEY (merchant, product_id)
);
CREATE INDEX ON search_products_g0 USING gin (document);
CREATE INDEX ON search_products_g0 (merchant, title, product_id);
CREATE INDEX ON search_products_g0 (merchant, drafted_at, product_id);
CREATE INDEX ON search_products_g0 (merchant, category, product_id);
CREATE INDEX ON search_products_g0 (merchant, brand, product_id);
CREATE TABLE search_variants_g0 (
    merchant text COLLATE "C" NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    words text NOT NULL,
    options text COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant, product_id, sku)
);
CREATE TABLE search_channels_g0 (
    merchant text COLLATE "C" NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant, product_id, channel)
);
CREATE TABLE search_offers_g0 (
    merchant text COLLATE "C" NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    price_cents bigint NOT NULL,
    PRIMARY KEY (merchant, product_id, sku, channel, currency)
);
CREATE TABLE search_prices_g0 (
    merchant text COLLATE "C" NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    price_cents bigint NOT NULL,
    skus text COLLATE "C" NOT NULL,
    variants text COLLATE "C" NOT NULL,
    options text COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant, product_id, channel, currency)
);
CREATE INDEX ON search_prices_g0 (merchant, channel, currency, price_cents, product_id);

-- name: change_products!
MERGE INTO search_products_g0 AS p
USING unnest(
    :merchant, :product_id, :described, :name, :brand, :category, :title, :body, :option_names, :status,
    :drafted_at
) AS c (
    merchant, product_id, described, name, brand, category, title, body, option_names, status, drafted_at
)
ON p.merchant = c.merchant AND p.product_id = c.product_id
WHEN MATCHED THEN UPDATE SET
    status = coalesce(c.status, p.status),
    name = CASE WHEN c.described THEN c.name ELSE p.name END,
    brand = CASE WHEN c.described THEN c.brand ELSE p.brand END,
    category = CASE WHEN c.described THEN c.category ELSE p.category END,
    title = CASE WHEN c.described THEN c.title ELSE p.title END,
    body = CASE WHEN c.described THEN c.body ELSE p.body END,
    option_names = CASE WHEN c.described THEN c.option_names ELSE p.option_names END,
    drafted_at = coalesce(p.drafted_at, c.drafted_at)
WHEN NOT MATCHED THEN
    INSERT (merchant, product_id, status, name, brand, category, title, body, option_names, drafted_at)
    VALUES (
        c.merchant, c.product_id, coalesce(c.status, 'draft'), coalesce(c.name, ''), coalesce(c.brand, ''),
        c.category, coalesce(c.title, ''), coalesce(c.body, ''), coalesce(c.option_names, ''), c.drafted_at
    );

-- name: keep_variants!
INSERT INTO search_variants_g0 SELECT * FROM unnest(:merchant, :product_id, :sku, :words, :options)
ON CONFLICT (merchant, product_id, sku) DO UPDATE SET words = excluded.words, options = excluded.options;

-- name: remove_variants!
DELETE FROM search_variants_g0 AS v
USING unnest(:merchant, :product_id, :sku) AS r (merchant, product_id, sku)
WHERE (v.merchant, v.product_id, v.sku) = (r.merchant, r.product_id, r.sku);

-- name: publish!
INSERT INTO search_channels_g0 SELECT * FROM unnest(:merchant, :product_id, :channel) ON CONFLICT DO NOTHING;

-- name: unpublish!
DELETE FROM search_channels_g0 AS c
USING unnest(:merchant, :product_id, :channel) AS u (merchant, product_id, channel)
WHERE (c.merchant, c.product_id, c.channel) = (u.merchant, u.product_id, u.channel);

-- name: refresh_products!
-- What is looked up at each search stands in the product itself: its channels, and what its variants are.
UPDATE search_products_g0 AS p SET
    codes = coalesce(v.codes, ''),
    skus = coalesce(v.skus, ''),
    variants = coalesce(v.variants, ''),
    channels = coalesce((
        SELECT string_agg(c.channel, E'\n' ORDER BY c.channel) FROM search_channels_g0 AS c
        WHERE c.merchant = t.merchant AND c.product_id = t.product_id
    ), ''),
    options = coalesce((
        SELECT string_agg(DISTINCT o.option, E'\n' ORDER BY o.option)
        FROM string_to_table(v.variants, E'\x1e') AS w (variant)
        CROSS JOIN LATERAL string_to_table(w.variant, E'\n') WITH ORDINALITY AS o (option, place)
        WHERE o.place > 1
    ), '')
FROM unnest(:merchant, :product_id) AS t (merchant, product_id)
JOIN search_products_g0 AS d ON d.merchant = t.merchant AND d.product_id = t.product_id
CROSS JOIN LATERAL (
    SELECT
        string_agg(v.words, ' ' ORDER BY v.sku) AS codes,
        string_agg(v.sku, E'\n' ORDER BY v.sku) AS skus,
        string_agg(concat_ws(E'\n', v.sku, (
            SELECT string_agg(o.name || E'\t' || o.value, E'\n')
            FROM unnest(string_to_array(d.option_names, E'\n'), string_to_array(v.options, E'\t')) AS o (name, value)
        )), E'\x1e' ORDER BY v.sku) AS variants
    FROM search_variants_g0 AS v
    WHERE v.merchant = t.merchant AND v.product_id = t.product_id
) AS v
WHERE p.merchant = t.merchant AND p.product_id = t.product_id;

-- name: keep_offers!
INSERT INTO search_offers_g0
SELECT * FROM unnest(:merchant, :product_id, :sku, :channel, :currency, :price_cents)
ON CONFLICT (merchant, product_id, sku, channel, currency) DO UPDATE SET price_cents = excluded.price_cents;

-- name: drop_prices!
DELETE FROM search_prices_g0 AS p
USING unnest(:merchant, :product_id) AS t (merchant, product_id)
WHERE p.merchant = t.merchant AND p.product_id = t.product_id;

-- name: keep_prices!
-- From so much on: the lowest of the variants that there are; and what those are that have a price, as in the product.
INSERT INTO search_prices_g0
SELECT r.merchant, r.product_id, r.channel, r.currency, r.price_cents, r.skus, r.variants, coalesce((
    SELECT string_agg(DISTINCT o.option, E'\n' ORDER BY o.option)
    FROM string_to_table(r.variants, E'\x1e') AS w (variant)
    CROSS JOIN LATERAL string_to_table(w.variant, E'\n') WITH ORDINALITY AS o (option, place)
    WHERE o.place > 1
), '')
FROM (
    SELECT
        o.merchant, o.product_id, o.channel, o.currency, min(o.price_cents) AS price_cents,
        string_agg(v.sku, E'\n' ORDER BY v.sku) AS skus, string_agg(v.variant, E'\x1e' ORDER BY v.sku) AS variants
    FROM unnest(:merchant, :product_id) AS t (merchant, product_id)
    JOIN search_products_g0 AS p ON p.merchant = t.merchant AND p.product_id = t.product_id
    CROSS JOIN LATERAL (
        SELECT e.variant, split_part(e.variant, E'\n', 1) AS sku
        FROM string_to_table(p.variants, E'\x1e') AS e (variant)
    ) AS v
    JOIN search_offers_g0 AS o ON (o.merchant, o.product_id, o.sku) = (t.merchant, t.product_id, v.sku)
    GROUP BY o.merchant, o.product_id, o.channel, o.currency
) AS r;
