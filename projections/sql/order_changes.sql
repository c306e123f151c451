-- name: create_tables#
CREATE TABLE order_changes_g0 (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    change_set_id text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'proposed',
    reason text,
    note text NOT NULL,
    items_change_cents bigint NOT NULL,
    shipping_change_cents bigint NOT NULL,
    change_cents bigint NOT NULL,
    total_cents bigint NOT NULL,
    preview text NOT NULL,
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    decided_by text,
    decided_at timestamptz,
    PRIMARY KEY (merchant, order_id, change_set_id)
);

-- name: insert_changes!
INSERT INTO order_changes_g0 (
    merchant, order_id, change_set_id, note, items_change_cents, shipping_change_cents, change_cents, total_cents,
    preview, proposed_by, proposed_at, expires_at
)
SELECT * FROM unnest(
    :merchant, :order_id, :change_set_id, :note, :items_change_cents, :shipping_change_cents, :change_cents,
    :total_cents, :preview, :proposed_by, :proposed_at, :expires_at
);

-- name: decide_changes!
UPDATE order_changes_g0 AS c
SET status = d.status, reason = d.reason, decided_by = d.decided_by, decided_at = d.decided_at
FROM unnest(:merchant, :order_id, :change_set_id, :status, :reason, :decided_by, :decided_at)
    AS d (merchant, order_id, change_set_id, status, reason, decided_by, decided_at)
WHERE c.merchant = d.merchant AND c.order_id = d.order_id AND c.change_set_id = d.change_set_id;
