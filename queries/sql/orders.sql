-- name: list_orders
-- {key}, {beyond} and {direction} are filled in for each way of sorting. The filters that are not given are
-- NULL, and gone from the plan.
SELECT * FROM orders
WHERE merchant = :merchant
  AND (:subject::text IS NULL OR subject = :subject)
  AND (:status::text IS NULL OR status = :status)
  AND (:payment_status::text IS NULL OR payment_status = :payment_status)
  AND (:fulfilment_status::text IS NULL OR fulfilment_status = :fulfilment_status)
  AND (:placed_from::timestamptz IS NULL OR placed_at >= :placed_from)
  AND (:placed_to::timestamptz IS NULL OR placed_at < :placed_to)
  AND (:checkout::text IS NULL OR checkout_id = :checkout)
  AND (:q::text IS NULL OR starts_with(order_id, :q) OR starts_with(checkout_id, :q))
  AND (:after_id::text IS NULL OR ({key}, order_id) {beyond} (:after_key, :after_id))
ORDER BY {key} {direction}, order_id {direction}
LIMIT :limit;

-- name: get_order
-- Where it finds nothing, nothing of what the statements below find is shown.
SELECT * FROM orders
WHERE merchant = :merchant AND (:subject::text IS NULL OR subject = :subject) AND order_id = :order_id;

-- name: get_order_lines
SELECT * FROM order_lines WHERE merchant = :merchant AND order_id = :order_id ORDER BY line LIMIT 1000;

-- name: get_order_payments
SELECT * FROM payments WHERE merchant = :merchant AND order_id = :order_id ORDER BY portion, payment_id LIMIT 1000;

-- name: get_order_shipments
SELECT * FROM shipments WHERE merchant = :merchant AND order_id = :order_id ORDER BY shipment_id LIMIT 1000;

-- name: get_order_timeline
SELECT * FROM order_timeline WHERE merchant = :merchant AND order_id = :order_id ORDER BY position LIMIT 1000;

-- name: get_order_holds
SELECT * FROM order_holds WHERE merchant = :merchant AND order_id = :order_id ORDER BY held_at, hold_id LIMIT 1000;

-- name: get_order_notes
SELECT * FROM order_notes WHERE merchant = :merchant AND order_id = :order_id ORDER BY written_at, note_id LIMIT 1000;

-- name: get_order_tags
SELECT tag FROM order_tags WHERE merchant = :merchant AND order_id = :order_id ORDER BY tag LIMIT 50;
