-- Why is something so? What answers that for an auditor: what followers keep beside the log, of those events that the
-- auditor may see.

-- Each of these says of an event whose it is only by its position or stream: whoever sees the event sees it.
ALTER TABLE reactions ENABLE ROW LEVEL SECURITY;
CREATE POLICY followers ON reactions TO tillroll_write, tillroll_project USING (true) WITH CHECK (true);
CREATE POLICY audit ON reactions FOR SELECT TO tillroll_audit USING (
    EXISTS (SELECT FROM events AS e WHERE e.position = reactions.position)
);
GRANT SELECT (agent, position, event_id, key, rule_version, commands) ON reactions TO tillroll_audit;

ALTER TABLE provider_calls ENABLE ROW LEVEL SECURITY;
CREATE POLICY followers ON provider_calls TO tillroll_write, tillroll_project USING (true) WITH CHECK (true);
CREATE POLICY audit ON provider_calls FOR SELECT TO tillroll_audit USING (
    EXISTS (SELECT FROM events AS e WHERE e.position = provider_calls.position)
);
GRANT SELECT ON provider_calls TO tillroll_audit;

ALTER TABLE deadlines ENABLE ROW LEVEL SECURITY;
CREATE POLICY followers ON deadlines TO tillroll_write, tillroll_project USING (true) WITH CHECK (true);
CREATE POLICY audit ON deadlines FOR SELECT TO tillroll_audit USING (
    merchant = current_setting('tillroll.merchant', true) OR current_setting('tillroll.reach', true) = 'all'
);
GRANT SELECT ON deadlines TO tillroll_audit;

-- What the provider said, word for word, stays where it is: the facts that came of it are in the log.
ALTER TABLE webhook_inbox ENABLE ROW LEVEL SECURITY;
CREATE POLICY followers ON webhook_inbox TO tillroll_write, tillroll_project USING (true) WITH CHECK (true);
CREATE POLICY audit ON webhook_inbox FOR SELECT TO tillroll_audit USING (
    EXISTS (SELECT FROM events AS e WHERE e.stream = webhook_inbox.stream)
);
GRANT SELECT (provider, webhook_id, stream, received_at, attempts, matched_at) ON webhook_inbox TO tillroll_audit;

-- A read model's number lacks what is parked, and what a person had it skip. Positions are no merchant's secret; the
-- view works with its owner's rights, and hides whose they are and why.
CREATE VIEW left_out WITH (security_barrier = true) AS
    SELECT follower, position FROM parked
    UNION ALL
    SELECT follower, skipped FROM parked_answers WHERE skipped IS NOT NULL;
REVOKE ALL ON left_out FROM PUBLIC;
GRANT SELECT ON left_out TO tillroll_audit;

-- An event's id holds the time when it was made: where in the log that is. It is no merchant's secret, as its head.
CREATE FUNCTION position_at(p_at timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    low bigint := 0;
    high bigint := log_head() + 1;
    middle bigint;
BEGIN
    WHILE high - low > 1 LOOP
        middle := (low + high) / 2;
        IF (SELECT e.recorded_at < p_at FROM events AS e WHERE e.position = middle) THEN
            low := middle;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN low;
END $$;
COMMENT ON FUNCTION position_at(timestamptz) IS
    'The last position that was recorded before then, 0 for none; near it only, as far as clocks were apart.';
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION position_at(timestamptz) SET search_path = %I, pg_temp', current_schema());
END $$;
REVOKE ALL ON FUNCTION position_at(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION position_at(timestamptz) TO tillroll_audit;
