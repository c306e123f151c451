-- name: list_invoices
SELECT * FROM carrier_invoices
WHERE merchant = :merchant
  AND (:after_id::text IS NULL OR (imported_at, carrier, invoice_id) < (:after_at, :after_carrier, :after_id))
ORDER BY imported_at DESC, carrier DESC, invoice_id DESC LIMIT :limit;

-- name: list_discrepancies
SELECT * FROM invoice_discrepancies
WHERE merchant = :merchant
  AND (:carrier::text IS NULL OR carrier = :carrier)
  AND (:invoice_id::text IS NULL OR invoice_id = :invoice_id)
  AND (:open::boolean IS NULL OR (resolution IS NULL) = :open)
  AND (:after_id::text IS NULL OR (carrier, invoice_id, line) > (:after_carrier, :after_id, :after_line))
ORDER BY carrier, invoice_id, line LIMIT :limit;
