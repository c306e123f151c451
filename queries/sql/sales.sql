-- name: list_sales_by_day
SELECT * FROM sales_by_day
WHERE merchant = :merchant
  AND (:day_from::date IS NULL OR day >= :day_from)
  AND (:day_to::date IS NULL OR day <= :day_to)
  AND (:currency::text IS NULL OR currency = :currency)
  AND (:after_currency::text IS NULL OR (day, currency) < (:after_day, :after_currency))
ORDER BY day DESC, currency DESC
LIMIT :limit;

-- name: list_sales_by_product
SELECT * FROM sales_by_product
WHERE merchant = :merchant
  AND (:currency::text IS NULL OR currency = :currency)
  AND (:after_name::text IS NULL OR (gross_cents, sku, currency) < (:after_cents, :after_name, :after_currency))
ORDER BY gross_cents DESC, sku DESC, currency DESC
LIMIT :limit;

-- name: list_sales_by_category
SELECT * FROM sales_by_category
WHERE merchant = :merchant
  AND (:currency::text IS NULL OR currency = :currency)
  AND (:after_name::text IS NULL OR (gross_cents, category, currency) < (:after_cents, :after_name, :after_currency))
ORDER BY gross_cents DESC, category DESC, currency DESC
LIMIT :limit;

-- name: get_kpis
-- Quarters of an hour, added up to periods of the zone; at most 1,100 days of a few currencies.
SELECT date_trunc(:period, quarter AT TIME ZONE :time_zone)::date AS begins_on, currency,
    sum(orders_count)::bigint AS orders_count, sum(units_count)::bigint AS units_count,
    sum(ordered_cents)::bigint AS ordered_cents, sum(cancelled_count)::bigint AS cancelled_count,
    sum(cancelled_cents)::bigint AS cancelled_cents, sum(returned_count)::bigint AS returned_count,
    sum(captured_cents)::bigint AS captured_cents, sum(refunded_cents)::bigint AS refunded_cents,
    sum(refunded_of_orders_cents)::bigint AS refunded_of_orders_cents,
    sum(deliveries_count)::bigint AS deliveries_count,
    sum(promised_deliveries_count)::bigint AS promised_deliveries_count, sum(late_count)::bigint AS late_count
FROM order_kpis
WHERE merchant = :merchant
  AND quarter >= :day_from::date::timestamp AT TIME ZONE :time_zone
  AND quarter < (:day_to::date + 1)::timestamp AT TIME ZONE :time_zone
  AND (:currency::text IS NULL OR currency = :currency)
GROUP BY 1, 2
ORDER BY 1 DESC, 2
LIMIT 10000;
