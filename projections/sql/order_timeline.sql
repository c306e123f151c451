-- name: create_tables#
CREATE TABLE order_timeline_g0 (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    type text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    occurred_at timestamptz NOT NULL,
    happened_at timestamptz,
    recorded_at timestamptz NOT NULL,
    causation text COLLATE "C" NOT NULL,
    actor text NOT NULL,
    details text NOT NULL,
    PRIMARY KEY (merchant, order_id, position)
);

-- name: insert_order_timeline!
INSERT INTO order_timeline_g0
SELECT * FROM unnest(
    :merchant, :order_id, :position, :type, :stream, :occurred_at, :happened_at, :recorded_at, :causation,
    :actor, :details
);
