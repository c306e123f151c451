-- name: create_tables#
CREATE TABLE categories_g0 (
    merchant text COLLATE "C" NOT NULL,
    category text COLLATE "C" NOT NULL,
    english text NOT NULL,
    PRIMARY KEY (merchant, category)
);

-- name: upsert_categories!
INSERT INTO categories_g0 SELECT * FROM unnest(:merchant, :category, :english)
ON CONFLICT (merchant, category) DO UPDATE SET english = excluded.english;
