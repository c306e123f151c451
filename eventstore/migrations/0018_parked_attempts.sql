-- How often what people asked of a parked key was begun: counted before, so that what ends its process counts.

CREATE TABLE parked_attempts (
    request bigint PRIMARY KEY,
    attempts integer NOT NULL
);
COMMENT ON TABLE parked_attempts IS
    'Requests (by the position of their event) that were begun by processes that did not live to end them.';

REVOKE ALL ON parked_attempts FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE ON parked_attempts TO tillroll_write, tillroll_project;
