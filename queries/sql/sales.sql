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
