-- name: create_tables#
CREATE TABLE allocation_rules_g0 (
    merchant text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    rules text NOT NULL,
    when_short text COLLATE "C" NOT NULL,
    effective_from timestamptz NOT NULL,
    restores bigint,
    note text NOT NULL,
    set_at timestamptz NOT NULL,
    set_by text NOT NULL,
    PRIMARY KEY (merchant, version)
);

-- name: insert_versions!
INSERT INTO allocation_rules_g0 (
    merchant, version, rules, when_short, effective_from, restores, note, set_at, set_by
)
SELECT * FROM unnest(
    :merchant, :version, :rules, :when_short, :effective_from, :restores, :note, :set_at, :set_by
);
