-- name: list_carts
-- The filters that are not given are NULL, and gone from the plan.
SELECT c.*, CASE WHEN c.status IN ('open', 'abandoned')
    THEN c.touched_at + make_interval(secs => c.expire_after_s) END AS expires_at
FROM carts AS c
WHERE merchant = :merchant
  AND (:subject::text IS NULL OR subject = :subject)
  AND (:status::text IS NULL OR status = :status)
  AND (:after_id::text IS NULL OR (started_at, cart_id) < (:after_at, :after_id))
ORDER BY started_at DESC, cart_id DESC
LIMIT :limit;

-- name: list_carts_by_day
SELECT * FROM carts_by_day
WHERE merchant = :merchant
  AND (:day_from::date IS NULL OR day >= :day_from)
  AND (:day_to::date IS NULL OR day <= :day_to)
  AND (:after_day::date IS NULL OR day < :after_day)
ORDER BY day DESC
LIMIT :limit;

-- name: list_account_orders
-- Orders with their parcels, newest first.
SELECT o.*, (
    SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY p.shipment_id), '[]') FROM (
        SELECT s.*, (
            SELECT coalesce(jsonb_agg(to_jsonb(l) ORDER BY l.sku), '[]') FROM (
                SELECT l.sku, l.quantity, coalesce((
                    SELECT n.name FROM order_lines AS n
                    WHERE n.merchant = l.merchant AND n.order_id = l.order_id AND n.sku = l.sku ORDER BY n.line LIMIT 1
                ), '') AS name
                FROM shipment_lines AS l WHERE l.merchant = s.merchant AND l.shipment_id = s.shipment_id LIMIT 1000
            ) AS l
        ) AS lines, (
            SELECT t.template FROM tracking_links AS t
            WHERE t.merchant = s.merchant AND t.carrier = coalesce(s.booked_with, s.carrier)
        ) AS tracking_template
        FROM shipments AS s WHERE s.merchant = o.merchant AND s.order_id = o.order_id LIMIT 100
    ) AS p
) AS shipments
FROM (
    SELECT * FROM orders
    WHERE merchant = :merchant
      AND (:subject::text IS NULL OR subject = :subject)
      AND (:after_id::text IS NULL OR (placed_at, order_id) < (:after_at, :after_id))
    ORDER BY placed_at DESC, order_id DESC
    LIMIT :limit
) AS o
ORDER BY o.placed_at DESC, o.order_id DESC;
