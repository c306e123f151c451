-- Who gets in, and by what. A secret stands here as a digest, as a hash or sealed by a key derived from the master
-- key; it stands nowhere else, and never in the log. Who was invited, granted, locked out is in the log.

CREATE TABLE email_digests (
    digest bytea PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL UNIQUE
);
COMMENT ON TABLE email_digests IS 'Whose an address is, by keyed hash: the address itself is sealed in the log.';

CREATE TABLE members (
    merchant text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant, user_id)
);
COMMENT ON TABLE members IS
    'Who was ever granted something at a merchant: where to look. What holds now is in the user''s stream.';

CREATE TABLE credentials (
    user_id text COLLATE "C" PRIMARY KEY,
    password_hash text,
    password_changes integer NOT NULL DEFAULT 0,
    totp_seed bytea,
    totp_pending bytea,
    totp_counter bigint NOT NULL DEFAULT 0,
    recovery_digests bytea[] NOT NULL DEFAULT '{}',
    failures integer NOT NULL DEFAULT 0,
    locked_until timestamptz
);
COMMENT ON COLUMN credentials.totp_seed IS 'sealed; NULL where there is no second factor';
COMMENT ON COLUMN credentials.totp_counter IS 'of the last code that was taken: it and earlier ones are no longer';

CREATE TABLE sessions (
    session_id text COLLATE "C" PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('token', 'cookie')),
    cookie_digest bytea UNIQUE,
    client text NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    idle_until timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    CHECK ((kind = 'cookie') = (cookie_digest IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX sessions_of_user ON sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE refresh_tokens (
    digest bytea PRIMARY KEY,
    session_id text COLLATE "C" NOT NULL REFERENCES sessions ON DELETE CASCADE,
    issued_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id);
COMMENT ON TABLE refresh_tokens IS 'Each is good for once. A used one that comes again ends its session.';

CREATE TABLE api_key_secrets (
    key_id text COLLATE "C" PRIMARY KEY,
    merchant text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    last_used_at timestamptz
);
CREATE INDEX api_key_secrets_of_merchant ON api_key_secrets (merchant, key_id);

CREATE TABLE single_use_tokens (
    digest bytea PRIMARY KEY,
    purpose text NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX single_use_tokens_of_user ON single_use_tokens (user_id);

CREATE TABLE signing_keys (
    kid text COLLATE "C" PRIMARY KEY,
    private_key bytea NOT NULL,
    public_jwk jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    retired_at timestamptz
);
COMMENT ON COLUMN signing_keys.private_key IS 'sealed';
