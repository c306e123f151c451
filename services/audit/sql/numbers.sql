-- name: read_shape
-- The columns of a read model's table :table: its name and type, its place in the primary key (NULL: not in it), and
-- of a generated one what it is generated as.
SELECT a.attname::text AS name, a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype)
        AS numeric,
    array_position(k.conkey, a.attnum) AS key_number,
    CASE WHEN a.attgenerated = 's' THEN pg_get_expr(d.adbin, d.adrelid) END AS formula
FROM pg_attribute AS a
JOIN pg_constraint AS k ON k.conrelid = a.attrelid AND k.contype = 'p'
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = CAST(:table AS regclass) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;

-- name: read_standing
-- The live generation of the read model :name, and how far each of its ranges of partitions is.
SELECT r.generation, c.first_partition, c.last_partition, c.position
FROM read_models AS r JOIN checkpoints AS c ON c.follower = projection_follower(r.name, r.generation)
WHERE r.live AND r.name = :name ORDER BY c.first_partition;

-- name: make_found!
-- What is found is set down here: however much it is, it needs no memory of ours.
CREATE TEMPORARY TABLE found_events (owner text, position bigint) ON COMMIT DROP;

-- name: drop_left_out!
-- What the follower :follower has not taken although it has passed it: parked, or skipped by a person.
DELETE FROM pg_temp.found_events AS f USING left_out AS l WHERE l.follower = :follower AND l.position = f.position;

-- name: read_found
-- In the order of the log, of each owner by itself if :apart.
SELECT DISTINCT CASE WHEN :apart THEN owner END, position FROM pg_temp.found_events ORDER BY 1, 2;

-- name: positions_in_streams!
-- Of some streams, by their index: whose each event of :types is (of its order, or of itself) and its position; of all
-- orders where :order_id is NULL.
INSERT INTO pg_temp.found_events
SELECT coalesce(convert_from(data, 'UTF8')::json ->> 'order_id', position::text), position
FROM events
WHERE stream = ANY(:streams::text[]) AND type = ANY(:types::text[]) AND position <= :end
  AND (:order_id::text IS NULL OR convert_from(data, 'UTF8')::json ->> 'order_id' = :order_id)
LIMIT :limit;

-- name: positions_of_orders!
-- Of some orders, by the key of their timeline: what happened to them, to their payments and to their parcels.
INSERT INTO pg_temp.found_events
SELECT t.order_id, t.position
FROM unnest(:merchants::text[], :order_ids::text[]) AS o (merchant, order_id)
JOIN order_timeline AS t ON t.merchant = o.merchant AND t.order_id = o.order_id
WHERE t.type = ANY(:types::text[]) AND t.position <= :end
LIMIT :limit;

-- name: positions_of_merchant!
-- Of all orders of a merchant, by the beginning of the timeline's key; or of those only to which something happened
-- on the day :day (UTC), or which have a line of the product :sku or of the category :category.
INSERT INTO pg_temp.found_events
SELECT t.order_id, t.position FROM order_timeline AS t
WHERE t.merchant = :merchant AND t.type = ANY(:types::text[]) AND t.position <= :end
  AND (:day::date IS NULL OR t.order_id IN (
      SELECT d.order_id FROM order_timeline AS d
      WHERE d.merchant = :merchant AND d.type = ANY(:types::text[])
        AND d.occurred_at >= :day::date::timestamp AT TIME ZONE 'UTC'
        AND d.occurred_at < (:day::date + 1)::timestamp AT TIME ZONE 'UTC'
  ))
  AND (:sku::text IS NULL OR t.order_id IN (
      SELECT l.order_id FROM order_lines AS l WHERE l.merchant = :merchant AND l.sku = :sku
  ))
  AND (:category::text IS NULL OR t.order_id IN (
      SELECT l.order_id FROM order_lines AS l
      WHERE l.merchant = :merchant AND coalesce(l.category, :no_category) = :category
  ))
LIMIT :limit;

-- name: stock_places
-- Where a merchant has stock, by the beginning of the key: the next ones after :sku, :warehouse.
SELECT sku, warehouse FROM stock_levels WHERE merchant = :merchant AND (sku, warehouse) > (:sku, :warehouse)
ORDER BY sku, warehouse LIMIT :limit;

-- name: order_of_payment
SELECT order_id FROM payments WHERE merchant = :merchant AND payment_id = :payment_id LIMIT 1;

-- name: order_of_shipment
SELECT order_id FROM shipments WHERE merchant = :merchant AND shipment_id = :shipment_id LIMIT 1;

-- name: orders_of_checkout
SELECT merchant, order_id FROM orders WHERE checkout_id = :checkout_id LIMIT :limit;

-- name: orders_of_checkout_in_log
-- The orders that were placed in a checkout, as the log itself has them, from :after up to :end.
SELECT merchant, convert_from(data, 'UTF8')::json ->> 'order_id' FROM events
WHERE position > :after AND position <= :end AND type = 'OrderPlaced'
  AND convert_from(data, 'UTF8')::json ->> 'checkout_id' = :checkout_id
LIMIT :limit;

-- name: positions_in_log!
-- Of the log itself from :after up to :end: whose each event of :types is; of all merchants where :merchant is NULL, of
-- all orders where :order_ids is NULL.
INSERT INTO pg_temp.found_events
SELECT coalesce(convert_from(data, 'UTF8')::json ->> 'order_id', position::text), position
FROM events
WHERE position > :after AND position <= :end AND type = ANY(:types::text[])
  AND (:merchant::text IS NULL OR merchant = :merchant)
  AND (:order_ids::text[] IS NULL OR convert_from(data, 'UTF8')::json ->> 'order_id' = ANY(:order_ids::text[]))
LIMIT :limit;

-- name: read_events
-- These events, by :positions.
SELECT position, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
       occurred_at, recorded_at, leaf_hash
FROM events WHERE position = ANY(:positions::bigint[]) ORDER BY position;

-- name: read_titles
-- What a person wants to know of the events at :positions.
SELECT position, type, stream, occurred_at, event_id
FROM events WHERE position = ANY(:positions::bigint[]) ORDER BY position;

-- name: carts_of_day
-- Carts that something may have happened to on a day (UTC), a page at a time. :merchant, :day, :cart_id the last one.
SELECT c.cart_id FROM carts AS c
WHERE c.merchant = :merchant AND c.cart_id > :cart_id
  AND c.started_at < (:day::date + 1)::timestamp AT TIME ZONE 'UTC'
  AND greatest(c.touched_at, c.abandoned_at, c.completed_at, c.expired_at) >= :day::date::timestamp AT TIME ZONE 'UTC'
ORDER BY c.cart_id LIMIT :limit;
