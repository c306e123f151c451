-- name: create_tables#
CREATE TABLE order_tags_g0 (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    tag text COLLATE "C" NOT NULL,
    tagged_by text NOT NULL,
    tagged_at timestamptz NOT NULL,
    PRIMARY KEY (merchant, order_id, tag)
);
CREATE INDEX ON order_tags_g0 (merchant, tag, order_id);

-- name: remove_tags!
DELETE FROM order_tags_g0 AS t USING unnest(:merchant, :order_id, :tag) AS r (merchant, order_id, tag)
WHERE t.merchant = r.merchant AND t.order_id = r.order_id AND t.tag = r.tag;

-- name: add_tags!
INSERT INTO order_tags_g0
SELECT * FROM unnest(:merchant, :order_id, :tag, :tagged_by, :tagged_at)
ON CONFLICT (merchant, order_id, tag) DO UPDATE SET
    tagged_by = excluded.tagged_by, tagged_at = excluded.tagged_at;
