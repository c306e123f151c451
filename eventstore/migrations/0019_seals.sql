-- What the sealer keeps: the Merkle tree over the log's leaf hashes (RFC 6962), and each checkpoint that was signed.

-- The sealer works as a role of its own, which sees of the log no more than positions, times and leaf hashes, and
-- which alone may add here. Nobody may change or take away.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tillroll_seal') THEN
        CREATE ROLE tillroll_seal NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN
        NULL; -- another database's migration made it meanwhile
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION '% may not make roles: let who may run CREATE ROLE, with LOGIN and a password, for tillroll_seal',
            current_user USING ERRCODE = 'insufficient_privilege';
END $$;
GRANT USAGE ON SCHEMA public TO tillroll_seal;

CREATE POLICY seal ON events FOR SELECT TO tillroll_seal USING (true);
GRANT SELECT (position, recorded_at, leaf_hash) ON events TO tillroll_seal;
GRANT SELECT ON log TO tillroll_seal;

CREATE TABLE seal_tiles (
    level integer NOT NULL CHECK (level BETWEEN 0 AND 7),
    number bigint NOT NULL CHECK (number >= 0),
    root bytea NOT NULL CHECK (length(root) = 32),
    hashes bytea NOT NULL CHECK (length(hashes) = 8192),
    PRIMARY KEY (level, number)
);
-- Hashes do not compress, and the roots of many tiles are read without them.
ALTER TABLE seal_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE seal_tiles IS
    'Full hash tiles of the tree (C2SP tlog-tiles): 256 hashes of a level. Partial ones are read from the roots of the'
    ' level below, and from the log.';
COMMENT ON COLUMN seal_tiles.root IS 'The root over its hashes: one hash of the level above.';

CREATE TABLE seal_checkpoints (
    size bigint NOT NULL CHECK (size > 0),
    epoch integer NOT NULL,
    grown_from bigint CHECK (grown_from < size),
    root bytea NOT NULL CHECK (length(root) = 32),
    note text NOT NULL,
    signed_at timestamptz NOT NULL,
    oldest_s double precision NOT NULL,
    PRIMARY KEY (size, epoch),
    -- Two sealers can't sign two futures of one tree: each checkpoint grew from another one, from which no other grew.
    UNIQUE NULLS NOT DISTINCT (epoch, grown_from),
    FOREIGN KEY (grown_from, epoch) REFERENCES seal_checkpoints (size, epoch)
);
CREATE INDEX seal_checkpoints_epoch ON seal_checkpoints (epoch, size);
COMMENT ON COLUMN seal_checkpoints.grown_from IS 'The size of the checkpoint before; NULL for the first of an epoch.';
COMMENT ON TABLE seal_checkpoints IS 'Each checkpoint that was signed (C2SP tlog-checkpoint), with the log''s own signature.';
COMMENT ON COLUMN seal_checkpoints.oldest_s IS
    'How long the first of the events that it was the first to cover had stood in the log, in seconds.';

CREATE TABLE seal_keys (
    epoch integer PRIMARY KEY,
    key text NOT NULL
);
COMMENT ON TABLE seal_keys IS 'The verifier key by which the checkpoints of an epoch are checked; the private one is in a file.';

CREATE TABLE seal_cosignatures (
    size bigint NOT NULL,
    epoch integer NOT NULL,
    witness text COLLATE "C" NOT NULL,
    line text NOT NULL,
    witnessed_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (size, epoch, witness),
    FOREIGN KEY (size, epoch) REFERENCES seal_checkpoints (size, epoch)
);
CREATE INDEX seal_cosignatures_epoch ON seal_cosignatures (epoch, size);
COMMENT ON TABLE seal_cosignatures IS 'What witnesses said of a checkpoint (C2SP tlog-cosignature), checked.';
COMMENT ON COLUMN seal_cosignatures.witness IS 'The verifier key by which it was checked.';

CREATE TABLE seal_halts (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    halted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    size bigint NOT NULL,
    position bigint,
    reason text NOT NULL
);
CREATE INDEX seal_halts_ended ON seal_halts (number) WHERE position IS NULL;
COMMENT ON TABLE seal_halts IS
    'When the sealer found the log other than it had been sealed. It lasts until a later row has no position.';
COMMENT ON COLUMN seal_halts.size IS 'How many events were sealed then.';
COMMENT ON COLUMN seal_halts.position IS
    'The first that is known to be other; NULL once all that was sealed was compared again, and is right.';

