-- name: list_carriers
SELECT c.*, (
    SELECT nullif(t.template, '') FROM tracking_links AS t WHERE t.merchant = c.merchant AND t.carrier = c.carrier
) AS tracking_template
FROM carriers AS c
WHERE c.merchant = :merchant AND (:after::text IS NULL OR c.carrier > :after)
ORDER BY c.carrier LIMIT :limit;

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
