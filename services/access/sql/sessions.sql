-- name: begin_session(session_id, user_id, kind, cookie_digest, client, now, idle_until, expires_at, token_digest, proof)
-- A session, and the first of its refresh tokens (NULL for a cookie's); no row where the password was
-- changed, or all sessions were ended, more often than :proof times (NULL where it was not by a password). The lock
-- makes such a change wait, or us for it: whichever comes second knows of the first.
WITH proved AS (
    SELECT FROM credentials WHERE user_id = :user_id AND password_changes = :proof FOR SHARE
), begun AS (
    INSERT INTO sessions (
        session_id, user_id, kind, cookie_digest, client, created_at, seen_at, idle_until, expires_at
    )
    SELECT :session_id, :user_id, :kind, :cookie_digest::bytea, :client, :now::timestamptz, :now::timestamptz,
           least(:idle_until::timestamptz, :expires_at::timestamptz), :expires_at::timestamptz
    WHERE :proof::integer IS NULL OR EXISTS (SELECT FROM proved)
    RETURNING session_id
), first AS (
    INSERT INTO refresh_tokens (digest, session_id, issued_at)
    SELECT :token_digest::bytea, session_id, :now::timestamptz FROM begun WHERE :token_digest::bytea IS NOT NULL
)
SELECT session_id FROM begun;

-- name: rotate(digest, successor, now, idle_until)
-- Uses a token up and makes its successor, if its session is alive. One row with the session where the token was
-- unused (without a user where the session is over), no row where it was not.
WITH used AS (
    UPDATE refresh_tokens SET used_at = :now WHERE digest = :digest AND used_at IS NULL RETURNING session_id
), alive AS (
    UPDATE sessions AS s SET seen_at = :now, idle_until = least(:idle_until::timestamptz, s.expires_at)
    FROM used WHERE s.session_id = used.session_id
        AND s.ended_at IS NULL AND s.idle_until > :now AND s.expires_at > :now
    RETURNING s.session_id, s.user_id
), made AS (
    INSERT INTO refresh_tokens (digest, session_id, issued_at)
    SELECT :successor::bytea, session_id, :now::timestamptz FROM alive
)
SELECT used.session_id, alive.user_id FROM used LEFT JOIN alive ON alive.session_id = used.session_id;

-- name: end_reused(digest, now)
-- Ends the session of a token that was used before; no row where it was over anyway.
UPDATE sessions AS s SET ended_at = :now FROM refresh_tokens AS t
WHERE t.digest = :digest AND t.used_at IS NOT NULL AND t.session_id = s.session_id AND s.ended_at IS NULL
    AND s.expires_at > :now
RETURNING s.session_id, s.user_id;

-- name: session_standing(session_id, now)
-- A session that is alive, and how far its user's stream has come.
SELECT s.session_id, s.user_id, s.seen_at, (
    SELECT e.version FROM events AS e WHERE e.stream = 'user-' || s.user_id ORDER BY e.version DESC LIMIT 1
) AS version
FROM sessions AS s
WHERE s.session_id = :session_id AND s.kind = 'token' AND s.ended_at IS NULL AND s.idle_until > :now
    AND s.expires_at > :now;

-- name: cookie_standing(cookie_digest, now)
-- The same for the session of a cookie.
SELECT s.session_id, s.user_id, s.seen_at, (
    SELECT e.version FROM events AS e WHERE e.stream = 'user-' || s.user_id ORDER BY e.version DESC LIMIT 1
) AS version
FROM sessions AS s
WHERE s.cookie_digest = :cookie_digest AND s.ended_at IS NULL AND s.idle_until > :now AND s.expires_at > :now;

-- name: see_session(session_id, now, idle_until)!
UPDATE sessions SET seen_at = :now, idle_until = least(:idle_until::timestamptz, expires_at)
WHERE session_id = :session_id AND ended_at IS NULL;

-- name: list_sessions(user_id, now)
SELECT session_id, kind, client, created_at, seen_at, expires_at FROM sessions
WHERE user_id = :user_id AND ended_at IS NULL AND idle_until > :now AND expires_at > :now
ORDER BY created_at DESC, session_id LIMIT 200;

-- name: end_session(user_id, session_id, now)
UPDATE sessions SET ended_at = :now
WHERE user_id = :user_id AND session_id = :session_id AND ended_at IS NULL RETURNING session_id;

-- name: end_sessions(user_id, but, now)
-- All of a user's; :but is one that stays, or ''.
UPDATE sessions SET ended_at = :now
WHERE user_id = :user_id AND session_id <> :but AND ended_at IS NULL RETURNING session_id;

-- name: forget_sessions(before)!
-- What was over long ago.
DELETE FROM sessions WHERE expires_at < :before OR ended_at < :before;

-- name: forget_single_use_tokens(before)!
DELETE FROM single_use_tokens WHERE expires_at < :before;
