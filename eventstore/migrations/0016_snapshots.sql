-- Folded states of long streams, so that loading one does not begin with its first event.

-- Nothing depends on a row here: it may be missing, and whoever loads ignores one that is of another form or of an
-- event that the log does not hold. All of it may be deleted at any time. Personal data is ciphertext, as in events.
CREATE TABLE snapshots (
    stream text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0),
    leaf_hash bytea NOT NULL CHECK (length(leaf_hash) = 32),
    form text COLLATE "C" NOT NULL,
    state bytea NOT NULL
);
COMMENT ON TABLE snapshots IS 'The state of a stream at a version; not authoritative.';
COMMENT ON COLUMN snapshots.leaf_hash IS 'Of the event with that version: after a restore it may be another, or none.';
COMMENT ON COLUMN snapshots.form IS 'Version of the fold, and a hash of the shape of the state.';
COMMENT ON COLUMN snapshots.state IS 'JSON.';

REVOKE ALL ON snapshots FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE ON snapshots TO tillroll_write;
GRANT SELECT ON snapshots TO tillroll_project;
