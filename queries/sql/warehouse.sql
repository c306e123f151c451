-- name: list_warehouses
SELECT * FROM warehouses
WHERE merchant = :merchant
  AND (:is_open::boolean IS NULL OR is_open = :is_open)
  AND (:after::text IS NULL OR warehouse > :after)
ORDER BY warehouse
LIMIT :limit;

-- name: get_warehouse
SELECT * FROM warehouses WHERE merchant = :merchant AND warehouse = :warehouse LIMIT 1;

-- name: list_versions
SELECT * FROM allocation_rules
WHERE merchant = :merchant
  AND (:before::bigint IS NULL OR version < :before)
ORDER BY version DESC
LIMIT :limit;

-- name: get_version
SELECT * FROM allocation_rules WHERE merchant = :merchant AND version = :version LIMIT 1;

-- name: list_pick_lists
SELECT * FROM pick_lists
WHERE merchant = :merchant
  AND (:warehouse::text IS NULL OR warehouse = :warehouse)
  AND (:status::text IS NULL OR status = :status)
  AND (:order_id::text IS NULL OR order_id = :order_id)
  AND (:after_at::timestamptz IS NULL OR (released_at, pick_list_id) > (:after_at, :after_id))
ORDER BY released_at, pick_list_id
LIMIT :limit;

-- name: get_pick_list
SELECT * FROM pick_lists WHERE merchant = :merchant AND pick_list_id = :pick_list_id LIMIT 1;

-- name: list_pick_list_lines
SELECT * FROM pick_list_lines WHERE merchant = :merchant AND pick_list_id = :pick_list_id
ORDER BY line LIMIT :limit;
