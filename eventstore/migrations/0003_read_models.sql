-- Which generations of each read model exist, and how the projector moves through the log.

CREATE TABLE read_models (
    name text COLLATE "C" NOT NULL,
    generation integer NOT NULL CHECK (generation > 0),
    version integer NOT NULL,
    live boolean NOT NULL DEFAULT false,
    made_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, generation)
);
CREATE UNIQUE INDEX read_models_live ON read_models (name) WHERE live;
COMMENT ON TABLE read_models IS
    'A generation has tables of its own (orders_g2); the views (orders) show the live one.';
COMMENT ON COLUMN read_models.version IS 'of the code that the tables were made by';

CREATE TABLE projection_attempts (
    follower text COLLATE "C" PRIMARY KEY,
    position bigint NOT NULL,
    attempts integer NOT NULL
);
COMMENT ON TABLE projection_attempts IS
    'How often the page after position was begun: a handler that kills its process is counted, too.';

CREATE FUNCTION projection_follower(p_name text, p_generation integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 'projection:' || p_name || ':g' || p_generation;

-- Compare and set, for all read models that move together. An exception, because the caller sends the rows
-- of the page and the commit in the same round trip: nobody is there to look at a result.
CREATE FUNCTION move_projections(p_followers text[], p_leases bigint[], p_was bigint, p_position bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    moved integer;
BEGIN
    UPDATE checkpoints AS c SET position = p_position, done = p_position, moved_at = now()
    FROM unnest(p_followers, p_leases) AS mine (follower, lease)
    WHERE c.follower = mine.follower AND c.lease = mine.lease AND c.position = p_was;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(p_followers) THEN
        RAISE EXCEPTION 'these read models are moved by another worker, or were switched'
            USING ERRCODE = 'TR001';
    END IF;
END $$;
