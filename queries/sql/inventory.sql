-- name: list_stock
SELECT * FROM stock_levels
WHERE merchant = :merchant
  AND (:sku::text IS NULL OR sku = :sku)
  AND (:warehouse::text IS NULL OR warehouse = :warehouse)
  AND (:available_below::bigint IS NULL OR available < :available_below)
  AND (:after_sku::text IS NULL OR (sku, warehouse) > (:after_sku, :after_warehouse))
ORDER BY sku, warehouse
LIMIT :limit;

-- name: list_low_stock
-- What is at its reorder point or below; there is an index of just these.
SELECT * FROM stock_levels
WHERE merchant = :merchant AND reorder_point > 0 AND available <= reorder_point
  AND (:warehouse::text IS NULL OR warehouse = :warehouse)
  AND (:after_sku::text IS NULL OR (sku, warehouse) > (:after_sku, :after_warehouse))
ORDER BY sku, warehouse
LIMIT :limit;

-- name: list_holds
SELECT * FROM stock_holds
WHERE merchant = :merchant
  AND (:sku::text IS NULL OR sku = :sku)
  AND (:warehouse::text IS NULL OR warehouse = :warehouse)
  AND (:after_sku::text IS NULL OR (sku, warehouse, order_id) > (:after_sku, :after_warehouse, :after_order))
ORDER BY sku, warehouse, order_id
LIMIT :limit;

-- name: list_backorders
SELECT * FROM stock_backorders
WHERE merchant = :merchant
  AND (:sku::text IS NULL OR sku = :sku)
  AND (:warehouse::text IS NULL OR warehouse = :warehouse)
  AND (:order_id::text IS NULL OR order_id = :order_id)
  AND (:after::bigint IS NULL OR position > :after)
ORDER BY position
LIMIT :limit;

-- name: list_movements
-- Newest first; of one stock by its key, of all of a merchant's by an index of their own.
SELECT * FROM stock_ledger
WHERE merchant = :merchant
  AND (:sku::text IS NULL OR sku = :sku)
  AND (:warehouse::text IS NULL OR warehouse = :warehouse)
  AND (:order_id::text IS NULL OR order_id = :order_id)
  AND (:type::text IS NULL OR type = :type)
  AND (:since::timestamptz IS NULL OR occurred_at >= :since)
  AND (:until::timestamptz IS NULL OR occurred_at < :until)
  AND (:before::bigint IS NULL OR position < :before)
ORDER BY position DESC
LIMIT :limit;

-- name: list_purchases
SELECT * FROM purchases
WHERE merchant = :merchant
  AND (:status::text IS NULL OR status = :status)
  AND (:supplier::text IS NULL OR supplier = :supplier)
  AND (:warehouse::text IS NULL OR warehouse = :warehouse)
  AND (NOT :troubled OR discrepancies_count > 0)
  AND (:after_at::timestamptz IS NULL OR (placed_at, purchase_id) < (:after_at, :after_id))
ORDER BY placed_at DESC, purchase_id DESC
LIMIT :limit;

-- name: get_purchase
SELECT * FROM purchases WHERE merchant = :merchant AND purchase_id = :purchase_id LIMIT 1;

-- name: list_purchase_lines
SELECT * FROM purchase_lines WHERE merchant = :merchant AND purchase_id = :purchase_id ORDER BY sku LIMIT :limit;

-- name: list_purchase_discrepancies
SELECT * FROM purchase_discrepancies WHERE merchant = :merchant AND purchase_id = :purchase_id
ORDER BY sku, kind LIMIT :limit;

-- name: list_transfers
SELECT * FROM transfers
WHERE merchant = :merchant
  AND (:status::text IS NULL OR status = :status)
  AND (:source::text IS NULL OR source = :source)
  AND (:target::text IS NULL OR target = :target)
  AND (NOT :troubled OR discrepancies_count > 0)
  AND (:after_at::timestamptz IS NULL OR (planned_at, transfer_id) < (:after_at, :after_id))
ORDER BY planned_at DESC, transfer_id DESC
LIMIT :limit;

-- name: get_transfer
SELECT * FROM transfers WHERE merchant = :merchant AND transfer_id = :transfer_id LIMIT 1;

-- name: list_transfer_lines
SELECT * FROM transfer_lines WHERE merchant = :merchant AND transfer_id = :transfer_id ORDER BY sku LIMIT :limit;

-- name: list_transfer_discrepancies
SELECT * FROM transfer_discrepancies WHERE merchant = :merchant AND transfer_id = :transfer_id
ORDER BY sku, kind LIMIT :limit;

-- name: list_stocktakes
SELECT * FROM stocktakes
WHERE merchant = :merchant
  AND (:status::text IS NULL OR status = :status)
  AND (:warehouse::text IS NULL OR warehouse = :warehouse)
  AND (:after_at::timestamptz IS NULL OR (started_at, stocktake_id) < (:after_at, :after_id))
ORDER BY started_at DESC, stocktake_id DESC
LIMIT :limit;

-- name: get_stocktake
SELECT * FROM stocktakes WHERE merchant = :merchant AND stocktake_id = :stocktake_id LIMIT 1;

-- name: list_counts
SELECT * FROM stock_counts WHERE merchant = :merchant AND stocktake_id = :stocktake_id
ORDER BY sku LIMIT :limit;
