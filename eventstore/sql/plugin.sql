-- name: select_forwards(stream, after, until, limit)
-- A stream's events after version :after up to :until, in order; :limit rows, NULL for all.
SELECT stream, version, type, data FROM events
WHERE stream = :stream AND version > :after AND version <= :until
ORDER BY version LIMIT :limit;

-- name: select_backwards(stream, after, until, limit)
-- The same, the last one first.
SELECT stream, version, type, data FROM events
WHERE stream = :stream AND version > :after AND version <= :until
ORDER BY version DESC LIMIT :limit;

-- name: select_notifications(first, last, topics, limit)
-- Events at positions :first to :last in order, of the types :topics text[] (NULL: all); :limit rows.
SELECT stream, version, type, data, position FROM events
WHERE position BETWEEN :first AND :last AND (:topics::text[] IS NULL OR type = ANY(:topics::text[]))
ORDER BY position LIMIT :limit;

-- name: read_max_position()$
-- The highest position, 0 for an empty log.
SELECT coalesce((SELECT position FROM events ORDER BY position DESC LIMIT 1), 0);

-- name: create_aggregate_records#
-- Records of aggregates that are in no application's sequence, such as snapshots: one for each version.
CREATE TABLE IF NOT EXISTS aggregate_records (
    purpose text COLLATE "C" NOT NULL,
    originator text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    topic text COLLATE "C" NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (purpose, originator, version)
);

-- name: insert_records(purpose, originators, versions, topics, states)
-- Records of :purpose; the others are arrays of equal length.
INSERT INTO aggregate_records
SELECT :purpose, * FROM unnest(:originators::text[], :versions::bigint[], :topics::text[], :states::bytea[]);

-- name: select_records_forwards(purpose, originator, after, until, limit)
-- Records of an aggregate after version :after up to :until, in order; :limit rows, NULL for all.
SELECT originator, version, topic, state FROM aggregate_records
WHERE purpose = :purpose AND originator = :originator AND version > :after AND version <= :until
ORDER BY version LIMIT :limit;

-- name: select_records_backwards(purpose, originator, after, until, limit)
-- The same, the last one first.
SELECT originator, version, topic, state FROM aggregate_records
WHERE purpose = :purpose AND originator = :originator AND version > :after AND version <= :until
ORDER BY version DESC LIMIT :limit;

-- name: create_tracking#
-- How far each application that is followed was processed; and the one way to get further.
CREATE TABLE IF NOT EXISTS tracking (
    application text COLLATE "C" PRIMARY KEY,
    notification_id bigint NOT NULL
) WITH (fillfactor = 70);

CREATE OR REPLACE FUNCTION track(p_application text, p_notification_id bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tracking AS known VALUES (p_application, p_notification_id)
    ON CONFLICT (application) DO UPDATE SET notification_id = excluded.notification_id
    WHERE known.notification_id < excluded.notification_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'notification % of % was processed already', p_notification_id, p_application
            USING ERRCODE = 'unique_violation';
    END IF;
END $$;

-- name: insert_tracking(application, notification_id)
-- Notification :notification_id of :application was processed; a unique violation unless none as high was.
SELECT track(:application, :notification_id);

-- name: read_max_tracking_id(application)
-- The highest notification of :application that was processed; no row if none was.
SELECT notification_id FROM tracking WHERE application = :application;

-- name: create_append_tracked#
-- `append_batch` for one append, and the notification that it comes from, both or neither. An append that is an
-- exception appended nothing now: it conflicts, or it was done before, with its tracking.
CREATE OR REPLACE FUNCTION append_tracked(
    p_application text,
    p_notification_id bigint,
    p_epoch integer,
    p_recorded_at timestamptz,
    p_appends new_append[],
    p_streams new_stream[],
    p_events new_event[],
    OUT head_before bigint,
    OUT head_after bigint,
    OUT exceptions jsonb
)
LANGUAGE plpgsql AS $$
BEGIN
    SELECT batch.* INTO head_before, head_after, exceptions
    FROM append_batch(p_epoch, p_recorded_at, p_appends, p_streams, p_events) AS batch;
    IF exceptions IS NULL THEN
        PERFORM track(p_application, p_notification_id);
    END IF;
END $$;
