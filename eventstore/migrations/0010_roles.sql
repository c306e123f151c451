-- Who may do what in the database: a role for each kind of work, none of which may change the log's history.
--
--   tillroll_write    appends through the one function, and keeps what followers that act keep
--   tillroll_project  reads the log and owns the read models
--   tillroll_query    reads the read models, of one merchant at a time
--   tillroll_audit    reads the log and the read models, of one merchant, or (said explicitly) of all
--   tillroll_access   keeps sign-in's secrets and the counts of rates, which nobody else can read
--
-- Roles belong to the whole server, so they may be there already, or be made by another database's migration at
-- this moment. Who runs this needs CREATEROLE, or roles that somebody made before. They get a password, and may
-- log in, after the migration (`eventstore/roles.py`).

DO $$
DECLARE
    wanted text;
    missing text[] := '{}';
BEGIN
    FOREACH wanted IN ARRAY ARRAY['tillroll_write', 'tillroll_project', 'tillroll_query', 'tillroll_audit', 'tillroll_access'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = wanted);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', wanted);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL; -- it waited for the other's commit, and there the role is
            WHEN insufficient_privilege THEN
                missing := missing || wanted;
        END;
    END LOOP;
    IF missing <> '{}' THEN
        RAISE EXCEPTION '% may not make roles: let who may run CREATE ROLE, with LOGIN and a password, for %',
            current_user, array_to_string(missing, ', ')
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public
    TO tillroll_write, tillroll_project, tillroll_query, tillroll_audit, tillroll_access;

-- The function is the only way into the log: it runs as its owner, its caller may not insert.
DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION append_batch(integer, timestamptz, new_append[], new_stream[], new_event[])'
        ' SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()
    );
END $$;
GRANT EXECUTE ON FUNCTION append_batch(integer, timestamptz, new_append[], new_stream[], new_event[])
    TO tillroll_write;

-- The second wall around the log. Its owner, too, passes only where a policy says so.
ALTER TABLE events ENABLE ROW LEVEL SECURITY;
ALTER TABLE events FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON events TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY followers ON events FOR SELECT TO tillroll_write, tillroll_project USING (true);
CREATE POLICY audit ON events FOR SELECT TO tillroll_audit USING (
    merchant = current_setting('tillroll.merchant', true) OR current_setting('tillroll.reach', true) = 'all'
);
ALTER VIEW events_readable SET (security_invoker = true);
CREATE POLICY access ON events FOR SELECT TO tillroll_access USING (stream LIKE 'user-%' OR stream LIKE 'apikey-%');
GRANT SELECT ON events TO tillroll_write, tillroll_project, tillroll_audit, tillroll_access;
GRANT SELECT ON events_readable TO tillroll_audit;

-- How far the log is, is no merchant's secret; what is in it, is.
CREATE FUNCTION log_head() RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN coalesce((SELECT position FROM events ORDER BY position DESC LIMIT 1), 0);
END $$;
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION log_head() SET search_path = %I, pg_temp', current_schema());
END $$;
REVOKE ALL ON FUNCTION log_head() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log_head() TO tillroll_write, tillroll_project, tillroll_query, tillroll_audit;

GRANT SELECT ON log TO tillroll_write, tillroll_project, tillroll_query, tillroll_audit;
GRANT SELECT, DELETE ON commands TO tillroll_write;
GRANT SELECT ON commands TO tillroll_project, tillroll_audit;
GRANT SELECT, INSERT ON data_keys TO tillroll_write;
GRANT SELECT ON data_keys TO tillroll_project;
GRANT SELECT, INSERT ON master_key TO tillroll_write, tillroll_project;

GRANT SELECT, INSERT, UPDATE, DELETE ON
    agent_processes, reactions, deadlines, business_clocks, provider_calls, webhook_inbox, parked
    TO tillroll_write;
GRANT SELECT, INSERT, UPDATE ON checkpoints TO tillroll_write;
GRANT SELECT, INSERT ON plays TO tillroll_write;
GRANT SELECT ON read_models TO tillroll_write, tillroll_query, tillroll_audit;
GRANT EXECUTE ON FUNCTION projection_follower(text, integer)
    TO tillroll_write, tillroll_project, tillroll_query, tillroll_audit;

