-- What a mail must carry and the log must not hold.

CREATE TABLE mail_secrets (
    mail_id text COLLATE "C" PRIMARY KEY,
    sealed bytea NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX mail_secrets_by_age ON mail_secrets (kept_at);
COMMENT ON TABLE mail_secrets IS
    'Secrets, such as a token to set a password with, sealed under the master key until their mail is begun.';
