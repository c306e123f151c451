-- name: list_shipments
SELECT * FROM shipments
WHERE merchant = :merchant
  AND (:status::text IS NULL OR status = :status)
  AND (:order_id::text IS NULL OR order_id = :order_id)
  AND (:after_id::text IS NULL OR (requested_at, shipment_id) < (:after_at, :after_id))
ORDER BY requested_at DESC, shipment_id DESC
LIMIT :limit;

-- name: get_shipment
SELECT * FROM shipments WHERE merchant = :merchant AND shipment_id = :shipment_id;

-- name: get_scans
SELECT * FROM shipment_scans WHERE merchant = :merchant AND shipment_id = :shipment_id
ORDER BY happened_at NULLS LAST, position LIMIT 1000;
