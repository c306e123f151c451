-- name: create_tables#
CREATE TABLE order_holds_g0 (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    hold_id text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    note text NOT NULL,
    held_by text NOT NULL,
    held_at timestamptz NOT NULL,
    release_note text,
    released_by text,
    released_at timestamptz,
    PRIMARY KEY (merchant, order_id, hold_id)
);
CREATE INDEX ON order_holds_g0 (merchant, reason, order_id) WHERE released_at IS NULL;

-- name: insert_holds!
INSERT INTO order_holds_g0 (merchant, order_id, hold_id, reason, note, held_by, held_at)
SELECT * FROM unnest(:merchant, :order_id, :hold_id, :reason, :note, :held_by, :held_at);

-- name: release_holds!
UPDATE order_holds_g0 AS h
SET release_note = r.release_note, released_by = r.released_by, released_at = r.released_at
FROM unnest(:merchant, :order_id, :hold_id, :release_note, :released_by, :released_at)
    AS r (merchant, order_id, hold_id, release_note, released_by, released_at)
WHERE h.merchant = r.merchant AND h.order_id = r.order_id AND h.hold_id = r.hold_id;

-- name: release_cancelled!
-- A cancelled order is held up by nothing any more.
UPDATE order_holds_g0 AS h
SET release_note = r.release_note, released_by = r.released_by, released_at = r.released_at
FROM unnest(:merchant, :order_id, :hold_id, :release_note, :released_by, :released_at)
    AS r (merchant, order_id, hold_id, release_note, released_by, released_at)
WHERE h.merchant = r.merchant AND h.order_id = r.order_id AND h.released_at IS NULL;