GRANT CREATE ON SCHEMA public TO tillroll_project;
GRANT SELECT, INSERT, UPDATE, DELETE ON checkpoints, parked, read_models, projection_attempts TO tillroll_project;
GRANT EXECUTE ON FUNCTION move_projections(text[], bigint[], bigint, bigint) TO tillroll_project;
GRANT SELECT ON provider_calls, webhook_inbox, deadlines, business_clocks, reactions, agent_processes
    TO tillroll_project, tillroll_audit;
GRANT SELECT ON checkpoints, parked TO tillroll_query, tillroll_audit;

GRANT SELECT, INSERT, DELETE ON mail_secrets TO tillroll_write;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    credentials, email_digests, sessions, refresh_tokens, api_key_secrets, single_use_tokens, signing_keys, members,
    rates
    TO tillroll_access;
GRANT SELECT ON log TO tillroll_access;

-- Whether an order belongs to the person that a customer's read is limited to. Bound late, by name: the view is
-- made anew at each switch of generations.
CREATE FUNCTION is_own_order(p_merchant text, p_order_id text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM orders AS o WHERE o.merchant = p_merchant AND o.order_id = p_order_id);
END $$;
GRANT EXECUTE ON FUNCTION is_own_order(text, text) TO tillroll_query, tillroll_audit;

-- The second wall around a read model's table, put up when the table is made: until then nobody reads it.
-- Its owner passes; a reader sees the merchant that its transaction named, of that merchant only what belongs to
-- the person that it named, if it named one; a table without merchants is for readers who reach all.
CREATE FUNCTION protect_read_model(p_table regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    named text[] := ARRAY(
        SELECT attname::text FROM pg_attribute WHERE attrelid = p_table AND attnum > 0 AND NOT attisdropped
    );
    everybody constant text := 'coalesce(current_setting(''tillroll.subject'', true), '''') = ''''';
    own text := everybody;
    seen text := 'current_setting(''tillroll.reach'', true) = ''all''';
BEGIN
    IF 'subject' = ANY (named) THEN
        own := everybody || ' OR subject = current_setting(''tillroll.subject'', true)';
    ELSIF 'order_id' = ANY (named) THEN
        own := everybody || ' OR is_own_order(merchant, order_id)';
    END IF;
    IF 'merchant' = ANY (named) THEN
        seen := format(
            '(merchant = current_setting(''tillroll.merchant'', true) AND (%s)) OR %s', own, seen
        );
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', p_table);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', p_table);
    EXECUTE format('CREATE POLICY project ON %s TO tillroll_project USING (true) WITH CHECK (true)', p_table);
    EXECUTE format(
        'CREATE POLICY read ON %s FOR SELECT TO tillroll_query, tillroll_audit USING (%s)', p_table, seen
    );
    EXECUTE format('GRANT SELECT ON %s TO tillroll_query, tillroll_audit', p_table);
END $$;
GRANT EXECUTE ON FUNCTION protect_read_model(regclass) TO tillroll_project;

-- Read models that were made before go to the new owner, and behind the wall.
DO $$
DECLARE
    each record;
BEGIN
    IF NOT pg_has_role(CURRENT_USER, 'tillroll_project', 'SET')
       AND EXISTS (SELECT FROM read_models) THEN
        BEGIN
            GRANT tillroll_project TO CURRENT_USER; -- who gives something away must be a member of who gets it
        EXCEPTION WHEN unique_violation THEN
            NULL; -- another database's migration did it meanwhile
        END;
    END IF;
    FOR each IN
        SELECT c.oid::regclass AS relation, c.relkind AS kind FROM pg_class AS c
        WHERE c.relnamespace = current_schema()::regnamespace
          AND (c.relkind = 'r' AND c.relname ~ '_g[0-9]+$'
               OR c.relkind = 'v' AND EXISTS (
                   SELECT FROM pg_class AS t
                   WHERE t.relnamespace = c.relnamespace AND t.relkind = 'r'
                     AND t.relname ~ ('^' || c.relname || '_g[0-9]+$')
               ))
    LOOP
        IF each.kind = 'r' THEN
            PERFORM protect_read_model(each.relation);
            EXECUTE format('ALTER TABLE %s OWNER TO tillroll_project', each.relation);
        ELSE
            EXECUTE format('GRANT SELECT ON %s TO tillroll_query, tillroll_audit', each.relation);
            EXECUTE format('ALTER VIEW %s OWNER TO tillroll_project', each.relation);
        END IF;
    END LOOP;
END $$;
