-- name: list_allocations
SELECT * FROM allocations
WHERE merchant = :merchant
  AND (:status::text IS NULL OR status = :status)
  AND (NOT :is_split OR warehouses_count > 1)
  AND (:after_at::timestamptz IS NULL OR (planned_at, order_id) < (:after_at, :after_id))
ORDER BY planned_at DESC, order_id DESC
LIMIT :limit;

-- name: get_allocation
SELECT * FROM allocations WHERE merchant = :merchant AND order_id = :order_id LIMIT 1;

-- name: list_picks
SELECT * FROM allocation_picks WHERE merchant = :merchant AND order_id = :order_id
ORDER BY line, warehouse LIMIT :limit;
