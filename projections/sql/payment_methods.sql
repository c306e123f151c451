-- name: create_tables#
CREATE TABLE payment_methods_g0 (
    merchant text COLLATE "C" NOT NULL,
    method_id text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    brand text,
    last4 text,
    expires text,
    stored_at timestamptz NOT NULL,
    removed_at timestamptz,
    PRIMARY KEY (merchant, method_id)
) WITH (fillfactor = 80);
CREATE INDEX ON payment_methods_g0 (merchant, stored_at DESC, method_id DESC);
CREATE INDEX ON payment_methods_g0 (merchant, subject, stored_at DESC, method_id DESC);
CREATE INDEX ON payment_methods_g0 (subject);

-- name: store_methods!
INSERT INTO payment_methods_g0 (merchant, method_id, subject, brand, last4, expires, stored_at)
SELECT * FROM unnest(:merchant, :method_id, :subject, :brand, :last4, :expires, :stored_at)
ON CONFLICT (merchant, method_id) DO NOTHING;

-- name: remove_methods!
UPDATE payment_methods_g0 AS p SET removed_at = r.removed_at
FROM unnest(:merchant, :method_id, :removed_at) AS r (merchant, method_id, removed_at)
WHERE p.merchant = r.merchant AND p.method_id = r.method_id;

-- name: erase_methods!
-- As in the read model `orders`. :subject text[]
UPDATE payment_methods_g0 SET brand = NULL, last4 = NULL, expires = NULL
WHERE subject = ANY(:subject) AND (brand, last4, expires) IS DISTINCT FROM (NULL, NULL, NULL);
