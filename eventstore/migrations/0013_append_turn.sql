-- Whose turn it is to append is nobody else's to take; and what a reader of the database can hold up, less.

-- Until here a turn was an advisory lock, which any role may take, and keep. A lock on a table is for who has a
-- right to the table: the owner, as whom `append_batch` runs. It holds nothing, so nothing of it is ever written.
CREATE TABLE append_turn ();
COMMENT ON TABLE append_turn IS 'Locked by whoever appends, until the commit; it has no rows.';
REVOKE ALL ON append_turn FROM PUBLIC;

-- Appends under way have the turn as it was. One that comes between finds its position taken, and is undone.
SELECT pg_advisory_xact_lock(7246171, 'events'::regclass::oid::integer);

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
    LOCK TABLE public.append_turn IN EXCLUSIVE MODE;

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

-- Text of a provider's may hold U+0000, which JSON can say and jsonb can't hold; not `\\u0000`, which is a backslash
-- before a word.
CREATE OR REPLACE VIEW events_readable WITH (security_invoker = true) AS
    SELECT position, stream, version, type, schema,
           CASE WHEN strpos(convert_from(data, 'UTF8'), '\u0000') = 0 THEN convert_from(data, 'UTF8')
               ELSE regexp_replace(convert_from(data, 'UTF8'), '(?<!\\)((\\\\)*)\\u0000', '\1\\ufffd', 'g')
           END::jsonb AS data,
           merchant, correlation, causation, convert_from(metadata, 'UTF8')::jsonb AS metadata, event_id,
           occurred_at, recorded_at, encode(leaf_hash, 'hex') AS leaf_hash
    FROM events;

-- Who only reads makes no tables, no large objects, and takes no locks of the projector's. The functions are
-- Postgres' own: only a superuser may say who calls them, and where another migrates they stay as they are. They
-- are this database's alone. Temporary tables stay with who compares and checks by
-- them, the turns of a user's changes with who keeps its password.
DO $$
DECLARE
    each regprocedure;
BEGIN
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO tillroll_project, tillroll_audit', current_database());
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        FOR each IN
            SELECT oid::regprocedure FROM pg_proc
            WHERE pronamespace = 'pg_catalog'::regnamespace
              AND (proname ~ '^pg_(try_)?advisory_' OR proname ~ '^lo_' OR proname IN ('loread', 'lowrite'))
        LOOP
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', each);
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO pg_database_owner', each);
        END LOOP;
        GRANT EXECUTE ON FUNCTION
            pg_advisory_xact_lock(bigint), pg_try_advisory_lock(bigint), pg_advisory_unlock(bigint)
            TO tillroll_project;
        GRANT EXECUTE ON FUNCTION pg_advisory_xact_lock(integer, integer) TO tillroll_access;
    END IF;
END $$;