-- What stands outside, by place: no evidence, but what the age of what is not covered is counted from.
CREATE TABLE seal_copies (
    place text PRIMARY KEY CHECK (place IN ('directory', 'nats', 'webhook')),
    epoch integer NOT NULL,
    size bigint NOT NULL,
    copied_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
COMMENT ON TABLE seal_copies IS 'How many events the last checkpoint covers that each place outside took.';

CREATE TRIGGER seal_tiles_append_only BEFORE UPDATE OR DELETE ON seal_tiles
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER seal_tiles_no_truncate BEFORE TRUNCATE ON seal_tiles
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER seal_checkpoints_append_only BEFORE UPDATE OR DELETE ON seal_checkpoints
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER seal_checkpoints_no_truncate BEFORE TRUNCATE ON seal_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER seal_cosignatures_append_only BEFORE UPDATE OR DELETE ON seal_cosignatures
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER seal_cosignatures_no_truncate BEFORE TRUNCATE ON seal_cosignatures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER seal_keys_append_only BEFORE UPDATE OR DELETE ON seal_keys
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER seal_keys_no_truncate BEFORE TRUNCATE ON seal_keys
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER seal_halts_append_only BEFORE UPDATE OR DELETE ON seal_halts
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER seal_halts_no_truncate BEFORE TRUNCATE ON seal_halts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE seal_tiles ENABLE ALWAYS TRIGGER seal_tiles_append_only;
ALTER TABLE seal_tiles ENABLE ALWAYS TRIGGER seal_tiles_no_truncate;
ALTER TABLE seal_checkpoints ENABLE ALWAYS TRIGGER seal_checkpoints_append_only;
ALTER TABLE seal_checkpoints ENABLE ALWAYS TRIGGER seal_checkpoints_no_truncate;
ALTER TABLE seal_cosignatures ENABLE ALWAYS TRIGGER seal_cosignatures_append_only;
ALTER TABLE seal_cosignatures ENABLE ALWAYS TRIGGER seal_cosignatures_no_truncate;
ALTER TABLE seal_keys ENABLE ALWAYS TRIGGER seal_keys_append_only;
ALTER TABLE seal_keys ENABLE ALWAYS TRIGGER seal_keys_no_truncate;
ALTER TABLE seal_halts ENABLE ALWAYS TRIGGER seal_halts_append_only;
ALTER TABLE seal_halts ENABLE ALWAYS TRIGGER seal_halts_no_truncate;

-- Leaf hashes of up to 256 positions from p_first on, one after the other. A hash tells nothing of an event to who does
-- not have it (its id alone has 62 random bits), so readers of one merchant may have those of all: a proof is made
-- of its neighbours.
CREATE FUNCTION leaf_hashes(p_first bigint, p_count integer) RETURNS bytea LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT coalesce(string_agg(leaf_hash, ''::bytea ORDER BY position), '') FROM events
    WHERE position >= p_first AND position < p_first + least(p_count, 256)
$$;

-- When the event at a position was recorded; NULL if there is none.
CREATE FUNCTION recorded_at_of(p_position bigint) RETURNS timestamptz LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT recorded_at FROM events WHERE position = p_position
$$;

-- The sealer's lease, if it is still this one; nobody takes it over before the transaction ends that asks.
CREATE FUNCTION hold_seal_lease(p_lease bigint) RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER AS $$
    SELECT lease FROM checkpoints WHERE follower = 'sealer' AND lease = p_lease FOR SHARE
$$;

-- Where in the log an event of a merchant is, by its id: NULL if it is not found. The log has no index of ids; but an
-- id begins with the millisecond in which it was made (UUIDv7), just before the event was recorded, so the times of
-- the events tell where to look. Clocks of several appenders may differ by p_slack.
CREATE FUNCTION position_of_event(p_event_id uuid, p_merchant text, p_slack interval DEFAULT '5 seconds')
RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    made constant timestamptz := uuid_extract_timestamp(p_event_id);
    low bigint := 1;
    high bigint := (SELECT e.position FROM events AS e ORDER BY e.position DESC LIMIT 1);
    middle bigint;
    found bigint;
BEGIN
    IF made IS NULL OR high IS NULL THEN
        RETURN NULL;
    END IF;
    WHILE low < high LOOP -- to the first event that was recorded no more than p_slack before
        middle := (low + high) / 2;
        IF (SELECT e.recorded_at FROM events AS e WHERE e.position = middle) < made - p_slack THEN
            low := middle + 1;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    SELECT e.position INTO found FROM (
        SELECT * FROM events AS near WHERE near.position >= low ORDER BY near.position LIMIT 100000
    ) AS e
    WHERE e.event_id = p_event_id AND e.merchant = p_merchant
    ORDER BY e.position LIMIT 1;
    RETURN found;
END $$;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION leaf_hashes(bigint, integer) SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION hold_seal_lease(bigint) SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION recorded_at_of(bigint) SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION position_of_event(uuid, text, interval) SET search_path = %I, pg_temp', current_schema());
END $$;
REVOKE ALL ON FUNCTION leaf_hashes(bigint, integer), recorded_at_of(bigint), hold_seal_lease(bigint),
    position_of_event(uuid, text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hold_seal_lease(bigint) TO tillroll_seal;
GRANT EXECUTE ON FUNCTION leaf_hashes(bigint, integer) TO tillroll_seal, tillroll_query, tillroll_audit, tillroll_project;
GRANT EXECUTE ON FUNCTION recorded_at_of(bigint) TO tillroll_seal, tillroll_query, tillroll_audit, tillroll_project;
GRANT EXECUTE ON FUNCTION position_of_event(uuid, text, interval) TO tillroll_query, tillroll_audit, tillroll_project;

REVOKE ALL ON seal_tiles, seal_checkpoints, seal_keys, seal_cosignatures, seal_halts, seal_copies FROM PUBLIC;
GRANT SELECT, INSERT ON seal_tiles, seal_checkpoints, seal_keys, seal_cosignatures, seal_halts TO tillroll_seal;
GRANT SELECT, INSERT, UPDATE ON seal_copies TO tillroll_seal;
GRANT SELECT ON seal_tiles, seal_checkpoints, seal_keys, seal_cosignatures, seal_halts, seal_copies
    TO tillroll_query, tillroll_audit, tillroll_project;
-- Cosignatures come in by the API, which checks them; who reads them checks them again.
GRANT INSERT ON seal_cosignatures TO tillroll_write;
-- `status` says that the sealer halted.
GRANT SELECT ON seal_halts TO tillroll_write;
GRANT EXECUTE ON FUNCTION log_head() TO tillroll_seal;
