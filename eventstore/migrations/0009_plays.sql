-- Which dataset was played into this log? A changed one under the same ids would be half of each.

CREATE TABLE plays (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    dataset_digest bytea NOT NULL CHECK (length(dataset_digest) = 32),
    begun_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN plays.dataset_digest IS 'SHA-256 of all rows of the first play; the same play may go on';
