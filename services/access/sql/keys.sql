-- name: read_signing_keys(since)
-- Those that may have signed a token which is still good: not retired before :since.
SELECT kid, private_key, created_at, retired_at FROM signing_keys
WHERE retired_at IS NULL OR retired_at > :since ORDER BY created_at;

-- name: add_signing_key(kid, private_key, public_jwk, now, since)!
-- A new key, unless another process made one after :since; those before it sign nothing any more.
WITH retired AS (
    UPDATE signing_keys SET retired_at = :now WHERE retired_at IS NULL AND created_at <= :since
)
INSERT INTO signing_keys (kid, private_key, public_jwk, created_at)
SELECT :kid, :private_key, :public_jwk::jsonb, :now::timestamptz
WHERE NOT EXISTS (SELECT FROM signing_keys WHERE retired_at IS NULL AND created_at > :since);

-- name: keep_api_key(key_id, merchant, digest)!
INSERT INTO api_key_secrets (key_id, merchant, digest) VALUES (:key_id, :merchant, :digest);

-- name: key_standing(key_id)
-- A key's digest, and how far its stream has come (NULL: it was never issued).
SELECT k.digest, k.last_used_at, (
    SELECT e.version FROM events AS e WHERE e.stream = 'apikey-' || k.key_id ORDER BY e.version DESC LIMIT 1
) AS version
FROM api_key_secrets AS k WHERE k.key_id = :key_id;

-- name: see_api_key(key_id, now)!
UPDATE api_key_secrets SET last_used_at = :now WHERE key_id = :key_id;

-- name: list_api_keys(merchant, after, limit)
SELECT key_id, last_used_at FROM api_key_secrets WHERE merchant = :merchant AND key_id > :after
ORDER BY key_id LIMIT :limit;

-- name: read_api_key(merchant, key_id)
SELECT key_id FROM api_key_secrets WHERE merchant = :merchant AND key_id = :key_id;
