-- name: list_payments
SELECT * FROM payments
WHERE merchant = :merchant
  AND (:status::text IS NULL OR status = :status)
  AND (:trouble::text IS NULL OR (trouble IS NOT NULL AND :trouble IN (trouble, 'any')))
  AND (:order_id::text IS NULL OR order_id = :order_id)
  AND (:after_id::text IS NULL OR (planned_at, payment_id) < (:after_at, :after_id))
ORDER BY planned_at DESC, payment_id DESC
LIMIT :limit;

-- name: list_lapsing_payments
-- Of which something is held that lapses before then, the soonest first.
SELECT * FROM payments
WHERE merchant = :merchant AND expires_at < :expires_before
  AND (:status::text IS NULL OR status = :status)
  AND (:trouble::text IS NULL OR (trouble IS NOT NULL AND :trouble IN (trouble, 'any')))
  AND (:order_id::text IS NULL OR order_id = :order_id)
  AND (:after_id::text IS NULL OR (expires_at, payment_id) > (:after_at, :after_id))
ORDER BY expires_at, payment_id
LIMIT :limit;

-- name: get_payment
SELECT * FROM payments WHERE merchant = :merchant AND payment_id = :payment_id;

-- name: get_movements
SELECT * FROM payment_requests WHERE merchant = :merchant AND payment_id = :payment_id
ORDER BY position LIMIT 1000;

-- name: get_disputes
SELECT * FROM payment_disputes WHERE merchant = :merchant AND payment_id = :payment_id
ORDER BY opened_at, dispute_id LIMIT 100;

-- name: list_disputes
SELECT * FROM payment_disputes
WHERE merchant = :merchant
  AND (:status::text IS NULL OR status = :status)
  AND (:after_id::text IS NULL OR (opened_at, payment_id, dispute_id) < (:after_at, :after_id, :after_dispute))
ORDER BY opened_at DESC, payment_id DESC, dispute_id DESC
LIMIT :limit;

-- name: list_discrepancies
SELECT * FROM discrepancies
WHERE merchant = :merchant
  AND (:status::text IS NULL OR status = :status)
  AND (:after_id::text IS NULL OR (opened_at, payment_id, kind) < (:after_at, :after_id, :after_kind))
ORDER BY opened_at DESC, payment_id DESC, kind DESC
LIMIT :limit;

-- name: list_methods
SELECT * FROM payment_methods
WHERE merchant = :merchant
  AND (:of::text IS NULL OR subject = :of)
  AND (:after_id::text IS NULL OR (stored_at, method_id) < (:after_at, :after_id))
ORDER BY stored_at DESC, method_id DESC
LIMIT :limit;
