-- name: get_shop_product
-- As shoppers may see it: on a channel that it is published on, while it is for sale.
SELECT p.sku AS product_id, p.name, p.brand, p.category, p.description, p.options
FROM products AS p
JOIN product_channels AS c ON c.merchant = :merchant AND c.product_id = p.sku AND c.channel = :channel
WHERE p.merchant = :merchant AND p.sku = :product_id AND p.status = 'active';

-- name: get_serving
-- From which warehouses a line of a cart is served that names none, and whether an order may wait there: those that are
-- open, where the merchant's rules choose from now on (domain/warehouse/network.py, `terms_at`), else `:unnamed`
-- (domain/cart/supply.py, `source_of`).
WITH rules AS (
    SELECT rules <> '[]' AS choose, when_short
    FROM allocation_rules
    WHERE merchant = :merchant AND effective_from <= :now
    ORDER BY version DESC
    LIMIT 1
), open_ones AS (
    SELECT array_agg(warehouse ORDER BY warehouse) AS warehouses FROM warehouses WHERE merchant = :merchant AND is_open
)
SELECT
    CASE WHEN r.choose AND o.warehouses IS NOT NULL THEN o.warehouses ELSE ARRAY[:unnamed::text] END AS warehouses,
    r.choose IS NOT TRUE OR o.warehouses IS NULL OR r.when_short = 'backorder' AS may_wait
FROM open_ones AS o LEFT JOIN rules AS r ON true;

-- name: list_availability
-- Of each variant whether some of it is there, and whether an order may wait for it, in `:warehouses`. What has lapsed is
-- free, and who waits goes first (domain/inventory/promises.py).
SELECT p.sku, bool_or(p.available - p.backordered + CASE WHEN p.available > p.backordered THEN 0 ELSE (
    SELECT coalesce(sum(h.quantity), 0) FROM stock_holds AS h
    WHERE h.merchant = :merchant AND h.sku = p.sku AND h.warehouse = p.warehouse AND h.expires_at <= :now
) END > 0) AS in_stock, bool_or(p.backorder_limit > p.backordered AND :may_wait) AS may_wait
FROM product_variants AS v
JOIN stock_levels AS p ON p.merchant = :merchant AND p.sku = v.sku
WHERE v.merchant = :merchant AND v.product_id = :product_id AND p.warehouse = ANY (:warehouses)
GROUP BY p.sku
ORDER BY p.sku;
