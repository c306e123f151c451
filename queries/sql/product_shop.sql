-- name: get_shop_product
-- As shoppers may see it: on a channel that it is published on, while it is for sale.
SELECT p.sku AS product_id, p.name, p.brand, p.category, p.description, p.options
FROM products AS p
JOIN product_channels AS c ON c.merchant = :merchant AND c.product_id = p.sku AND c.channel = :channel
WHERE p.merchant = :merchant AND p.sku = :product_id AND p.status = 'active';

-- name: list_availability
-- Of each variant whether some of it is there, and whether an order may wait for it: in the warehouses that the
-- merchant's rules choose from now, or in any, where there are none (domain/warehouse/network.py, `terms_at`). What has
-- lapsed is free, and who waits goes first (domain/inventory/promises.py).
WITH rules AS (
    SELECT EXISTS (SELECT FROM warehouses WHERE merchant = :merchant AND is_open) AND rules <> '[]' AS choose, when_short
    FROM allocation_rules
    WHERE merchant = :merchant AND effective_from <= :now
    ORDER BY version DESC
    LIMIT 1
), places AS (
    SELECT l.*, EXISTS (SELECT FROM rules WHERE choose AND when_short <> 'backorder') AS never_waits
    FROM product_variants AS v
    JOIN stock_levels AS l ON l.merchant = :merchant AND l.sku = v.sku
    WHERE v.merchant = :merchant AND v.product_id = :product_id
      AND (NOT EXISTS (SELECT FROM rules WHERE choose)
        OR EXISTS (SELECT FROM warehouses AS w WHERE w.merchant = :merchant AND w.warehouse = l.warehouse AND w.is_open))
)
SELECT p.sku, bool_or(p.available - p.backordered + CASE WHEN p.available > p.backordered THEN 0 ELSE (
    SELECT coalesce(sum(h.quantity), 0) FROM stock_holds AS h
    WHERE h.merchant = :merchant AND h.sku = p.sku AND h.warehouse = p.warehouse AND h.expires_at <= :now
) END > 0) AS in_stock, bool_or(p.backorder_limit > p.backordered AND NOT p.never_waits) AS may_wait
FROM places AS p
GROUP BY p.sku
ORDER BY p.sku;
