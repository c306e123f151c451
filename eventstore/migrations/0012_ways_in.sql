-- How often a proposed second factor may be tried, and how often mail goes to an address.

ALTER TABLE credentials
    ADD COLUMN totp_pending_tries integer NOT NULL DEFAULT 0,
    ADD COLUMN totp_pending_until timestamptz;
COMMENT ON COLUMN credentials.totp_pending IS 'sealed; a seed of which no code was shown yet, gone with its password';
COMMENT ON COLUMN credentials.totp_pending_until IS 'NULL for a seed of before this column: it is proposed anew';
COMMENT ON COLUMN credentials.password_changes IS
    'how often what was proved before came to count no more: a new password, or all sessions ended';

ALTER TABLE email_digests
    ADD COLUMN reset_mailed_at timestamptz,
    ADD COLUMN invitation_mailed_at timestamptz;
COMMENT ON COLUMN email_digests.reset_mailed_at IS 'the last time: the next may go a while later';
