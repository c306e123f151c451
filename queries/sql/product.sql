-- name: list_products
SELECT * FROM products
WHERE merchant = :merchant
  AND (:category::text IS NULL OR category = :category)
  AND (:status::text IS NULL OR status = :status)
  AND (:after_sku::text IS NULL OR sku > :after_sku)
ORDER BY sku
LIMIT :limit;

-- name: list_categories
SELECT * FROM categories
WHERE merchant = :merchant AND (:after_category::text IS NULL OR category > :after_category)
ORDER BY category
LIMIT :limit;
