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
  AND (:carrier::text IS NULL OR coalesce(s.booked_with, s.carrier) = :carrier)
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

-- name: get_recipient
-- Where to is the order's own word, as long as its person is not erased.
SELECT o.ship_to_name AS name, o.ship_to_street AS street, o.ship_to_zip_prefix AS zip_prefix, o.ship_to_city AS city,
    s.ship_to_state AS state, o.ship_to_country AS country, o.ship_to_phone AS phone, o.ship_to_email AS email,
    o.ship_to_note AS note
FROM shipments AS s
JOIN orders AS o ON o.merchant = s.merchant AND o.order_id = s.order_id AND o.ship_to_city IS NOT NULL
WHERE s.merchant = :merchant AND s.shipment_id = :shipment_id;

-- name: get_scans
SELECT * FROM shipment_scans WHERE merchant = :merchant AND shipment_id = :shipment_id
ORDER BY happened_at NULLS LAST, position LIMIT 1000;

-- name: get_labels
SELECT * FROM shipment_labels WHERE merchant = :merchant AND shipment_id = :shipment_id
ORDER BY booking LIMIT 100;

-- name: get_label
-- Where to is the order's own word, as long as its person is not erased; where from is the warehouse, as it is known
-- now, or, where nobody registered one of that name, the merchant.
SELECT l.*, s.ship_to_state, o.ship_to_name, o.ship_to_street, o.ship_to_zip_prefix, o.ship_to_city, o.ship_to_country,
    o.ship_to_phone, o.ship_to_note,
    coalesce(nullif(w.name, ''), s.warehouse) AS sender,
    coalesce(w.zip_prefix, m.zip_prefix) AS sender_zip_prefix,
    CASE WHEN w.warehouse IS NULL THEN m.city END AS sender_city,
    coalesce(w.state, m.state) AS sender_state,
    w.country AS sender_country
FROM shipment_labels AS l
JOIN shipments AS s ON s.merchant = l.merchant AND s.shipment_id = l.shipment_id
LEFT JOIN orders AS o ON o.merchant = l.merchant AND o.order_id = l.order_id
LEFT JOIN warehouses AS w ON w.merchant = s.merchant AND w.warehouse = s.warehouse
LEFT JOIN merchants AS m ON m.merchant = l.merchant
WHERE l.merchant = :merchant AND l.shipment_id = :shipment_id
  AND l.booking = coalesce(:booking::bigint, s.booking);
