-- name: create_tables#
CREATE TABLE carrier_invoices_g0 (
    merchant text COLLATE "C" NOT NULL,
    carrier text COLLATE "C" NOT NULL,
    invoice_id text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    lines_count bigint NOT NULL,
    total_cents bigint NOT NULL,
    discrepancies_count bigint NOT NULL DEFAULT 0,
    open_count bigint NOT NULL DEFAULT 0,
    imported_at timestamptz NOT NULL,
    PRIMARY KEY (merchant, carrier, invoice_id)
);
CREATE INDEX ON carrier_invoices_g0 (merchant, imported_at DESC, carrier DESC, invoice_id DESC);
CREATE TABLE invoice_discrepancies_g0 (
    merchant text COLLATE "C" NOT NULL,
    carrier text COLLATE "C" NOT NULL,
    invoice_id text COLLATE "C" NOT NULL,
    line bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    shipment_id text COLLATE "C" NOT NULL,
    tracking_number text COLLATE "C" NOT NULL,
    charged_cents bigint NOT NULL,
    expected_cents bigint,
    currency text COLLATE "C" NOT NULL,
    opened_at timestamptz NOT NULL,
    resolution text COLLATE "C",
    note text,
    resolved_at timestamptz,
    PRIMARY KEY (merchant, carrier, invoice_id, line)
);
CREATE INDEX ON invoice_discrepancies_g0 (merchant, carrier, invoice_id, line) WHERE resolution IS NULL;

-- name: insert_invoices!
INSERT INTO carrier_invoices_g0 (merchant, carrier, invoice_id, currency, lines_count, total_cents, imported_at)
SELECT * FROM unnest(:merchant, :carrier, :invoice_id, :currency, :lines_count, :total_cents, :imported_at);

-- name: change_invoices!
UPDATE carrier_invoices_g0 AS i SET
    discrepancies_count = i.discrepancies_count + c.discrepancies_count,
    open_count = i.open_count + c.open_count
FROM unnest(:merchant, :carrier, :invoice_id, :discrepancies_count, :open_count)
    AS c (merchant, carrier, invoice_id, discrepancies_count, open_count)
WHERE i.merchant = c.merchant AND i.carrier = c.carrier AND i.invoice_id = c.invoice_id;

-- name: open_discrepancies!
INSERT INTO invoice_discrepancies_g0 (
    merchant, carrier, invoice_id, line, kind, shipment_id, tracking_number, charged_cents, expected_cents,
    currency, opened_at
)
SELECT * FROM unnest(
    :merchant, :carrier, :invoice_id, :line, :kind, :shipment_id, :tracking_number, :charged_cents,
    :expected_cents, :currency, :opened_at
);

-- name: resolve_discrepancies!
UPDATE invoice_discrepancies_g0 AS d SET
    resolution = r.resolution, note = r.note, resolved_at = r.resolved_at
FROM unnest(:merchant, :carrier, :invoice_id, :line, :resolution, :note, :resolved_at)
    AS r (merchant, carrier, invoice_id, line, resolution, note, resolved_at)
WHERE d.merchant = r.merchant AND d.carrier = r.carrier AND d.invoice_id = r.invoice_id AND d.line = r.line;
