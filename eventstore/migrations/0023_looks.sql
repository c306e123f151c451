-- Who looked: reads by auditors, and by roles that reach every merchant. Apart from the log of trade.

CREATE TABLE looks (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    looked_at timestamptz NOT NULL,
    actor text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL,
    merchant text COLLATE "C" NOT NULL,
    permission text COLLATE "C" NOT NULL,
    method text COLLATE "C" NOT NULL,
    route text COLLATE "C" NOT NULL,
    path text NOT NULL,
    parameters text NOT NULL,
    status integer NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    rows bigint
);
CREATE INDEX looks_by_time ON looks (looked_at, number);
CREATE INDEX looks_of_merchant ON looks (merchant, number);
CREATE INDEX looks_of_actor ON looks (actor, number);
COMMENT ON TABLE looks IS 'Written before the answer goes out. Forgotten after TILLROLL_LOOKS_DAYS.';
COMMENT ON COLUMN looks.merchant IS 'whose data was asked for; empty for what spans merchants';
COMMENT ON COLUMN looks.parameters IS 'JSON: [[name, value], …] of the query';

CREATE TABLE look_ends (
    number bigint PRIMARY KEY,
    ended_at timestamptz NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    rows bigint NOT NULL
);
COMMENT ON TABLE look_ends IS 'Of answers that are streams: what was sent of them in the end.';

-- Nothing in it changes, and what is young does not go.
CREATE FUNCTION refuse_look_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op = 'DELETE' AND (to_jsonb(old) ->> coalesce(tg_argv[0], ''))::timestamptz < now() - interval '30 days' THEN
        RETURN old;
    END IF;
    RAISE EXCEPTION 'who looked is recorded: % on % is forbidden, but of what is older than 30 days', tg_op, tg_table_name
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE FUNCTION check_look_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM looks AS l WHERE l.number = new.number AND l.outcome = 'begun') THEN
        RAISE EXCEPTION 'the look % did not begin as a stream, and so has no end of its own', new.number
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER look_ends_begun BEFORE INSERT ON look_ends
    FOR EACH ROW EXECUTE FUNCTION check_look_end();
ALTER TABLE look_ends ENABLE ALWAYS TRIGGER look_ends_begun;
REVOKE ALL ON FUNCTION check_look_end() FROM PUBLIC;
CREATE TRIGGER looks_kept BEFORE UPDATE OR DELETE ON looks
    FOR EACH ROW EXECUTE FUNCTION refuse_look_change('looked_at');
CREATE TRIGGER look_ends_kept BEFORE UPDATE OR DELETE ON look_ends
    FOR EACH ROW EXECUTE FUNCTION refuse_look_change('ended_at');
CREATE TRIGGER looks_not_truncated BEFORE TRUNCATE ON looks
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_look_change();
CREATE TRIGGER look_ends_not_truncated BEFORE TRUNCATE ON look_ends
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_look_change();
ALTER TABLE looks ENABLE ALWAYS TRIGGER looks_kept;
ALTER TABLE looks ENABLE ALWAYS TRIGGER looks_not_truncated;
ALTER TABLE look_ends ENABLE ALWAYS TRIGGER look_ends_kept;
ALTER TABLE look_ends ENABLE ALWAYS TRIGGER look_ends_not_truncated;
REVOKE ALL ON FUNCTION refuse_look_change() FROM PUBLIC;

REVOKE ALL ON looks, look_ends FROM PUBLIC;
GRANT SELECT, INSERT, DELETE ON looks, look_ends TO tillroll_access;
