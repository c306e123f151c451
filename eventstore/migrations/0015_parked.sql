-- What came of what people asked of parked keys. That they asked stands in the log, in the streams `parked-…`.

CREATE TABLE parked_answers (
    request bigint PRIMARY KEY,
    follower text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    skipped bigint,
    went_on bigint NOT NULL DEFAULT 0,
    error text NOT NULL DEFAULT '',
    answered_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX parked_answers_skipped ON parked_answers (follower, skipped) WHERE skipped IS NOT NULL;
COMMENT ON TABLE parked_answers IS
    'Requests (by the position of their event) that were carried out, each in one transaction with its effects.';
COMMENT ON COLUMN parked_answers.skipped IS 'the event that the follower left out; none where it stood there no more';
COMMENT ON COLUMN parked_answers.went_on IS 'how many events of the key went on';
COMMENT ON COLUMN parked_answers.error IS 'what the key stands at now; empty if it is free';

REVOKE ALL ON parked_answers FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE ON parked_answers TO tillroll_write, tillroll_project;

-- Keys name merchants and orders: they are for readers who reach all.
ALTER TABLE parked ENABLE ROW LEVEL SECURITY;
CREATE POLICY followers ON parked TO tillroll_write, tillroll_project USING (true) WITH CHECK (true);
CREATE POLICY read ON parked FOR SELECT TO tillroll_query, tillroll_audit USING (
    current_setting('tillroll.reach', true) = 'all'
);
GRANT SELECT ON parked TO tillroll_query, tillroll_audit;
