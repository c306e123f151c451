-- Where in the log is what an auditor asks for, and what did the read models show before?

-- The log gets no further index: each would be paid for by every append. A follower describes it in blocks of 128
-- positions instead: which keys (a merchant, a type, an actor, a cause, a person, an order) a block holds events of,
-- and of which times. Rows are added once their block is full, and never change; who looks for younger events reads
-- these themselves. The last block's end is the follower's position.
CREATE TABLE history_blocks (
    block bigint PRIMARY KEY CHECK (block >= 0),
    recorded_first timestamptz NOT NULL,
    recorded_until timestamptz NOT NULL,
    occurred_first timestamptz NOT NULL,
    occurred_last timestamptz NOT NULL
);
CREATE INDEX history_blocks_recorded ON history_blocks (recorded_until, block);
COMMENT ON TABLE history_blocks IS 'Block b stands for the positions 128 b + 1 to 128 b + 128 of the log.';
COMMENT ON COLUMN history_blocks.recorded_until IS
    'the latest time in this and all blocks before, so that it never goes back though clocks may';

CREATE TABLE history_keys (
    key bigint NOT NULL,
    block bigint NOT NULL,
    PRIMARY KEY (key, block)
);
COMMENT ON TABLE history_keys IS 'Which blocks may hold events of a key; whoever reads them looks again.';
COMMENT ON COLUMN history_keys.key IS 'A hash of what kind of key it is and its text: 64 bits, so that two may meet.';

-- Read models as they stood at a few fixed positions. Their tables (orders_at1048576) are made and dropped by the
-- projector, behind the same walls as the live ones; columns with personal data hold marks in them, which name the event
-- that has the sealed value: `sealed:17:customer.city`.
CREATE TABLE kept_read_models (
    name text COLLATE "C" NOT NULL,
    position bigint NOT NULL CHECK (position > 0),
    version integer NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, position)
);
COMMENT ON COLUMN kept_read_models.version IS 'of the code that the tables were made by';

-- Notes which rows of a temporary table an event changes. The session has a temporary table `changes`, and says
-- which event it is at.
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO pg_temp.changes (position, relation, was, now) VALUES (
        current_setting('tillroll.event')::bigint, TG_TABLE_NAME,
        CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END, CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END
    );
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION note_change() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION note_change() TO tillroll_audit, tillroll_project;

REVOKE ALL ON history_blocks, history_keys, kept_read_models FROM PUBLIC;
GRANT SELECT, INSERT ON history_blocks, history_keys TO tillroll_project;
GRANT SELECT, INSERT, DELETE ON kept_read_models TO tillroll_project;
GRANT SELECT ON history_blocks, history_keys, kept_read_models TO tillroll_audit;
