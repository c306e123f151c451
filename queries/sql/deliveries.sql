-- name: list_late_deliveries
SELECT * FROM late_deliveries
WHERE merchant = :merchant
  AND days_late >= :days_late_min
  AND (:after_id::text IS NULL OR (delivered_at, shipment_id) < (:after_at, :after_id))
ORDER BY delivered_at DESC, shipment_id DESC
LIMIT :limit;
