-- name: list_manifests
SELECT * FROM manifests
WHERE merchant = :merchant
  AND (:carrier::text IS NULL OR carrier = :carrier)
  AND (:warehouse::text IS NULL OR warehouse = :warehouse)
  AND (:after_id::text IS NULL OR (closed_at, manifest_id) < (:after_at, :after_id))
ORDER BY closed_at DESC, manifest_id DESC LIMIT :limit;
