-- name: search_products
-- {chosen}, {conditions}, {key}, {beyond}, {direction} and {only} are filled in for each way of sorting.
SELECT s.product_id, s.name, s.brand, s.category, s.status, s.drafted_at, s.title, p.currency, p.price_cents
FROM search_products AS s
LEFT JOIN search_prices AS p
    ON p.merchant = :merchant AND p.product_id = s.product_id AND p.channel = :channel AND p.currency = :currency
{chosen}
WHERE {conditions}
  AND (:after_id::text IS NULL OR ({key}, s.product_id) {beyond} (:after_key, :after_id))
  {only}
ORDER BY {key} {direction}, s.product_id {direction}
LIMIT :limit;

-- name: matched
-- {columns}, {chosen}, {conditions}, {order} and {most} are filled in.
SELECT s.product_id, s.brand, s.category, s.status, p.price_cents, {columns}
FROM search_products AS s
LEFT JOIN search_prices AS p
    ON p.merchant = :merchant AND p.product_id = s.product_id AND p.channel = :channel AND p.currency = :currency
{chosen}
WHERE {conditions}
{order}
LIMIT {most};

-- name: rank_products
WITH matched AS MATERIALIZED ({matched})
SELECT product_id, name, brand, category, status, drafted_at, currency, price_cents, rank FROM matched
WHERE :after_id::text IS NULL OR (rank, product_id) < (:after_key, :after_id)
ORDER BY rank DESC, product_id DESC
LIMIT :limit;

-- name: find_and_count
-- The first page by relevance, and the counts: all is looked up once. A product is JSON, and `count` is its place
-- on the page.
WITH matched AS MATERIALIZED ({matched})
SELECT
    'found' AS facet, to_json(f)::text AS value,
    row_number() OVER (ORDER BY f.rank DESC, f.product_id DESC) AS count
FROM (
    SELECT product_id, name, brand, category, status, drafted_at, currency, price_cents, rank FROM matched
    ORDER BY rank DESC, product_id DESC
    LIMIT :limit
) AS f
UNION ALL
{counts};

-- name: count_facets
WITH matched AS MATERIALIZED ({matched})
SELECT c.facet, c.value, c.count FROM ({counts}) AS c;

-- name: counts
-- {distinct} is filled in.
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
(
    SELECT 'option', o.option, o.n
    FROM (
        SELECT
            c.option, c.name, c.n, sum(c.n) OVER (PARTITION BY c.name) AS products,
            row_number() OVER (PARTITION BY c.name ORDER BY c.n DESC, c.option) AS place
        FROM (
            SELECT l.option, split_part(l.option, E'\t', 1) AS name, count({distinct}) AS n
            FROM matched AS m CROSS JOIN LATERAL string_to_table(m.options, E'\n') AS l (option)
            GROUP BY l.option
        ) AS c
    ) AS o
    WHERE o.place <= 20
    ORDER BY o.products DESC, o.name, o.place LIMIT 200
)
UNION ALL
SELECT 'price_from', min(price_cents)::text, count(price_cents) FROM matched HAVING count(price_cents) > 0
UNION ALL
SELECT 'price_to', max(price_cents)::text, count(price_cents) FROM matched HAVING count(price_cents) > 0;

-- name: chosen
-- Filled in if options are asked for: in `v` the variants that have all of them, each in one of the values that will
-- do. There are at most three; the planner would think a loop over them dear, and walk through all products.
CROSS JOIN LATERAL (
    SELECT
        string_agg(split_part(e.variant, E'\n', 1), E'\n') AS skus,
        string_agg(substr(e.variant, strpos(e.variant, E'\n') + 1), E'\n') AS options
    FROM string_to_table(coalesce(p.variants, s.variants), E'\x1e') AS e (variant)
    WHERE string_to_array(e.variant, E'\n') && :option_1::text[]
      AND (:option_2::text[] IS NULL OR string_to_array(e.variant, E'\n') && :option_2::text[])
      AND (:option_3::text[] IS NULL OR string_to_array(e.variant, E'\n') && :option_3::text[])
    HAVING count(*) > 0
) AS v;

-- name: conditions
-- What all of them look for; a channel is asked for by the query, and so are options. {skus} are those of the
-- variants that are meant, one a line: where the product has a price, of those that have one.
s.merchant = :merchant
  AND (:query::text IS NULL OR s.document @@ :query::tsquery)
  AND (:status::text IS NULL OR s.status = :status)
  AND (:category::text IS NULL OR s.category = :category)
  AND (:brand::text IS NULL OR s.brand = :brand)
  AND (:price_from::bigint IS NULL OR p.price_cents >= :price_from)
  AND (:price_to::bigint IS NULL OR p.price_cents <= :price_to)
  AND (:in_stock::boolean IS NULL OR EXISTS (
    SELECT FROM stock_levels AS l
    WHERE l.merchant = :merchant AND l.sku = ANY (string_to_array({skus}, E'\n')) AND l.available > 0
      AND (:warehouses::text[] IS NULL OR l.warehouse = ANY (:warehouses))
  ) = :in_stock);

-- name: like_words
-- Words that share most trigrams with one that was asked for, by what they share of all that both have.
-- Who shares so many that it counts (2 of a word of three letters, 3 of one of five) shares more than the first or the
-- first two, which very many words have, as codes begin alike: those are not looked up, but seen in the word itself.
SELECT a.asked, l.word
FROM (
    SELECT DISTINCT u.asked, CASE WHEN length(u.asked) < 5 THEN 1 ELSE 2 END AS seen
    FROM unnest(CAST(:asked AS text[])) AS u (asked)
) AS a
CROSS JOIN LATERAL (
    SELECT c.word, c.shared
    FROM (
        SELECT t.word, count(*)
            + CASE WHEN left(t.word, 1) = left(a.asked, 1) THEN 1 ELSE 0 END
            + CASE WHEN a.seen = 2 AND left(t.word, 2) = left(a.asked, 2) THEN 1 ELSE 0 END AS shared
        FROM search_trigrams AS t
        WHERE t.merchant = :merchant AND t.trigram = ANY (
            SELECT DISTINCT substr('  ' || a.asked || ' ', n, 3)
            FROM generate_series(1 + a.seen, length(a.asked) + 1) AS n
        ) AND abs(length(t.word) - length(a.asked)) <= 3
        GROUP BY t.word
    ) AS c
    ORDER BY c.shared::numeric / (length(c.word) + 1 + length(a.asked) + 1 - c.shared) DESC, c.word
    LIMIT 5
) AS l
WHERE l.shared * 10 >= 3 * (length(l.word) + length(a.asked) + 2 - l.shared);
