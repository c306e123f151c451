-- Catalogues that somebody uploaded, row by row, with what came of each. What was done stands in the log: these tables
-- say how far it is, and what has to be mended; they go after a month.

CREATE TABLE catalogue_imports (
    import_id uuid PRIMARY KEY,
    merchant text COLLATE "C" NOT NULL,
    actor text NOT NULL,
    digest bytea NOT NULL,
    attempt integer NOT NULL DEFAULT 1,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX catalogue_imports_by_age ON catalogue_imports (received_at);
COMMENT ON COLUMN catalogue_imports.digest IS 'SHA-256 of the file: the same key with another file is refused';
COMMENT ON COLUMN catalogue_imports.attempt IS 'which time its rows are tried';

CREATE TABLE catalogue_import_rows (
    import_id uuid NOT NULL REFERENCES catalogue_imports ON DELETE CASCADE,
    line integer NOT NULL,
    cells jsonb NOT NULL,
    outcome text NOT NULL DEFAULT 'waiting' CHECK (outcome IN ('waiting', 'done', 'failed')),
    "column" text NOT NULL DEFAULT '',
    message text NOT NULL DEFAULT '',
    PRIMARY KEY (import_id, line)
);
CREATE INDEX catalogue_import_rows_waiting ON catalogue_import_rows (import_id, line) WHERE outcome = 'waiting';
CREATE INDEX catalogue_import_rows_failed ON catalogue_import_rows (import_id, line) WHERE outcome = 'failed';

REVOKE ALL ON catalogue_imports, catalogue_import_rows FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON catalogue_imports, catalogue_import_rows TO tillroll_write;
ALTER TABLE catalogue_imports ENABLE ROW LEVEL SECURITY;
CREATE POLICY followers ON catalogue_imports TO tillroll_write USING (true) WITH CHECK (true);
ALTER TABLE catalogue_import_rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY followers ON catalogue_import_rows TO tillroll_write USING (true) WITH CHECK (true);
