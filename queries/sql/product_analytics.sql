-- name: list_top_products
-- What was ordered in the range, as it is now; of a day that orders were placed on, in the time zone that was asked for.
-- Each currency has its own first: a hundred of one are not a hundred of another. Where no order names it, the
-- catalogue does.
WITH sold AS (
    SELECT l.sku, l.currency, max(l.name) AS name, count(DISTINCT l.order_id) AS orders_count,
        sum(l.quantity)::bigint AS units_count, sum(l.quantity * l.unit_price_cents)::bigint AS ordered_cents,
        coalesce(sum(l.quantity) FILTER (WHERE o.status = 'cancelled'), 0)::bigint AS cancelled_units_count,
        coalesce(sum(l.quantity * l.unit_price_cents) FILTER (WHERE o.status = 'cancelled'), 0)::bigint AS cancelled_cents,
        coalesce(sum(l.quantity) FILTER (WHERE o.status <> 'cancelled'), 0)::bigint AS net_units_count,
        coalesce(sum(l.quantity * l.unit_price_cents) FILTER (WHERE o.status <> 'cancelled'), 0)::bigint AS revenue_cents
    FROM orders AS o
    JOIN order_lines AS l ON l.merchant = :merchant AND l.order_id = o.order_id
    WHERE o.merchant = :merchant
      AND o.placed_at >= :day_from::date::timestamp AT TIME ZONE :time_zone
      AND o.placed_at < (:day_to::date + 1)::timestamp AT TIME ZONE :time_zone
      AND (:currency::text IS NULL OR l.currency = :currency)
      AND (:category::text IS NULL OR l.category = :category)
    GROUP BY l.sku, l.currency
), ranked AS (
    SELECT sold.*, row_number() OVER (
        PARTITION BY currency ORDER BY CASE WHEN :by = 'units' THEN net_units_count ELSE revenue_cents END DESC, sku
    ) AS place
    FROM sold
)
SELECT sku, currency, coalesce(nullif(name, ''), (
        SELECT p.name FROM product_variants AS v JOIN products AS p ON p.merchant = :merchant AND p.sku = v.product_id
        WHERE v.merchant = :merchant AND v.sku = ranked.sku ORDER BY v.product_id LIMIT 1
    ), '') AS name, orders_count, units_count, ordered_cents, cancelled_units_count, cancelled_cents, net_units_count,
    revenue_cents
FROM ranked WHERE place <= :limit ORDER BY currency, place LIMIT 20000;

-- name: find_ordered
SELECT 1 AS found FROM order_lines WHERE merchant = :merchant AND sku = :sku LIMIT 1;

-- name: list_product_days
SELECT (l.placed_at AT TIME ZONE :time_zone)::date AS day, l.currency, count(DISTINCT l.order_id) AS orders_count,
    sum(l.quantity)::bigint AS units_count, sum(l.quantity * l.unit_price_cents)::bigint AS ordered_cents,
    coalesce(sum(l.quantity) FILTER (WHERE o.status = 'cancelled'), 0)::bigint AS cancelled_units_count,
    coalesce(sum(l.quantity * l.unit_price_cents) FILTER (WHERE o.status = 'cancelled'), 0)::bigint AS cancelled_cents,
    coalesce(sum(l.quantity) FILTER (WHERE o.status <> 'cancelled'), 0)::bigint AS net_units_count,
    coalesce(sum(l.quantity * l.unit_price_cents) FILTER (WHERE o.status <> 'cancelled'), 0)::bigint AS revenue_cents
FROM order_lines AS l
JOIN orders AS o ON o.merchant = :merchant AND o.order_id = l.order_id
WHERE l.merchant = :merchant AND l.sku = :sku
  AND l.placed_at >= :day_from::date::timestamp AT TIME ZONE :time_zone
  AND l.placed_at < (:day_to::date + 1)::timestamp AT TIME ZONE :time_zone
  AND (:currency::text IS NULL OR l.currency = :currency)
GROUP BY 1, 2
ORDER BY 1 DESC, 2
LIMIT 5000;

-- name: list_running_out
-- The least first; with what was ordered of it in the 30 days before, and not called off: it tells how long it lasts.
SELECT s.sku, v.product_id, s.available, (
    SELECT coalesce(sum(l.quantity), 0)::bigint FROM order_lines AS l
    JOIN orders AS o ON o.merchant = :merchant AND o.order_id = l.order_id AND o.status <> 'cancelled'
    WHERE l.merchant = :merchant AND l.sku = s.sku AND l.placed_at >= :now - interval '30 days' AND l.placed_at <= :now
) AS ordered_30_days_count
FROM (
    SELECT sku, sum(available)::bigint AS available FROM stock_levels
    WHERE merchant = :merchant GROUP BY sku HAVING sum(available) <= :at_most
) AS s
LEFT JOIN product_variants AS v ON v.merchant = :merchant AND v.sku = s.sku
WHERE NOT EXISTS (
    SELECT FROM products AS p WHERE p.merchant = :merchant AND p.sku = v.product_id AND p.status = 'archived'
)
ORDER BY s.available, s.sku
LIMIT :limit;
