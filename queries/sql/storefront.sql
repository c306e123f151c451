-- name: get_storefront
SELECT * FROM storefronts WHERE merchant = :merchant;

-- name: list_currencies
-- In which the channel has prices, found one after the other by the index, and something is sold.
WITH RECURSIVE priced (currency) AS (
    SELECT min(currency) FROM search_prices WHERE merchant = :merchant AND channel = :channel
    UNION ALL
    SELECT (
        SELECT min(p.currency) FROM search_prices AS p
        WHERE p.merchant = :merchant AND p.channel = :channel AND p.currency > priced.currency
    ) FROM priced WHERE priced.currency IS NOT NULL
)
SELECT currency FROM priced
WHERE EXISTS (
    SELECT FROM search_prices AS p
    JOIN search_products AS s ON s.merchant = :merchant AND s.product_id = p.product_id
    JOIN search_channels AS c ON c.merchant = :merchant AND c.product_id = p.product_id AND c.channel = :channel
    WHERE p.merchant = :merchant AND p.channel = :channel AND p.currency = priced.currency AND s.status = 'active'
)
ORDER BY currency
LIMIT 200;
