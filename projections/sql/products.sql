-- name: create_tables#
-- `sku` is the product's id; `options` is a JSON list. `status` is empty for what is known from an import, or is the
-- SKU of another product's variant.
CREATE TABLE products_g0 (
    merchant text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    category text COLLATE "C",
    name_length bigint,
    description_length bigint,
    photos bigint,
    weight_g bigint,
    length_cm bigint,
    height_cm bigint,
    width_cm bigint,
    status text COLLATE "C" NOT NULL DEFAULT '',
    name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    brand text NOT NULL DEFAULT '',
    options text NOT NULL DEFAULT '[]',
    variant_of text COLLATE "C" NOT NULL DEFAULT '',
    drafted_at timestamptz,
    activated_at timestamptz,
    archived_at timestamptz,
    PRIMARY KEY (merchant, sku)
);
CREATE INDEX ON products_g0 (merchant, category, sku);
CREATE INDEX ON products_g0 (merchant, status, sku);
CREATE TABLE product_channels_g0 (
    merchant text COLLATE "C" NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (merchant, product_id, channel)
);
CREATE TABLE product_variants_g0 (
    merchant text COLLATE "C" NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    options text NOT NULL,
    gtin text COLLATE "C",
    weight_g bigint,
    length_cm bigint,
    height_cm bigint,
    width_cm bigint,
    PRIMARY KEY (merchant, product_id, sku)
);
CREATE INDEX ON product_variants_g0 (merchant, sku);
CREATE INDEX ON product_variants_g0 (merchant, gtin) WHERE gtin IS NOT NULL;

-- name: change_products!
-- The last that was said of each part of a product stands.
MERGE INTO products_g0 AS p
USING unnest(
    :merchant, :sku, :imported, :name_length, :description_length, :photos, :weight_g, :length_cm, :height_cm,
    :width_cm, :described, :name, :description, :brand, :options, :categorised, :category, :status, :variant_of,
    :drafted_at, :activated_at, :archived_at
) AS c (
    merchant, sku, imported, name_length, description_length, photos, weight_g, length_cm, height_cm,
    width_cm, described, name, description, brand, options, categorised, category, status, variant_of,
    drafted_at, activated_at, archived_at
)
ON p.merchant = c.merchant AND p.sku = c.sku
WHEN MATCHED THEN UPDATE SET
    category = CASE WHEN c.categorised THEN c.category ELSE p.category END,
    name_length = CASE WHEN c.imported THEN c.name_length ELSE p.name_length END,
    description_length = CASE WHEN c.imported THEN c.description_length ELSE p.description_length END,
    photos = CASE WHEN c.imported THEN c.photos ELSE p.photos END,
    weight_g = CASE WHEN c.imported THEN c.weight_g ELSE p.weight_g END,
    length_cm = CASE WHEN c.imported THEN c.length_cm ELSE p.length_cm END,
    height_cm = CASE WHEN c.imported THEN c.height_cm ELSE p.height_cm END,
    width_cm = CASE WHEN c.imported THEN c.width_cm ELSE p.width_cm END,
    status = coalesce(c.status, p.status),
    name = CASE WHEN c.described THEN c.name ELSE p.name END,
    description = CASE WHEN c.described THEN c.description ELSE p.description END,
    brand = CASE WHEN c.described THEN c.brand ELSE p.brand END,
    options = CASE WHEN c.described THEN c.options ELSE p.options END,
    variant_of = coalesce(c.variant_of, p.variant_of),
    drafted_at = coalesce(p.drafted_at, c.drafted_at),
    activated_at = coalesce(c.activated_at, p.activated_at),
    archived_at = coalesce(c.archived_at, p.archived_at)
WHEN NOT MATCHED THEN INSERT VALUES (
    c.merchant, c.sku, c.category, c.name_length, c.description_length, c.photos, c.weight_g, c.length_cm,
    c.height_cm, c.width_cm, coalesce(c.status, ''), coalesce(c.name, ''), coalesce(c.description, ''),
    coalesce(c.brand, ''), coalesce(c.options, '[]'), coalesce(c.variant_of, ''), c.drafted_at, c.activated_at,
    c.archived_at
);

-- name: publish!
INSERT INTO product_channels_g0 SELECT * FROM unnest(:merchant, :product_id, :channel, :published_at)
ON CONFLICT (merchant, product_id, channel) DO UPDATE SET published_at = excluded.published_at;

-- name: unpublish!
DELETE FROM product_channels_g0 AS p
USING unnest(:merchant, :product_id, :channel) AS u (merchant, product_id, channel)
WHERE (p.merchant, p.product_id, p.channel) = (u.merchant, u.product_id, u.channel);

-- name: keep_variants!
INSERT INTO product_variants_g0
SELECT * FROM unnest(
    :merchant, :product_id, :sku, :options, :gtin, :weight_g, :length_cm, :height_cm, :width_cm
)
ON CONFLICT (merchant, product_id, sku) DO UPDATE SET
    options = excluded.options, gtin = excluded.gtin, weight_g = excluded.weight_g,
    length_cm = excluded.length_cm, height_cm = excluded.height_cm, width_cm = excluded.width_cm;

-- name: remove_variants!
DELETE FROM product_variants_g0 AS p
USING unnest(:merchant, :product_id, :sku) AS r (merchant, product_id, sku)
WHERE (p.merchant, p.product_id, p.sku) = (r.merchant, r.product_id, r.sku);
