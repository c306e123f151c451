-- name: list_checkouts
SELECT * FROM checkouts
WHERE :after_id::text IS NULL OR (placed_at, checkout_id, currency) < (:after_at, :after_id, :after_currency)
ORDER BY placed_at DESC, checkout_id DESC, currency DESC
LIMIT :limit;
