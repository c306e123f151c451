-- Who was erased. The key of a data subject is destroyed where it stands; that it was, stands here and in the log.

CREATE TABLE erasures (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject text COLLATE "C" NOT NULL UNIQUE,
    merchant text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    despite text[] COLLATE "C" NOT NULL,
    command_id uuid NOT NULL,
    erased_at timestamptz NOT NULL,
    position bigint
);
CREATE INDEX erasures_unsaid ON erasures (number) WHERE position IS NULL;
CREATE INDEX erasures_by_position ON erasures (position);
CREATE INDEX erasures_of_merchant ON erasures (merchant, number);
COMMENT ON TABLE erasures IS 'Written with the destruction of the key, in one statement. Numbers may have gaps.';
COMMENT ON COLUMN erasures.position IS 'of the event that says so; NULL until it is appended, which follows surely';
COMMENT ON COLUMN erasures.command_id IS 'of that append: however often it is tried, the ledger lets it in once';

-- A key may be destroyed and no more than that: not exchanged, not brought back.
CREATE FUNCTION refuse_key_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op = 'UPDATE' AND new.wrapped_key IS NULL AND new.subject = old.subject THEN
        RETURN new;
    END IF;
    RAISE EXCEPTION 'a data subject''s key can be destroyed, and not changed or brought back: % on %', tg_op,
        tg_table_name USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER data_keys_only_destroyed BEFORE UPDATE OR DELETE ON data_keys
    FOR EACH ROW EXECUTE FUNCTION refuse_key_change();
CREATE TRIGGER data_keys_not_truncated BEFORE TRUNCATE ON data_keys
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_key_change();
ALTER TABLE data_keys ENABLE ALWAYS TRIGGER data_keys_only_destroyed;
ALTER TABLE data_keys ENABLE ALWAYS TRIGGER data_keys_not_truncated;

CREATE FUNCTION refuse_erasure_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op = 'UPDATE' AND old.position IS NULL THEN
        RETURN new;
    END IF;
    RAISE EXCEPTION 'an erasure is recorded for good: % on % is forbidden', tg_op, tg_table_name
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER erasures_kept BEFORE UPDATE OR DELETE ON erasures
    FOR EACH ROW EXECUTE FUNCTION refuse_erasure_change();
CREATE TRIGGER erasures_not_truncated BEFORE TRUNCATE ON erasures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_erasure_change();
ALTER TABLE erasures ENABLE ALWAYS TRIGGER erasures_kept;
ALTER TABLE erasures ENABLE ALWAYS TRIGGER erasures_not_truncated;
REVOKE ALL ON FUNCTION refuse_key_change(), refuse_erasure_change() FROM PUBLIC;

-- Who knows keys may destroy one: after a restore each process does so again before it serves.
REVOKE ALL ON erasures FROM PUBLIC;
GRANT SELECT, INSERT ON erasures TO tillroll_write, tillroll_project;
GRANT UPDATE (position) ON erasures TO tillroll_write;
GRANT UPDATE (wrapped_key, erased_at) ON data_keys TO tillroll_write, tillroll_project;
GRANT INSERT ON data_keys TO tillroll_project;
