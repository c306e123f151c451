-- Which master key is this log's? With another one every personal field would be unreadable, and new ones mixed in.

CREATE TABLE master_key (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    check_value bytea NOT NULL CHECK (length(check_value) = 32),
    recorded_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN master_key.check_value IS
    'a keyed hash that only the right key gives, and that says nothing about it';
