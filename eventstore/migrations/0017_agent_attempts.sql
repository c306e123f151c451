-- What agents began and perhaps did not live to end: counted before it is begun, so that what kills its process counts.

CREATE TABLE agent_attempts (
    first_partition integer PRIMARY KEY,
    last_partition integer NOT NULL,
    resuming boolean NOT NULL,
    position bigint NOT NULL,
    attempts integer NOT NULL
);
COMMENT ON TABLE agent_attempts IS
    'What was begun last in a range of partitions: a page of the log, or reactions whose commands are sent again.';
COMMENT ON COLUMN agent_attempts.position IS
    'where the page begins: the checkpoint; of reactions that are sent again, the first one''s';
COMMENT ON COLUMN agent_attempts.attempts IS 'how often it was begun, by workers that did not end it';

REVOKE ALL ON agent_attempts FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON agent_attempts TO tillroll_write;
