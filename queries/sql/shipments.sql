-- name: list_shipments
SELECT * FROM shipments
WHERE merchant = :merchant
  AND (:status::text IS NULL OR status = :status)
  AND (:order_id::text IS NULL OR order_id = :order_id)
  AND (:tracking_status::text IS NULL OR tracking_status = :tracking_status)
  AND (:carrier::text IS NULL OR carrier = :carrier)
  AND (:manifest_id::text IS NULL OR manifest_id = :manifest_id)
  AND (:unlisted::boolean IS NULL OR manifest_id IS NULL)
  AND (:troubled::boolean IS NULL OR trouble IS NOT NULL)
  AND (:tracking_number::text IS NULL OR shipment_id IN (
    SELECT l.shipment_id FROM shipment_labels AS l
    WHERE l.merchant = :merchant AND l.tracking_number = :tracking_number
    ORDER BY l.bought_at DESC LIMIT 1000
  ))
  AND (:after_id::text IS NULL OR (requested_at, shipment_id) < (:after_at, :after_id))
ORDER BY requested_at DESC, shipment_id DESC
LIMIT :limit;

-- name: get_shipment
SELECT * FROM shipments WHERE merchant = :merchant AND shipment_id = :shipment_id;

-- name: get_scans
SELECT * FROM shipment_scans WHERE merchant = :merchant AND shipment_id = :shipment_id
ORDER BY happened_at NULLS LAST, position LIMIT 1000;

-- name: get_labels
SELECT * FROM shipment_labels WHERE merchant = :merchant AND shipment_id = :shipment_id
ORDER BY booking LIMIT 100;

-- name: get_label
-- Where to is the order's own word, as long as its person is not erased.
SELECT l.*, s.ship_to_state, o.ship_to_zip_prefix, o.ship_to_city
FROM shipment_labels AS l
JOIN shipments AS s ON s.merchant = l.merchant AND s.shipment_id = l.shipment_id
LEFT JOIN orders AS o ON o.merchant = l.merchant AND o.order_id = l.order_id
WHERE l.merchant = :merchant AND l.shipment_id = :shipment_id
  AND l.booking = coalesce(:booking::bigint, s.booking);
