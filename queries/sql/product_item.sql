-- name: get_product
SELECT * FROM products WHERE merchant = :merchant AND sku = :product_id;

-- name: get_product_channels
SELECT channel, published_at FROM product_channels
WHERE merchant = :merchant AND product_id = :product_id ORDER BY channel LIMIT 100;

-- name: get_product_variants
SELECT * FROM product_variants
WHERE merchant = :merchant AND product_id = :product_id ORDER BY sku LIMIT 200;

-- name: list_product_prices
-- Of each variant what holds at that moment; the lowest of 30 days before, with the one that held into them; and
-- where it is a reduction, the lowest of the 30 days before it began (domain/price_history.py has the same rule).
WITH held AS (
    SELECT DISTINCT ON (p.sku, p.channel, p.currency) p.*
    FROM product_prices AS p
    WHERE p.merchant = :merchant AND p.product_id = :product_id AND p.valid_from <= :at
      AND (:sku::text IS NULL OR p.sku = :sku)
      AND (:channel::text IS NULL OR p.channel = :channel)
      AND (:currency::text IS NULL OR p.currency = :currency)
      AND (:after_sku::text IS NULL OR (p.sku, p.channel, p.currency) > (:after_sku, :after_channel, :after_currency))
    ORDER BY p.sku, p.channel, p.currency, p.valid_from DESC
    LIMIT :limit
)
SELECT h.sku, h.channel, h.currency, h.price_cents, h.valid_from, (
    SELECT n.valid_from FROM product_prices AS n
    WHERE (n.merchant, n.product_id, n.sku, n.channel, n.currency)
        = (h.merchant, h.product_id, h.sku, h.channel, h.currency) AND n.valid_from > h.valid_from
    ORDER BY n.valid_from LIMIT 1
) AS valid_until, (
    SELECT min(l.price_cents) FROM product_prices AS l
    WHERE (l.merchant, l.product_id, l.sku, l.channel, l.currency)
        = (h.merchant, h.product_id, h.sku, h.channel, h.currency)
      AND l.valid_from <= :at AND l.valid_from >= coalesce((
        SELECT max(s.valid_from) FROM product_prices AS s
        WHERE (s.merchant, s.product_id, s.sku, s.channel, s.currency)
            = (h.merchant, h.product_id, h.sku, h.channel, h.currency)
          AND s.valid_from <= :at - interval '30 days'
      ), '-infinity')
) AS lowest_30_days_cents, CASE WHEN h.price_cents < before.price_cents THEN (
    SELECT min(l.price_cents) FROM product_prices AS l
    WHERE (l.merchant, l.product_id, l.sku, l.channel, l.currency)
        = (h.merchant, h.product_id, h.sku, h.channel, h.currency)
      AND l.valid_from < h.valid_from AND l.valid_from >= coalesce((
        SELECT max(s.valid_from) FROM product_prices AS s
        WHERE (s.merchant, s.product_id, s.sku, s.channel, s.currency)
            = (h.merchant, h.product_id, h.sku, h.channel, h.currency)
          AND s.valid_from <= h.valid_from - interval '30 days'
      ), '-infinity')
) END AS prior_price_cents
FROM held AS h
LEFT JOIN LATERAL (
    SELECT b.price_cents FROM product_prices AS b
    WHERE (b.merchant, b.product_id, b.sku, b.channel, b.currency)
        = (h.merchant, h.product_id, h.sku, h.channel, h.currency) AND b.valid_from < h.valid_from
    ORDER BY b.valid_from DESC LIMIT 1
) AS before ON true
ORDER BY h.sku, h.channel, h.currency;

-- name: list_price_history
SELECT sku, channel, currency, valid_from, price_cents, set_at FROM product_prices
WHERE merchant = :merchant AND product_id = :product_id
  AND (:sku::text IS NULL OR sku = :sku)
  AND (:channel::text IS NULL OR channel = :channel)
  AND (:currency::text IS NULL OR currency = :currency)
  AND (:after::timestamptz IS NULL
    OR (valid_from, sku, channel, currency) < (:after, :after_sku, :after_channel, :after_currency))
ORDER BY valid_from DESC, sku DESC, channel DESC, currency DESC
LIMIT :limit;
