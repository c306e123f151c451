-- name: gather_checkouts#
-- Each checkout on its way through the source: its status in the words of the source, and its stamps. Asked
-- in the same transaction as all oracles, so that they see one snapshot. What was cancelled for want of stock
-- was unavailable; confirmed and not prepared is invoiced (or approved: their orders look alike); never
-- confirmed is created. An order on account has no payment: it is approved when it is confirmed.
CREATE TEMPORARY TABLE played_checkouts ON COMMIT DROP AS
SELECT c.checkout_id, c.customer_id, c.customer_unique_id, c.ship_to_state, c.merchants_count, c.units_count,
    c.payments_count, c.paid_cents - c.due_cents AS difference_cents, c.placed_at, c.dispatched_at, c.delivered_at,
    CASE
        WHEN c.on_account THEN (SELECT max(o.confirmed_at) FROM orders AS o WHERE o.checkout_id = c.checkout_id)
        ELSE c.approved_at
    END AS approved_at,
    CASE
        WHEN c.status = 'cancelled' AND c.cancel_reason = 'stock' THEN 'unavailable'
        WHEN c.status = 'cancelled' THEN 'canceled'
        WHEN c.delivered_count >= c.orders_count THEN 'delivered'
        WHEN c.dispatched_count >= c.orders_count THEN 'shipped'
        WHEN c.status = 'confirmed' AND c.preparing THEN 'processing'
        WHEN c.status = 'confirmed' THEN 'invoiced'
        WHEN c.status IN ('placed', 'reserved') THEN 'created'
        ELSE 'mixed'
    END AS status
FROM checkouts AS c;

-- name: gather_payments#
-- Each payment of a checkout, put together again from the portions that its orders have of it.
CREATE TEMPORARY TABLE played_payments ON COMMIT DROP AS
SELECT checkout_id, portion, min(sequence) AS sequence, min(method) AS method, min(installments) AS installments,
    sum(amount_cents) AS amount_cents
FROM payments GROUP BY checkout_id, portion;

-- name: olist_core_orders$
-- An order of the source is a checkout.
SELECT count(*) AS value FROM played_checkouts;

-- name: olist_core_order_items$
-- Units of all order lines.
SELECT coalesce(sum(quantity), 0) AS value FROM order_lines;

-- name: olist_core_payments$
-- Payments.
SELECT count(*) AS value FROM played_payments;

-- name: olist_core_customers$
-- Customers, one an order.
SELECT count(DISTINCT customer_id) AS value FROM played_checkouts;

-- name: olist_core_customers_unique$
-- Distinct people (customer_unique_id).
SELECT count(DISTINCT customer_unique_id) AS value FROM played_checkouts;

-- name: olist_core_customers_repeat$
-- People with several checkouts.
SELECT count(*) AS value
FROM (SELECT FROM played_checkouts GROUP BY customer_unique_id HAVING count(*) > 1) AS people;

-- name: olist_core_orders_per_status$
-- Orders by source status.
SELECT coalesce(json_object_agg(status, n ORDER BY n DESC, status), '{}') AS value
FROM (SELECT status, count(*) AS n FROM played_checkouts GROUP BY status) AS s;

