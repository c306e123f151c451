-- name: list_shipments
SELECT s.*, (
    SELECT t.template FROM tracking_links AS t
    WHERE t.merchant = s.merchant AND t.carrier = coalesce(s.booked_with, s.carrier)
) AS tracking_template
FROM shipments AS s
WHERE s.merchant = :merchant
  AND (:status::text IS NULL OR s.status = :status)
  AND (:order_id::text IS NULL OR s.order_id = :order_id)
  AND (:tracking_status::text IS NULL OR s.tracking_status = :tracking_status)
  AND (:carrier::text IS NULL OR s.carrier = :carrier)
  AND (:manifest_id::text IS NULL OR s.manifest_id = :manifest_id)
  AND (:warehouse::text IS NULL OR s.warehouse = :warehouse)
  AND (:unlisted::boolean IS NULL OR s.manifest_id IS NULL)
  AND (:troubled::boolean IS NULL OR s.trouble IS NOT NULL)
  AND (:tracking_number::text IS NULL OR s.shipment_id IN (
    SELECT l.shipment_id FROM shipment_labels AS l
    WHERE l.merchant = :merchant AND l.tracking_number = :tracking_number
    ORDER BY l.bought_at DESC LIMIT 1000
  ))
  AND (:after_id::text IS NULL OR (s.requested_at, s.shipment_id) < (:after_at, :after_id))
ORDER BY s.requested_at DESC, s.shipment_id DESC
LIMIT :limit;

-- name: get_shipment
SELECT s.*, (
    SELECT t.template FROM tracking_links AS t
    WHERE t.merchant = s.merchant AND t.carrier = coalesce(s.booked_with, s.carrier)
) AS tracking_template
FROM shipments AS s WHERE s.merchant = :merchant AND s.shipment_id = :shipment_id;

-- name: get_lines
SELECT * FROM shipment_lines WHERE merchant = :merchant AND shipment_id = :shipment_id
ORDER BY sku, warehouse LIMIT 1000;

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
