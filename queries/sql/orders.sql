-- name: list_orders
-- {key}, {beyond} and {direction} are filled in for each way of sorting. The filters that are not given are
-- NULL, and gone from the plan.
SELECT * FROM orders
WHERE merchant = :merchant
  AND (:subject::text IS NULL OR subject = :subject)
  AND (:status::text IS NULL OR status = :status)
  AND (:payment_status::text IS NULL OR payment_status = :payment_status)
  AND (:fulfilment_status::text IS NULL OR fulfilment_status = :fulfilment_status)
  AND (:cancel_reason::text IS NULL OR cancel_reason = :cancel_reason)
  AND (:placed_from::timestamptz IS NULL OR placed_at >= :placed_from)
  AND (:placed_to::timestamptz IS NULL OR placed_at < :placed_to)
  AND (:channel::text IS NULL OR channel = :channel)
  AND (:total_min::bigint IS NULL OR total_cents >= :total_min)
  AND (:total_max::bigint IS NULL OR total_cents <= :total_max)
  AND (:currency::text IS NULL OR currency = :currency)
  AND (:customer::text IS NULL OR customer_id = :customer)
  AND (:checkout::text IS NULL OR checkout_id = :checkout)
  AND (:held::boolean IS NULL OR held = :held)
  AND (:hold::text IS NULL OR held AND order_id IN (
      SELECT h.order_id FROM order_holds AS h
      WHERE h.merchant = :merchant AND h.reason = :hold AND h.released_at IS NULL
  ))
  AND (:tag::text IS NULL OR order_id IN (
      SELECT t.order_id FROM order_tags AS t WHERE t.merchant = :merchant AND t.tag = :tag
  ))
  AND (:discrepancy::text IS NULL OR discrepancy IS NOT NULL AND order_id IN (
      SELECT d.order_id FROM order_discrepancies AS d
      WHERE d.merchant = :merchant AND :discrepancy IN (d.kind, 'any') AND d.resolved_at IS NULL
  ))
  AND (:sku::text IS NULL OR order_id IN (
      SELECT l.order_id FROM order_lines AS l WHERE l.merchant = :merchant AND l.sku = :sku
  ))
  AND (:tracking_number::text IS NULL OR order_id IN (
      SELECT s.order_id FROM shipments AS s JOIN shipment_labels AS l USING (merchant, shipment_id)
      WHERE s.merchant = :merchant AND l.tracking_number = :tracking_number
  ))
  AND (:q::text IS NULL OR order_id >= :q AND order_id < :q_end OR checkout_id >= :q AND checkout_id < :q_end)
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
SELECT s.*, contents.*, (
    SELECT t.template FROM tracking_links AS t
    WHERE t.merchant = s.merchant AND t.carrier = coalesce(s.booked_with, s.carrier)
) AS tracking_template
FROM shipments AS s, LATERAL (
    SELECT coalesce(jsonb_agg(to_jsonb(l) ORDER BY l.sku, l.warehouse), '[]') AS lines
    FROM (
        SELECT l.sku, l.warehouse, l.quantity, coalesce((
            SELECT o.name FROM order_lines AS o
            WHERE o.merchant = l.merchant AND o.order_id = l.order_id AND o.sku = l.sku ORDER BY o.line LIMIT 1
        ), '') AS name
        FROM shipment_lines AS l WHERE l.merchant = s.merchant AND l.shipment_id = s.shipment_id LIMIT 1000
    ) AS l
) AS contents
WHERE s.merchant = :merchant AND s.order_id = :order_id ORDER BY s.shipment_id LIMIT 1000;

-- name: get_order_timeline
SELECT * FROM order_timeline WHERE merchant = :merchant AND order_id = :order_id ORDER BY position LIMIT 1000;

-- name: get_order_holds
SELECT * FROM order_holds WHERE merchant = :merchant AND order_id = :order_id ORDER BY held_at, hold_id LIMIT 1000;

-- name: get_order_notes
SELECT * FROM order_notes WHERE merchant = :merchant AND order_id = :order_id ORDER BY written_at, note_id LIMIT 1000;

-- name: get_order_tags
SELECT tag FROM order_tags WHERE merchant = :merchant AND order_id = :order_id ORDER BY tag LIMIT 50;

-- name: count_orders_by_status
-- Of each status that there is at most :most, by its index: however many orders there are.
SELECT s.name, (SELECT count(*) FROM (
    SELECT FROM orders WHERE merchant = :merchant AND (:subject::text IS NULL OR subject = :subject) AND status = s.name
    LIMIT :most
) AS counted) AS orders_count
FROM unnest(ARRAY['placed', 'reserved', 'confirmed', 'shipped', 'completed', 'cancelled']) AS s (name);

-- name: count_orders_by_payment_status
SELECT s.name, (SELECT count(*) FROM (
    SELECT FROM orders
    WHERE merchant = :merchant AND (:subject::text IS NULL OR subject = :subject) AND payment_status = s.name
    LIMIT :most
) AS counted) AS orders_count
FROM unnest(ARRAY[
    'none', 'on_account', 'pending', 'partially_authorized', 'authorized', 'partially_captured', 'captured',
    'partially_refunded', 'refunded', 'voided', 'declined', 'expired'
]) AS s (name);

-- name: count_orders_by_fulfilment_status
SELECT s.name, (SELECT count(*) FROM (
    SELECT FROM orders
    WHERE merchant = :merchant AND (:subject::text IS NULL OR subject = :subject) AND fulfilment_status = s.name
    LIMIT :most
) AS counted) AS orders_count
FROM unnest(ARRAY[
    'unfulfilled', 'requested', 'preparing', 'partially_dispatched', 'dispatched', 'partially_delivered', 'delivered',
    'returned'
]) AS s (name);

-- name: count_orders_held
SELECT 'held' AS name, count(*) AS orders_count FROM (
    SELECT FROM orders WHERE merchant = :merchant AND (:subject::text IS NULL OR subject = :subject) AND held
    LIMIT :most
) AS counted;

-- name: list_order_discrepancies
SELECT * FROM order_discrepancies
WHERE merchant = :merchant
  AND (:open::boolean IS NULL OR (resolved_at IS NULL) = :open)
  AND (:kind::text IS NULL OR kind = :kind)
  AND (:order_id::text IS NULL OR order_id = :order_id)
  AND (
      :after_id::text IS NULL
      OR (opened_at, order_id, kind, about) < (:after_at, :after_id, :after_kind, :after_about)
  )
ORDER BY opened_at DESC, order_id DESC, kind DESC, about DESC LIMIT :limit;

-- name: list_order_changes
SELECT * FROM order_changes
WHERE merchant = :merchant AND order_id = :order_id
  AND (:after_id::text IS NULL OR (proposed_at, change_set_id) < (:after_at, :after_id))
ORDER BY proposed_at DESC, change_set_id DESC LIMIT :limit;
