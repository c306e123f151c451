-- name: create_tables#
CREATE TABLE transfers_g0 (
    merchant text COLLATE "C" NOT NULL,
    transfer_id text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    note text NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'planned',
    planned_units bigint NOT NULL DEFAULT 0,
    sent_units bigint NOT NULL DEFAULT 0,
    arrived_units bigint NOT NULL DEFAULT 0,
    found_units bigint NOT NULL DEFAULT 0,
    lost_units bigint NOT NULL DEFAULT 0,
    discrepancies_count bigint NOT NULL DEFAULT 0,
    planned_at timestamptz NOT NULL,
    shipped_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (merchant, transfer_id)
) WITH (fillfactor = 80);
CREATE INDEX ON transfers_g0 (merchant, planned_at DESC, transfer_id DESC);
CREATE INDEX ON transfers_g0 (merchant, status, planned_at DESC, transfer_id DESC);
CREATE INDEX ON transfers_g0 (merchant, planned_at DESC, transfer_id DESC) WHERE discrepancies_count > 0;
CREATE TABLE transfer_lines_g0 (
    merchant text COLLATE "C" NOT NULL,
    transfer_id text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    planned bigint NOT NULL,
    sent bigint NOT NULL,
    arrived bigint NOT NULL,
    found bigint NOT NULL,
    lost bigint NOT NULL,
    on_the_way bigint NOT NULL GENERATED ALWAYS AS (greatest(0, sent - arrived - found - lost)) STORED,
    PRIMARY KEY (merchant, transfer_id, sku)
) WITH (fillfactor = 80);
CREATE TABLE transfer_discrepancies_g0 (
    merchant text COLLATE "C" NOT NULL,
    transfer_id text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL,
    resolved bigint NOT NULL,
    open bigint NOT NULL GENERATED ALWAYS AS (quantity - resolved) STORED,
    note text,
    opened_at timestamptz NOT NULL,
    resolved_at timestamptz,
    PRIMARY KEY (merchant, transfer_id, sku, kind)
);

-- name: plan_transfers!
INSERT INTO transfers_g0 (merchant, transfer_id, source, target, note, planned_at)
SELECT * FROM unnest(:merchant, :transfer_id, :source, :target, :note, :planned_at);

-- name: add_transfer_lines!
INSERT INTO transfer_lines_g0 AS l (merchant, transfer_id, sku, planned, sent, arrived, found, lost)
SELECT * FROM unnest(:merchant, :transfer_id, :sku, :planned, :sent, :arrived, :found, :lost)
ON CONFLICT (merchant, transfer_id, sku) DO UPDATE SET
    planned = l.planned + excluded.planned,
    sent = l.sent + excluded.sent,
    arrived = l.arrived + excluded.arrived,
    found = l.found + excluded.found,
    lost = l.lost + excluded.lost;

-- name: change_discrepancies!
-- One of a kind for each SKU: what is opened again after it was resolved is the same one.
INSERT INTO transfer_discrepancies_g0 AS d (
    merchant, transfer_id, sku, kind, quantity, resolved, note, opened_at, resolved_at
)
SELECT merchant, transfer_id, sku, kind, opened, resolved, note, coalesce(opened_at, resolved_at), resolved_at
FROM unnest(
    :merchant, :transfer_id, :sku, :kind, :opened, :resolved, :note, :opened_at, :resolved_at
) AS c (merchant, transfer_id, sku, kind, opened, resolved, note, opened_at, resolved_at)
ON CONFLICT (merchant, transfer_id, sku, kind) DO UPDATE SET
    quantity = d.quantity + excluded.quantity,
    resolved = d.resolved + excluded.resolved,
    note = coalesce(excluded.note, d.note),
    resolved_at = coalesce(excluded.resolved_at, d.resolved_at);

-- name: sum_up_transfers!
-- The head of each, by what its lines and discrepancies come to now.
UPDATE transfers_g0 AS p SET
    status = coalesce(t.status, p.status),
    shipped_at = coalesce(t.shipped_at, p.shipped_at),
    ended_at = coalesce(t.ended_at, p.ended_at),
    planned_units = l.planned,
    sent_units = l.sent,
    arrived_units = l.arrived,
    found_units = l.found,
    lost_units = l.lost,
    discrepancies_count = d.open
FROM unnest(:merchant, :transfer_id, :status, :shipped_at, :ended_at)
    AS t (merchant, transfer_id, status, shipped_at, ended_at)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(planned), 0) AS planned, coalesce(sum(sent), 0) AS sent, coalesce(sum(arrived), 0) AS arrived,
        coalesce(sum(found), 0) AS found, coalesce(sum(lost), 0) AS lost
    FROM transfer_lines_g0 WHERE merchant = t.merchant AND transfer_id = t.transfer_id
) AS l
CROSS JOIN LATERAL (
    SELECT count(*) AS open FROM transfer_discrepancies_g0
    WHERE merchant = t.merchant AND transfer_id = t.transfer_id AND open > 0
) AS d
WHERE p.merchant = t.merchant AND p.transfer_id = t.transfer_id;