-- name: olist_core_orders_per_month$
-- Months in UTC.
SELECT coalesce(json_object_agg(month, n ORDER BY month), '{}') AS value
FROM (
    SELECT to_char(placed_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month, count(*) AS n FROM played_checkouts GROUP BY 1
) AS m;

-- name: olist_core_first_purchase$
-- Earliest purchase.
SELECT min(placed_at) AS moment FROM played_checkouts;

-- name: olist_core_last_purchase$
-- Latest purchase.
SELECT max(placed_at) AS moment FROM played_checkouts;

-- name: olist_core_sum_price$
-- Sum of item prices.
SELECT coalesce(sum(quantity * unit_price_cents), 0) AS cents FROM order_lines;

-- name: olist_core_sum_freight$
-- Sum of item freights.
SELECT coalesce(sum(quantity * unit_shipping_cents), 0) AS cents FROM order_lines;

-- name: olist_core_sum_price_plus_freight$
-- Sum of prices and freights.
SELECT coalesce(sum(quantity * (unit_price_cents + unit_shipping_cents)), 0) AS cents FROM order_lines;

-- name: olist_core_sum_payments$
-- Sum of payments.
SELECT coalesce(sum(amount_cents), 0) AS cents FROM played_payments;

-- name: olist_core_sum_payments_by_type$
-- Sum of payments by type.
SELECT coalesce(json_object_agg(method, total_cents ORDER BY method), '{}') AS cents
FROM (SELECT method, sum(amount_cents) AS total_cents FROM played_payments GROUP BY method) AS m;

-- name: olist_core_payments_by_type$
-- Payments by type.
SELECT coalesce(json_object_agg(method, n ORDER BY n DESC, method), '{}') AS value
FROM (SELECT method, count(*) AS n FROM played_payments GROUP BY method) AS m;

-- name: olist_core_orders_paid_differs_gt_1c$
-- Only of checkouts with lines and payments.
SELECT count(*) AS value FROM played_checkouts
WHERE units_count > 0 AND payments_count > 0 AND abs(difference_cents) > 1;

-- name: olist_core_orders_paid_over_gt_1c$
-- Of those, paid more.
SELECT count(*) AS value FROM played_checkouts
WHERE units_count > 0 AND payments_count > 0 AND difference_cents > 1;

-- name: olist_core_orders_paid_under_gt_1c$
-- Of those, paid less.
SELECT count(*) AS value FROM played_checkouts
WHERE units_count > 0 AND payments_count > 0 AND difference_cents < -1;

-- name: olist_core_orders_paid_differs_1c_exactly$
-- Orders off by exactly one cent.
SELECT count(*) AS value FROM played_checkouts
WHERE units_count > 0 AND payments_count > 0 AND abs(difference_cents) = 1;

-- name: olist_core_sum_paid_minus_due$
-- Sum of paid less due.
SELECT coalesce(sum(difference_cents), 0) AS cents FROM played_checkouts
WHERE units_count > 0 AND payments_count > 0;

-- name: olist_core_orders_without_items$
-- Orders without items.
SELECT count(*) AS value FROM played_checkouts WHERE units_count = 0;

-- name: olist_core_orders_without_items_by_status$
-- The same by status.
SELECT coalesce(json_object_agg(status, n ORDER BY n DESC, status), '{}') AS value
FROM (SELECT status, count(*) AS n FROM played_checkouts WHERE units_count = 0 GROUP BY status) AS s;

-- name: olist_core_orders_without_payment$
-- Orders without a payment.
SELECT count(*) AS value FROM played_checkouts WHERE payments_count = 0;

-- name: olist_core_orders_multi_item$
-- Orders of several units.
SELECT count(*) AS value FROM played_checkouts WHERE units_count > 1;

-- name: olist_core_max_items_in_order$
-- Most units in one order.
SELECT coalesce(max(units_count), 0) AS value FROM played_checkouts;

-- name: olist_core_orders_multi_seller$
-- Orders of several sellers.
SELECT count(*) AS value FROM played_checkouts WHERE merchants_count > 1;

-- name: olist_core_order_seller_pairs$
-- An order of the house merchant has no lines, and no seller.
SELECT count(DISTINCT (checkout_id, merchant)) AS value FROM order_lines;

-- name: olist_core_order_lines_grouped$
-- Distinct (order, product, seller).
SELECT count(DISTINCT (checkout_id, merchant, sku)) AS value FROM order_lines;

-- name: olist_core_orders_same_product_repeated$
-- A line has several units, or several lines have the same product.
SELECT count(DISTINCT checkout_id) AS value
FROM (SELECT checkout_id FROM order_lines GROUP BY checkout_id, sku HAVING sum(quantity) > 1) AS repeated;

-- name: olist_core_orders_multi_payment$
-- Orders with several payments.
SELECT count(*) AS value FROM played_checkouts WHERE payments_count > 1;

-- name: olist_core_max_payments_in_order$
-- Most payments on one order.
SELECT coalesce(max(payments_count), 0) AS value FROM played_checkouts;

-- name: olist_core_orders_mixed_payment_types$
-- Orders paid by several types.
SELECT count(*) AS value
FROM (SELECT FROM played_payments GROUP BY checkout_id HAVING min(method) <> max(method)) AS mixed;

-- name: olist_core_payments_zero_value$
-- Payments of zero.
SELECT count(*) AS value FROM played_payments WHERE amount_cents = 0;

-- name: olist_core_payments_not_defined$
-- Payments of type not_defined.
SELECT count(*) AS value FROM played_payments WHERE method = 'not_defined';

-- name: olist_core_payments_installments_zero$
-- Payments in zero instalments.
SELECT count(*) AS value FROM played_payments WHERE installments = 0;

-- name: olist_core_orders_payment_seq_not_from_1$
-- By the numbers that the payer gave to the payments.
SELECT count(*) AS value
FROM (SELECT FROM played_payments GROUP BY checkout_id HAVING min(sequence) <> 1) AS numbered;

-- name: olist_core_orders_payment_seq_gap$
-- The numbers 1 to n are n different ones from 1 to n.
SELECT count(*) AS value
FROM (
    SELECT FROM played_payments GROUP BY checkout_id
    HAVING min(sequence) <> 1 OR max(sequence) <> count(*) OR count(DISTINCT sequence) <> count(*)
) AS numbered;

-- name: olist_core_items_freight_zero$
-- Items without freight.
SELECT coalesce(sum(quantity), 0) AS value FROM order_lines WHERE unit_shipping_cents = 0;

-- name: olist_core_items_price_min_max$
-- Lowest and highest price of an item.
SELECT CASE WHEN count(*) > 0 THEN json_build_array(min(unit_price_cents), max(unit_price_cents)) END AS cents
FROM order_lines;

-- name: olist_core_delivered_after_estimate$
-- Whatever became of the order after its delivery.
SELECT count(DISTINCT checkout_id) AS value FROM late_deliveries;

-- name: olist_core_delivered_after_estimate_day$
-- Delivered after the estimated day.
SELECT count(DISTINCT checkout_id) AS value FROM late_deliveries WHERE days_late > 0;

-- name: olist_core_delivered_no_customer_date$
-- Delivered, undated.
SELECT count(*) AS value FROM played_checkouts WHERE status = 'delivered' AND delivered_at IS NULL;

-- name: olist_core_delivered_no_carrier_date$
-- Delivered, never handed over.
SELECT count(*) AS value FROM played_checkouts WHERE status = 'delivered' AND dispatched_at IS NULL;

-- name: olist_core_delivered_no_approved_at$
-- Delivered, never approved.
SELECT count(*) AS value FROM played_checkouts WHERE status = 'delivered' AND approved_at IS NULL;

-- name: olist_core_canceled_with_delivery$
-- Cancelled although delivered.
SELECT count(*) AS value FROM played_checkouts WHERE status = 'canceled' AND delivered_at IS NOT NULL;

-- name: olist_core_canceled_with_carrier$
-- Cancelled although handed over.
SELECT count(*) AS value FROM played_checkouts WHERE status = 'canceled' AND dispatched_at IS NOT NULL;

-- name: olist_core_no_approved_at$
-- Never approved.
SELECT count(*) AS value FROM played_checkouts WHERE approved_at IS NULL;

-- name: olist_core_no_carrier_date$
-- Never handed over.
SELECT count(*) AS value FROM played_checkouts WHERE dispatched_at IS NULL;

-- name: olist_core_no_customer_date$
-- Never delivered.
SELECT count(*) AS value FROM played_checkouts WHERE delivered_at IS NULL;

-- name: olist_core_delivered_but_no_carrier$
-- A delivery without a hand-over.
SELECT count(*) AS value FROM played_checkouts WHERE delivered_at IS NOT NULL AND dispatched_at IS NULL;

-- name: olist_core_approved_before_purchase$
-- Approved before the purchase.
SELECT count(*) AS value FROM played_checkouts WHERE approved_at < placed_at;

-- name: olist_core_approved_equals_purchase$
-- Approved at the moment of purchase.
SELECT count(*) AS value FROM played_checkouts WHERE approved_at = placed_at;

-- name: olist_core_carrier_before_approved$
-- Handed over before the approval.
SELECT count(*) AS value FROM played_checkouts WHERE dispatched_at < approved_at;

-- name: olist_core_carrier_before_purchase$
-- Handed over before the purchase.
SELECT count(*) AS value FROM played_checkouts WHERE dispatched_at < placed_at;

-- name: olist_core_delivered_before_carrier$
-- Delivered before handed over.
SELECT count(*) AS value FROM played_checkouts WHERE delivered_at < dispatched_at;

-- name: olist_core_delivered_before_approved$
-- Delivered before the approval.
SELECT count(*) AS value FROM played_checkouts WHERE delivered_at < approved_at;

-- name: olist_core_any_out_of_order$
-- Orders with any of their stamps out of order.
SELECT count(*) AS value FROM played_checkouts
WHERE approved_at < placed_at OR dispatched_at < approved_at OR dispatched_at < placed_at
    OR delivered_at < dispatched_at OR delivered_at < approved_at;

-- name: olist_core_items_limit_before_purchase$
-- Items to be shipped before they were bought.
SELECT coalesce(sum(quantity), 0) AS value FROM order_lines WHERE ship_by < placed_at;

-- name: olist_core_items_shipped_after_limit$
-- By the first dispatch of the line's checkout.
SELECT coalesce(sum(l.quantity), 0) AS value
FROM order_lines AS l JOIN played_checkouts AS c ON c.checkout_id = l.checkout_id AND l.ship_by < c.dispatched_at;

-- name: olist_core_shipping_limit_max$
-- Latest shipping limit.
SELECT max(ship_by) AS moment FROM order_lines;

-- name: olist_core_top10_categories_by_price$
-- By the category that the product had when it was bought.
SELECT coalesce(json_object_agg(category, total_cents ORDER BY total_cents DESC, category), '{}') AS cents
FROM (
    SELECT coalesce(category, '(none)') COLLATE "C" AS category, sum(quantity * unit_price_cents) AS total_cents
    FROM order_lines GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10
) AS top;

-- name: olist_core_items_without_category$
-- Items of products without a category.
SELECT coalesce(sum(quantity), 0) AS value FROM order_lines WHERE category IS NULL;

-- name: olist_core_sellers_with_sales$
-- Sellers who sold.
SELECT count(DISTINCT merchant) AS value FROM order_lines;

-- name: olist_core_top3_sellers_by_price$
-- The three sellers of most sales by price.
SELECT coalesce(json_object_agg(merchant, total_cents ORDER BY total_cents DESC, merchant), '{}') AS cents
FROM (
    SELECT merchant, sum(quantity * unit_price_cents) AS total_cents
    FROM order_lines GROUP BY merchant ORDER BY 2 DESC, merchant COLLATE "C" LIMIT 3
) AS top;

-- name: olist_core_orders_per_state_top5$
-- Orders by the customer's state, the five highest.
SELECT coalesce(json_object_agg(state, n ORDER BY n DESC, state), '{}') AS value
FROM (
    SELECT ship_to_state COLLATE "C" AS state, count(*) AS n
    FROM played_checkouts GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5
) AS top;

-- name: olist_catalogue_products$
-- The catalogue is the house merchant's.
SELECT count(*) AS value FROM products WHERE merchant = :house;

-- name: olist_catalogue_products_without_category$
-- Products without a category.
SELECT count(*) AS value FROM products WHERE merchant = :house AND category IS NULL;

-- name: olist_catalogue_products_without_dimensions$
-- Products without a weight.
SELECT count(*) AS value FROM products WHERE merchant = :house AND weight_g IS NULL;

-- name: olist_catalogue_products_zero_weight$
-- Products of weight 0.
SELECT count(*) AS value FROM products WHERE merchant = :house AND weight_g = 0;

-- name: olist_catalogue_categories$
-- Distinct categories.
SELECT count(DISTINCT category) AS value FROM products WHERE merchant = :house;

-- name: olist_catalogue_translations$
-- Translations of categories.
SELECT count(*) AS value FROM categories WHERE merchant = :house;

-- name: olist_catalogue_categories_untranslated$
-- Categories without a translation.
SELECT coalesce(json_agg(category ORDER BY category COLLATE "C"), '[]') AS value
FROM (
    SELECT category FROM products WHERE merchant = :house AND category IS NOT NULL
    EXCEPT SELECT category FROM categories WHERE merchant = :house
) AS untranslated;

-- name: olist_catalogue_sellers$
-- Every merchant but the house, and the one that is there for trying the API.
SELECT count(*) AS value FROM merchants WHERE merchant NOT IN (:house, :trial);

-- name: olist_catalogue_sellers_city_numeric$
-- Sellers whose city is a number.
SELECT count(*) AS value FROM merchants WHERE merchant NOT IN (:house, :trial) AND city ~ '^[0-9]+$';

-- name: olist_catalogue_sellers_zip_leading_zero$
-- Sellers whose zip begins with 0.
SELECT count(*) AS value FROM merchants WHERE merchant NOT IN (:house, :trial) AND starts_with(zip_prefix, '0');

-- name: tillroll_captured$
-- Captured and kept: without what was refunded.
SELECT coalesce(sum(captured_cents - refunded_cents), 0) AS cents FROM payments;

-- name: tillroll_refunded$
-- Money captured and refunded: of orders called off after they were handed over.
SELECT coalesce(sum(refunded_cents), 0) AS cents FROM payments;

-- name: tillroll_voided$
-- What had been authorised of voided payments.
SELECT coalesce(sum(voided_cents), 0) AS cents FROM payments;

-- name: tillroll_never_approved$
-- What payments were to bring that no provider ever authorised, be they voided or still waiting.
SELECT coalesce(sum(amount_cents), 0) AS cents FROM payments WHERE NOT authorized;

-- name: tillroll_open$
-- Authorised, and neither captured nor voided nor expired.
SELECT coalesce(sum(authorized_cents - captured_cents - voided_cents - expired_cents), 0) AS cents FROM payments;

-- name: tillroll_merchant_orders$
-- Orders of one merchant; one without items is the house's.
SELECT count(*) AS value FROM orders;

-- name: tillroll_payment_portions$
-- Payments of merchant orders, those of zero included.
SELECT count(*) AS value FROM payments;
