-- What is wrong with the walls of 0009, mended.

-- The read models' owner may make things in this schema, a function `unnest(new_append[])` too: that would fit better
-- than Postgres' own, and run as the log's owner. So these name all that is ours, and look for the rest in
-- pg_catalog alone. But for the names they read as in 0001.
CREATE OR REPLACE FUNCTION public.append_exceptions(p_appends public.new_append[], p_streams public.new_stream[])
RETURNS TABLE (
    ordinal integer, outcome text, first_position bigint, last_position bigint,
    fingerprint bytea, answer bytea, stream text, actual_version bigint
)
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
    WITH repeated AS (
        SELECT asked.ordinal::integer, known.*
        FROM unnest(p_appends) WITH ORDINALITY AS asked (command_id, merchant, f, a, b, n, ordinal)
        CROSS JOIN LATERAL (
            SELECT c.first_position, c.last_position, c.fingerprint, c.answer FROM public.commands AS c
            WHERE c.command_id = asked.command_id AND c.merchant = asked.merchant LIMIT 1
        ) AS known
    ), conflicts AS (
        SELECT DISTINCT ON (checked.append) checked.append, checked.stream, checked.actual
        FROM (
            SELECT asked.append, asked.ordinal, asked.stream, asked.expected, coalesce((
                SELECT e.version FROM public.events AS e
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

CREATE OR REPLACE FUNCTION public.append_batch(
    p_epoch integer,
    p_recorded_at timestamptz,
    p_appends public.new_append[],
    p_streams public.new_stream[],
    p_events public.new_event[],
    OUT head_before bigint,
    OUT head_after bigint,
    OUT exceptions jsonb
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
DECLARE
    given_epoch integer;
    clean boolean;
    refused integer[];
BEGIN
    -- In a statement of its own: what follows takes a fresh snapshot, after the lock was won.
    PERFORM pg_advisory_xact_lock(7246171, 'public.events'::regclass::oid::integer);

    SELECT
        (SELECT log.epoch FROM public.log),
        coalesce((SELECT e.position FROM public.events AS e ORDER BY e.position DESC LIMIT 1), 0),
        NOT EXISTS (
            SELECT FROM unnest(p_appends) AS asked
            WHERE EXISTS (
                SELECT FROM public.commands AS c WHERE c.command_id = asked.command_id AND c.merchant = asked.merchant
            )
        ) AND NOT EXISTS (
            SELECT FROM unnest(p_streams) AS asked
            WHERE asked.expected <> coalesce((
                SELECT e.version FROM public.events AS e WHERE e.stream = asked.stream ORDER BY e.version DESC LIMIT 1
            ), asked.initial)
        )
    INTO given_epoch, head_before, clean;

    IF given_epoch IS DISTINCT FROM p_epoch THEN
        RAISE EXCEPTION 'the log is at epoch %, the appender at %', given_epoch, p_epoch
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;

    IF NOT clean THEN
        SELECT jsonb_agg(to_jsonb(e)), array_agg(e.ordinal) INTO exceptions, refused
        FROM public.append_exceptions(p_appends, p_streams) AS e;
        p_events := ARRAY(
            SELECT (
                e.append, e.stream, e.version, e.type, e.schema, e.data, e.merchant, e.correlation, e.causation,
                e.metadata, e.event_id, e.occurred_at, e.leaf_hash
            )::public.new_event
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
            )::public.new_append
            FROM unnest(p_appends) WITH ORDINALITY
                AS a (command_id, merchant, fingerprint, answer, events_before, event_count, ordinal)
            WHERE a.ordinal <> ALL (refused)
            ORDER BY a.ordinal
        );
    END IF;

    INSERT INTO public.events
    SELECT head_before + e.number, e.stream, e.version, e.type, e.schema, e.data, e.merchant, e.correlation,
           e.causation, e.metadata, e.event_id, e.occurred_at, p_recorded_at, e.leaf_hash
    FROM unnest(p_events) WITH ORDINALITY AS e (
        append, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
        occurred_at, leaf_hash, number
    );
    head_after := head_before + cardinality(p_events);

    INSERT INTO public.commands
    SELECT a.command_id, a.merchant, a.fingerprint, head_before + a.events_before + 1,
           head_before + a.events_before + a.event_count, a.answer, p_recorded_at
    FROM unnest(p_appends) AS a;

    IF head_after > head_before THEN
        PERFORM pg_notify('tillroll_events', head_after::text);
    END IF;
END $$;

-- Nobody but the owner makes functions here: a trap for whoever calls one by a name that it knows.
GRANT USAGE ON LANGUAGE plpgsql, sql TO CURRENT_USER;
REVOKE USAGE ON LANGUAGE plpgsql, sql FROM PUBLIC;
REVOKE ALL ON FUNCTION is_own_order(text, text), protect_read_model(regclass) FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- An auditor of one merchant sees what that one asked for, and what it was answered. The owner, as whom
-- `append_batch` writes, passes.
ALTER TABLE commands ENABLE ROW LEVEL SECURITY;
CREATE POLICY followers ON commands TO tillroll_write, tillroll_project USING (true) WITH CHECK (true);
CREATE POLICY audit ON commands FOR SELECT TO tillroll_audit USING (
    merchant = current_setting('tillroll.merchant', true) OR current_setting('tillroll.reach', true) = 'all'
);

-- What followers have in hand names orders of all merchants, without saying whose they are: no reader needs it.
-- How many keys are parked is no merchant's secret. The view works with its owner's rights; which keys, it hides.
REVOKE SELECT ON provider_calls, webhook_inbox, deadlines, business_clocks, reactions, agent_processes, parked
    FROM tillroll_audit, tillroll_query;
CREATE VIEW parked_keys WITH (security_barrier = true) AS
    SELECT follower, count(DISTINCT key) AS keys FROM parked GROUP BY follower;
GRANT SELECT ON parked_keys TO tillroll_query, tillroll_audit;
