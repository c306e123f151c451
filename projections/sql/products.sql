-- name: create_tables#
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
    PRIMARY KEY (merchant, sku)
);
CREATE INDEX ON products_g0 (merchant, category, sku);

-- name: upsert_products!
-- The last import of a product stands.
INSERT INTO products_g0
SELECT * FROM unnest(
    :merchant, :sku, :category, :name_length, :description_length, :photos, :weight_g, :length_cm, :height_cm,
    :width_cm
)
ON CONFLICT (merchant, sku) DO UPDATE SET
    category = excluded.category, name_length = excluded.name_length,
    description_length = excluded.description_length, photos = excluded.photos, weight_g = excluded.weight_g,
    length_cm = excluded.length_cm, height_cm = excluded.height_cm, width_cm = excluded.width_cm;
