-- name: list_stock
SELECT * FROM stock_levels
WHERE merchant = :merchant
  AND (:sku::text IS NULL OR sku = :sku)
  AND (:warehouse::text IS NULL OR warehouse = :warehouse)
  AND (:available_below::bigint IS NULL OR available < :available_below)
  AND (:after_sku::text IS NULL OR (sku, warehouse) > (:after_sku, :after_warehouse))
ORDER BY sku, warehouse
LIMIT :limit;
