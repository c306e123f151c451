-- name: search_products
-- {conditions}, {key}, {beyond}, {direction} and {only} are filled in for each way of sorting.
SELECT s.product_id, s.name, s.brand, s.category, s.status, s.drafted_at, s.title, p.currency, p.price_cents
FROM search_products AS s
LEFT JOIN search_prices AS p
    ON p.merchant = :merchant AND p.product_id = s.product_id AND p.channel = :channel AND p.currency = :currency
WHERE {conditions}
  AND (:after_id::text IS NULL OR ({key}, s.product_id) {beyond} (:after_key, :after_id))
  {only}
ORDER BY {key} {direction}, s.product_id {direction}
LIMIT :limit;

-- name: rank_products
-- {conditions}, {order} and {most} are filled in.
-- By the words alone: the merchant, which all documents have, would hide the differences.
WITH matched AS MATERIALIZED (
    SELECT
        s.product_id, s.name, s.brand, s.category, s.status, s.drafted_at, s.title, p.currency, p.price_cents,
        (ts_rank(s.document, :ranked::tsquery) * 1000000)::bigint AS rank
    FROM search_products AS s
    LEFT JOIN search_prices AS p
        ON p.merchant = :merchant AND p.product_id = s.product_id AND p.channel = :channel AND p.currency = :currency
    WHERE {conditions}
    {order}
    LIMIT {most}
)
SELECT * FROM matched
WHERE :after_id::text IS NULL OR (rank, product_id) < (:after_key, :after_id)
ORDER BY rank DESC, product_id DESC
LIMIT :limit;

-- name: count_facets
WITH matched AS MATERIALIZED (
    SELECT s.product_id, s.status, s.category, s.brand, s.channels, p.price_cents
    FROM search_products AS s
    LEFT JOIN search_prices AS p
        ON p.merchant = :merchant AND p.product_id = s.product_id AND p.channel = :channel AND p.currency = :currency
    WHERE {conditions}
    {order}
    LIMIT {most}
)
SELECT 'matches' AS facet, '' AS value, count(*) AS count FROM matched
UNION ALL
SELECT 'status', status, count(*) FROM matched GROUP BY status
UNION ALL
(SELECT 'category', category, count(*) AS n FROM matched WHERE category IS NOT NULL GROUP BY category ORDER BY n DESC, category LIMIT 20)
UNION ALL
(SELECT 'brand', brand, count(*) AS n FROM matched WHERE brand <> '' GROUP BY brand ORDER BY n DESC, brand LIMIT 20)
UNION ALL
(
    SELECT 'channel', c.channel, count(*) AS n
    FROM matched AS m CROSS JOIN LATERAL string_to_table(m.channels, E'\n') AS c (channel)
    GROUP BY c.channel ORDER BY n DESC, c.channel LIMIT 20
)
UNION ALL
SELECT 'price_from', min(price_cents)::text, count(price_cents) FROM matched HAVING count(price_cents) > 0
UNION ALL
SELECT 'price_to', max(price_cents)::text, count(price_cents) FROM matched HAVING count(price_cents) > 0;

-- name: conditions
-- What all of them look for, of a product `s` with its price `p`; a channel is asked for by the query.
s.merchant = :merchant
  AND (:query::text IS NULL OR s.document @@ :query::tsquery)
  AND (:status::text IS NULL OR s.status = :status)
  AND (:category::text IS NULL OR s.category = :category)
  AND (:brand::text IS NULL OR s.brand = :brand)
  AND (:price_from::bigint IS NULL OR p.price_cents >= :price_from)
  AND (:price_to::bigint IS NULL OR p.price_cents <= :price_to)
  AND (:in_stock::boolean IS NULL OR EXISTS (
    SELECT FROM stock_levels AS l
    WHERE l.merchant = :merchant AND l.sku = ANY (string_to_array(s.skus, E'\n')) AND l.available > 0
      AND (:warehouses::text[] IS NULL OR l.warehouse = ANY (:warehouses))
  ) = :in_stock);

-- name: like_words
-- Words that share most trigrams with one that was asked for, by what they share of all that both have.
SELECT a.asked, l.word
FROM (SELECT DISTINCT u.asked FROM unnest(CAST(:asked AS text[])) AS u (asked)) AS a
CROSS JOIN LATERAL (
    SELECT t.word, count(*) AS shared
    FROM search_trigrams AS t
    WHERE t.merchant = :merchant AND t.trigram = ANY (
        SELECT DISTINCT substr('  ' || a.asked || ' ', n, 3) FROM generate_series(1, length(a.asked) + 1) AS n
    ) AND abs(length(t.word) - length(a.asked)) <= 3
    GROUP BY t.word
    ORDER BY count(*)::numeric / (length(t.word) + 1 + length(a.asked) + 1 - count(*)) DESC, t.word
    LIMIT 5
) AS l
WHERE l.shared * 10 >= 3 * (length(l.word) + length(a.asked) + 2 - l.shared);
