-- name: user_of_address(digest)
SELECT user_id FROM email_digests WHERE digest = :digest;

-- name: claim_address(digest, user_id)
-- The user of the address: this one, unless somebody else was there first (then no row, or theirs).
WITH claimed AS (
    INSERT INTO email_digests (digest, user_id) VALUES (:digest, :user_id)
    ON CONFLICT (digest) DO NOTHING RETURNING user_id
)
SELECT user_id FROM claimed UNION ALL SELECT user_id FROM email_digests WHERE digest = :digest;

-- name: add_member(merchant, user_id)!
INSERT INTO members (merchant, user_id) VALUES (:merchant, :user_id) ON CONFLICT DO NOTHING;

-- name: list_members(merchant, after, limit)
-- Who may be a member, by user id; :after is '' for the beginning.
SELECT user_id FROM members WHERE merchant = :merchant AND user_id > :after ORDER BY user_id LIMIT :limit;

-- name: read_credential(user_id)
SELECT password_hash, password_changes, totp_seed, totp_pending, totp_counter, failures, locked_until,
       cardinality(recovery_digests) AS recovery_codes
FROM credentials WHERE user_id = :user_id;

-- name: lock_user(user_id)!
-- Until the transaction ends, no other that begins so is about this user.
SELECT pg_advisory_xact_lock(7246173, hashtext(:user_id));

-- name: change_password(user_id, proof, password_hash)
-- No row where what was proved by the old password counts no more. A new password also ends a lock-out, and a
-- second factor that was proposed under the old one.
UPDATE credentials SET password_hash = :password_hash, password_changes = password_changes + 1,
                       totp_pending = NULL, failures = 0, locked_until = NULL
WHERE user_id = :user_id AND password_changes = :proof
RETURNING user_id;

-- name: put_password(user_id, password_hash)!
-- The same, whatever it was before: for who has a token.
INSERT INTO credentials (user_id, password_hash) VALUES (:user_id, :password_hash)
ON CONFLICT (user_id) DO UPDATE SET
    password_hash = excluded.password_hash, password_changes = credentials.password_changes + 1,
    totp_pending = NULL, failures = 0, locked_until = NULL;

-- name: void_proofs(user_id)!
-- Whoever proved the password before, and has not acted on it yet, does so in vain.
UPDATE credentials SET password_changes = password_changes + 1, totp_pending = NULL WHERE user_id = :user_id;

-- name: rehash_password(user_id, was, password_hash)!
-- The same password in a newer hash, unless it was changed meanwhile.
UPDATE credentials SET password_hash = :password_hash WHERE user_id = :user_id AND password_hash = :was;

-- name: count_failure(user_id, now, threshold, first_s, longest_s)
-- One more failure; from :threshold on, a lock-out that doubles from :first_s seconds up to :longest_s. A locked
-- account counts nothing, so that nobody can keep its owner out for ever.
UPDATE credentials SET
    failures = least(failures + 1, 1000),
    locked_until = CASE WHEN failures + 1 >= :threshold THEN
        :now::timestamptz + make_interval(secs => least(
            :first_s::float8 * 2 ^ least(failures + 1 - :threshold, 60), :longest_s::float8
        ))
    END
WHERE user_id = :user_id AND (locked_until IS NULL OR locked_until <= :now)
RETURNING locked_until;

-- name: forget_failures(user_id)!
UPDATE credentials SET failures = 0, locked_until = NULL WHERE user_id = :user_id;

-- name: propose_seed(user_id, proof, seed, until)
-- No row where what was proved by the password counts no more, or there is a second factor.
UPDATE credentials SET totp_pending = :seed, totp_pending_tries = 0, totp_pending_until = :until
WHERE user_id = :user_id AND password_changes = :proof AND totp_seed IS NULL
RETURNING user_id;

-- name: try_pending_seed(user_id, now, tries)
-- The proposed seed, for one more of its :tries. Counted before the code is looked at: of many at once, no more
-- than these get one.
UPDATE credentials SET totp_pending_tries = totp_pending_tries + 1
WHERE user_id = :user_id AND totp_pending IS NOT NULL AND totp_pending_until > :now
    AND totp_pending_tries < :tries
RETURNING totp_pending;

-- name: enable_second_factor(user_id, pending, counter, recovery)
-- The proposed seed becomes the one, unless another was proposed meanwhile.
UPDATE credentials SET totp_seed = totp_pending, totp_pending = NULL, totp_counter = :counter,
                       recovery_digests = :recovery::bytea[]
WHERE user_id = :user_id AND totp_pending = :pending AND totp_seed IS NULL
RETURNING user_id;

-- name: disable_second_factor(user_id, proof)
-- No row where what was proved by the password counts no more.
UPDATE credentials SET totp_seed = NULL, totp_pending = NULL, recovery_digests = '{}'
WHERE user_id = :user_id AND password_changes = :proof
RETURNING user_id;

-- name: take_counter(user_id, counter)
-- Compare and set: a code, and any before it, is taken once.
UPDATE credentials SET totp_counter = :counter WHERE user_id = :user_id AND totp_counter < :counter
RETURNING user_id;

-- name: take_recovery_code(user_id, digest)
-- Each is taken once; how many are left.
UPDATE credentials SET recovery_digests = array_remove(recovery_digests, :digest::bytea)
WHERE user_id = :user_id AND :digest::bytea = ANY (recovery_digests)
RETURNING cardinality(recovery_digests) AS left;

-- name: make_single_use_token(digest, purpose, user_id, now, expires_at)!
INSERT INTO single_use_tokens (digest, purpose, user_id, made_at, expires_at)
VALUES (:digest, :purpose, :user_id, :now, :expires_at);

-- name: may_mail_reset(user_id, now, before)
-- A row where the last one went :before or earlier: then this one goes. Of several at once, one gets it.
UPDATE email_digests SET reset_mailed_at = :now
WHERE user_id = :user_id AND (reset_mailed_at IS NULL OR reset_mailed_at <= :before)
RETURNING user_id;

-- name: may_mail_invitation(user_id, now, before)
-- The same, with a time of its own: who invites somebody keeps no reset from them.
UPDATE email_digests SET invitation_mailed_at = :now
WHERE user_id = :user_id AND (invitation_mailed_at IS NULL OR invitation_mailed_at <= :before)
RETURNING user_id;

-- name: read_single_use_token(digest, purposes, now)
SELECT user_id, purpose FROM single_use_tokens
WHERE digest = :digest AND purpose = ANY (:purposes::text[]) AND used_at IS NULL AND expires_at > :now;

-- name: use_single_use_token(digest, now)
-- Of two that come at once, one finds it unused.
UPDATE single_use_tokens SET used_at = :now WHERE digest = :digest AND used_at IS NULL AND expires_at > :now
RETURNING user_id;

-- name: use_up_tokens(user_id, now)!
UPDATE single_use_tokens SET used_at = :now WHERE user_id = :user_id AND used_at IS NULL;

-- name: forget_user(user_id)!
-- Whoever was erased: the address may be somebody's again, no password is good for anything, and nothing tells
-- which programs they came in with.
WITH nobodys AS (DELETE FROM email_digests WHERE user_id = :user_id),
nameless AS (UPDATE sessions SET client = '' WHERE user_id = :user_id AND client <> '')
DELETE FROM credentials WHERE user_id = :user_id;
