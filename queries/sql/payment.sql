-- name: list_payments
SELECT * FROM payments
WHERE merchant = :merchant
  AND (:status::text IS NULL OR status = :status)
  AND (:trouble::text IS NULL OR (trouble IS NOT NULL AND :trouble IN (trouble, 'any')))
  AND (:order_id::text IS NULL OR order_id = :order_id)
  AND (:after_id::text IS NULL OR (planned_at, payment_id) < (:after_at, :after_id))
ORDER BY planned_at DESC, payment_id DESC
LIMIT :limit;
