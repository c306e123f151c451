-- The wall around read models says the same as before, in a form of which the planner knows how many rows it shows.
--
-- Of conditions on settings alone Postgres assumes that one row in two hundred meets them. So a list of the twenty
-- cheapest of 100,000 products was planned as one of a thousand, which are sorted in no time: all were read and sorted.
-- A CASE counts as every second row, which is near enough: what matters is whether there are more than a page of them.

-- Who sees which rows of a read model's table: see 0010, where the wall was put up.
CREATE FUNCTION read_policy(p_table regclass) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    named text[] := ARRAY(
        SELECT attname::text FROM pg_attribute WHERE attrelid = p_table AND attnum > 0 AND NOT attisdropped
    );
    own text := 'coalesce(current_setting(''tillroll.subject'', true), '''') = ''''';
    seen constant text := 'current_setting(''tillroll.reach'', true) = ''all''';
BEGIN
    IF NOT 'merchant' = ANY (named) THEN
        RETURN seen;
    END IF;
    IF 'subject' = ANY (named) THEN
        own := own || ' OR subject = current_setting(''tillroll.subject'', true)';
    ELSIF 'order_id' = ANY (named) THEN
        own := own || ' OR is_own_order(merchant, order_id)';
    END IF;
    RETURN format(
        'CASE WHEN merchant = current_setting(''tillroll.merchant'', true) AND (%s) THEN true ELSE %s END', own, seen
    );
END $$;
REVOKE ALL ON FUNCTION read_policy(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION read_policy(regclass) TO tillroll_project;

CREATE OR REPLACE FUNCTION protect_read_model(p_table regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', p_table);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', p_table);
    EXECUTE format('CREATE POLICY project ON %s TO tillroll_project USING (true) WITH CHECK (true)', p_table);
    EXECUTE format(
        'CREATE POLICY read ON %s FOR SELECT TO tillroll_query, tillroll_audit USING (%s)',
        p_table, read_policy(p_table)
    );
    EXECUTE format('GRANT SELECT ON %s TO tillroll_query, tillroll_audit', p_table);
END $$;

DO $$
DECLARE
    each regclass;
BEGIN
    IF NOT pg_has_role(CURRENT_USER, 'tillroll_project', 'USAGE')
       AND EXISTS (SELECT FROM read_models) THEN
        BEGIN
            -- a policy is changed by who owns the table, or has the rights of who does
            GRANT tillroll_project TO CURRENT_USER WITH INHERIT TRUE;
        EXCEPTION WHEN unique_violation THEN
            NULL; -- another database's migration did it meanwhile
        END;
    END IF;
    FOR each IN
        SELECT c.oid::regclass FROM pg_class AS c JOIN pg_policy AS p ON p.polrelid = c.oid AND p.polname = 'read'
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
          AND c.relname ~ '_(g|at)[0-9]+$' AND c.relowner = 'tillroll_project'::regrole
    LOOP
        EXECUTE format('ALTER POLICY read ON %s USING (%s)', each, read_policy(each));
    END LOOP;
END $$;
