-- Several workers share a follower: a checkpoint stands for a range of the 64 partitions that keys are hashed into.

ALTER TABLE checkpoints
    ADD COLUMN first_partition integer NOT NULL DEFAULT 0,
    ADD COLUMN last_partition integer NOT NULL DEFAULT 63,
    ADD COLUMN worker bigint,
    ADD CHECK (0 <= first_partition AND first_partition <= last_partition AND last_partition <= 63),
    DROP CONSTRAINT checkpoints_pkey,
    ADD PRIMARY KEY (follower, first_partition);
COMMENT ON TABLE checkpoints IS 'The checkpoints of a follower cover the partitions 0 to 63, each of them once.';
COMMENT ON COLUMN checkpoints.worker IS 'who took the lease last; NULL once it was given back';

CREATE TABLE workers (
    worker bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    teams text[] COLLATE "C" NOT NULL,
    alive_until timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE workers IS
    'Who shares the work, and lives: each computes from it, by itself, which partitions are its own.';
COMMENT ON COLUMN workers.teams IS 'what it is able to follow, each with its version';

ALTER TABLE projection_attempts
    ADD COLUMN first_partition integer NOT NULL DEFAULT 0,
    ADD COLUMN last_partition integer NOT NULL DEFAULT 63,
    DROP CONSTRAINT projection_attempts_pkey,
    ADD PRIMARY KEY (follower, first_partition);

-- Compare and set, for all that moves together. The range belongs to it: a worker that was stopped while its
-- checkpoint was cut must not take the partitions of others once more. An exception, because the caller sends the
-- rows of the page and the commit in the same round trip: nobody is there to look at a result.
DROP FUNCTION move_projections(text[], bigint[], bigint, bigint);
CREATE FUNCTION move_projections(
    p_followers text[], p_firsts integer[], p_lasts integer[], p_leases bigint[], p_was bigint, p_position bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    moved integer;
BEGIN
    UPDATE checkpoints AS c SET position = p_position, done = p_position, moved_at = now()
    FROM unnest(p_followers, p_firsts, p_lasts, p_leases) AS mine (follower, first, last, lease)
    WHERE c.follower = mine.follower AND c.first_partition = mine.first AND c.last_partition = mine.last
      AND c.lease = mine.lease AND c.position = p_was;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(p_followers) THEN
        RAISE EXCEPTION 'these partitions are moved by another worker, or the read model was switched'
            USING ERRCODE = 'TR001';
    END IF;
END $$;
REVOKE ALL ON FUNCTION move_projections(text[], integer[], integer[], bigint[], bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION move_projections(text[], integer[], integer[], bigint[], bigint, bigint)
    TO tillroll_project;

GRANT SELECT, INSERT, UPDATE, DELETE ON workers TO tillroll_project, tillroll_write;
GRANT DELETE ON checkpoints TO tillroll_write;
