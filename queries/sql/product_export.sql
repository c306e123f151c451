-- name: export_variants
SELECT v.product_id, p.name, p.description, p.brand, p.category, p.options, v.sku, v.options AS option_values, v.gtin,
    v.weight_g, v.length_cm, v.height_cm, v.width_cm, (
        SELECT array_agg(o.channel || ' ' || o.currency || ' ' || o.price_cents ORDER BY o.channel, o.currency)
        FROM search_offers AS o
        WHERE o.merchant = :merchant AND o.product_id = v.product_id AND o.sku = v.sku
    ) AS prices, (
        SELECT array_agg(c.channel ORDER BY c.channel) FROM product_channels AS c
        WHERE c.merchant = :merchant AND c.product_id = v.product_id
    ) AS channels, p.status
FROM product_variants AS v
JOIN products AS p ON p.merchant = :merchant AND p.sku = v.product_id
WHERE v.merchant = :merchant AND (v.product_id, v.sku) > (:after_product, :after_sku)
ORDER BY v.product_id, v.sku
LIMIT :limit;
