-- name: list_carriers
SELECT * FROM carriers
WHERE merchant = :merchant AND (:after::text IS NULL OR carrier > :after)
ORDER BY carrier LIMIT :limit;

-- name: get_carrier
SELECT * FROM carriers WHERE merchant = :merchant AND carrier = :carrier;

-- name: get_rule
SELECT * FROM carrier_rules WHERE merchant = :merchant;

-- name: list_reliability
SELECT * FROM carrier_records
WHERE merchant = :merchant
  AND (:after_carrier::text IS NULL OR (carrier, service) > (:after_carrier, :after_service))
ORDER BY carrier, service LIMIT :limit;

-- name: list_rate_cards
SELECT * FROM rate_cards
WHERE merchant = :merchant AND carrier = :carrier AND (:after::bigint IS NULL OR version < :after)
ORDER BY version DESC LIMIT :limit;
