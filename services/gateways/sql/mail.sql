-- name: keep_secret(mail_id, stream, sealed)!
-- Keep what a mail is to carry, once; nothing if the mail was requested before.
INSERT INTO mail_secrets (mail_id, sealed)
SELECT :mail_id, :sealed WHERE NOT EXISTS (SELECT FROM events WHERE stream = :stream)
ON CONFLICT (mail_id) DO NOTHING;

-- name: take_mail
-- Begin a mail: move the checkpoint to its request, note that it is open, and take its secret, which is gone
-- from here on. All of it or nothing, and durable before anything is sent; false if the lease is another's.
WITH moved AS (
    UPDATE checkpoints SET position = :position, done = :position, moved_at = now()
    WHERE follower = :follower AND lease = :lease AND position = :was
    RETURNING true
), begun AS (
    INSERT INTO provider_calls (gateway, position, correlation)
    SELECT :gateway, :position::bigint, :correlation FROM moved
), taken AS (
    DELETE FROM mail_secrets USING moved WHERE mail_id = :mail_id RETURNING sealed
)
SELECT EXISTS (SELECT FROM moved), (SELECT sealed FROM taken);

-- name: close_mail(gateway, position)!
-- The outcome of a mail is in the log.
DELETE FROM provider_calls WHERE gateway = :gateway AND position = :position;

-- name: sweep_secrets(days)!
-- What nobody took: its mail was never requested, or waited so long that the secret is of no use.
DELETE FROM mail_secrets WHERE kept_at < now() - make_interval(days => :days);
