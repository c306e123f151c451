-- The log: one append-only table, its identity, the ledger of commands, and the one function that appends.

CREATE TABLE log (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    log_id uuid NOT NULL,
    epoch integer NOT NULL,
    system_identifier bigint NOT NULL,
    timeline integer NOT NULL,
    minted_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE log IS 'Which log this is. A new epoch is minted at init, after a restore and after a promotion.';

CREATE TABLE events (
    position bigint PRIMARY KEY,
    stream text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    type text COLLATE "C" NOT NULL,
    schema integer NOT NULL,
    data bytea NOT NULL,
    merchant text COLLATE "C" NOT NULL,
    correlation text COLLATE "C" NOT NULL,
    causation text COLLATE "C" NOT NULL,
    metadata bytea NOT NULL,
    event_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    leaf_hash bytea NOT NULL,
    UNIQUE (stream, version)
);
COMMENT ON COLUMN events.position IS '1, 2, 3 ... without a gap, in commit order';
COMMENT ON COLUMN events.occurred_at IS 'business time';
COMMENT ON COLUMN events.recorded_at IS 'wall clock of the appender';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only: % on % is forbidden', tg_op, tg_table_name
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- A trigger that a replica session would skip is no promise.
ALTER TABLE events ENABLE ALWAYS TRIGGER events_append_only;
ALTER TABLE events ENABLE ALWAYS TRIGGER events_no_truncate;

CREATE VIEW events_readable AS
    SELECT position, stream, version, type, schema, convert_from(data, 'UTF8')::jsonb AS data, merchant,
           correlation, causation, convert_from(metadata, 'UTF8')::jsonb AS metadata, event_id, occurred_at,
           recorded_at, encode(leaf_hash, 'hex') AS leaf_hash
    FROM events;
COMMENT ON VIEW events_readable IS 'The log for people who query in SQL.';

CREATE TABLE commands (
    command_id uuid NOT NULL,
    merchant text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    first_position bigint NOT NULL,
    last_position bigint NOT NULL,
    answer bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (command_id, merchant)
);
-- No index on recorded_at: even a BRIN one costs a tenth of the append rate, and old entries leave in rare sweeps.
COMMENT ON TABLE commands IS
    'The ledger: the first outcome of each command, also of one that appended nothing (first > last).';

-- What `append_batch` is given: rows of three kinds, as arrays of composites (one pass over each; as many
-- parallel arrays would be as many function scans). `events_before` counts the batch's events before the append's,
-- `initial` is the version that a stream which does not exist counts as having: 0, or the expected one.
CREATE TYPE new_append AS (
    command_id uuid, merchant text, fingerprint bytea, answer bytea, events_before integer, event_count integer
);
CREATE TYPE new_stream AS (append integer, stream text, expected bigint, initial bigint);
CREATE TYPE new_event AS (
    append integer, stream text, version bigint, type text, schema integer, data bytea, merchant text,
    correlation text, causation text, metadata bytea, event_id uuid, occurred_at timestamptz, leaf_hash bytea
);

-- Which appends of a batch can't be done: a repeated command (its first outcome) goes before a conflict.
CREATE FUNCTION append_exceptions(p_appends new_append[], p_streams new_stream[])
RETURNS TABLE (
    ordinal integer, outcome text, first_position bigint, last_position bigint,
    fingerprint bytea, answer bytea, stream text, actual_version bigint
)
LANGUAGE sql VOLATILE
SET enable_seqscan = off
AS $$
    WITH repeated AS (
        SELECT asked.ordinal::integer, known.*
        FROM unnest(p_appends) WITH ORDINALITY AS asked (command_id, merchant, f, a, b, n, ordinal)
        CROSS JOIN LATERAL (
            SELECT c.first_position, c.last_position, c.fingerprint, c.answer FROM commands AS c
            WHERE c.command_id = asked.command_id AND c.merchant = asked.merchant LIMIT 1
        ) AS known
    ), conflicts AS (
        SELECT DISTINCT ON (checked.append) checked.append, checked.stream, checked.actual
        FROM (
            SELECT asked.append, asked.ordinal, asked.stream, asked.expected, coalesce((
                SELECT e.version FROM events AS e
                WHERE e.stream = asked.stream ORDER BY e.version DESC LIMIT 1
            ), asked.initial) AS actual
            FROM unnest(p_streams) WITH ORDINALITY AS asked (append, stream, expected, initial, ordinal)
        ) AS checked
        WHERE checked.expected <> checked.actual
          AND checked.append NOT IN (SELECT repeated.ordinal FROM repeated)
        ORDER BY checked.append, checked.ordinal
    )
    SELECT ordinal, 'repeated', first_position, last_position, fingerprint, answer, NULL, NULL FROM repeated
    UNION ALL
    SELECT append, 'conflict', NULL, NULL, NULL, NULL, stream, actual FROM conflicts
$$;

-- Appends a batch in one transaction, under one lock, at consecutive positions.
--
-- A stream, and a command, stand in a batch once. Answers the head before the batch, the head after it, and
-- the exceptions (NULL if there are none) as JSON [{ordinal, outcome, first_position, last_position,
-- fingerprint, answer, stream, actual_version}]; every other append was done, in order.
CREATE FUNCTION append_batch(
    p_epoch integer,
    p_recorded_at timestamptz,
    p_appends new_append[],
    p_streams new_stream[],
    p_events new_event[],
    OUT head_before bigint,
    OUT head_after bigint,
    OUT exceptions jsonb
)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
DECLARE
    given_epoch integer;
    clean boolean;
    refused integer[];
BEGIN
    -- In a statement of its own: what follows takes a fresh snapshot, after the lock was won.
    PERFORM pg_advisory_xact_lock(7246171, 'events'::regclass::oid::integer);

    SELECT
        (SELECT log.epoch FROM log),
        coalesce((SELECT e.position FROM events AS e ORDER BY e.position DESC LIMIT 1), 0),
        NOT EXISTS (
            SELECT FROM unnest(p_appends) AS asked
            WHERE EXISTS (
                SELECT FROM commands AS c WHERE c.command_id = asked.command_id AND c.merchant = asked.merchant
            )
        ) AND NOT EXISTS (
            SELECT FROM unnest(p_streams) AS asked
            WHERE asked.expected <> coalesce((
                SELECT e.version FROM events AS e WHERE e.stream = asked.stream ORDER BY e.version DESC LIMIT 1
            ), asked.initial)
        )
    INTO given_epoch, head_before, clean;

    IF given_epoch IS DISTINCT FROM p_epoch THEN
        RAISE EXCEPTION 'the log is at epoch %, the appender at %', given_epoch, p_epoch
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;

    IF NOT clean THEN
        SELECT jsonb_agg(to_jsonb(e)), array_agg(e.ordinal) INTO exceptions, refused
        FROM append_exceptions(p_appends, p_streams) AS e;
        p_events := ARRAY(
            SELECT (
                e.append, e.stream, e.version, e.type, e.schema, e.data, e.merchant, e.correlation, e.causation,
                e.metadata, e.event_id, e.occurred_at, e.leaf_hash
            )::new_event
            FROM unnest(p_events) WITH ORDINALITY AS e (
                append, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
                occurred_at, leaf_hash, number
            )
            WHERE e.append <> ALL (refused)
            ORDER BY e.number
        );
        p_appends := ARRAY(
            SELECT (
                a.command_id, a.merchant, a.fingerprint, a.answer,
                sum(a.event_count) OVER (ORDER BY a.ordinal) - a.event_count, a.event_count
            )::new_append
            FROM unnest(p_appends) WITH ORDINALITY
                AS a (command_id, merchant, fingerprint, answer, events_before, event_count, ordinal)
            WHERE a.ordinal <> ALL (refused)
            ORDER BY a.ordinal
        );
    END IF;

    INSERT INTO events
    SELECT head_before + e.number, e.stream, e.version, e.type, e.schema, e.data, e.merchant, e.correlation,
           e.causation, e.metadata, e.event_id, e.occurred_at, p_recorded_at, e.leaf_hash
    FROM unnest(p_events) WITH ORDINALITY AS e (
        append, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
        occurred_at, leaf_hash, number
    );
    head_after := head_before + cardinality(p_events);

    INSERT INTO commands
    SELECT a.command_id, a.merchant, a.fingerprint, head_before + a.events_before + 1,
           head_before + a.events_before + a.event_count, a.answer, p_recorded_at
    FROM unnest(p_appends) AS a;

    IF head_after > head_before THEN
        PERFORM pg_notify('tillroll_events', head_after::text);
    END IF;
END $$;

CREATE TABLE data_keys (
    subject text COLLATE "C" PRIMARY KEY,
    wrapped_key bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    erased_at timestamptz,
    CHECK ((wrapped_key IS NULL) = (erased_at IS NOT NULL))
);
COMMENT ON TABLE data_keys IS
    'The key of each data subject, wrapped by the master key; NULL once the person is erased.';
