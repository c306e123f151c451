-- How often somebody came: what the processes that limit rates have counted together.

CREATE UNLOGGED TABLE rates (
    key bytea NOT NULL,
    window_number bigint NOT NULL,
    hits bigint NOT NULL,
    ends_at bigint NOT NULL,
    PRIMARY KEY (key, window_number)
) WITH (fillfactor = 50);
COMMENT ON TABLE rates IS
    'Not in the write-ahead log: a crash of the server forgets it, and everybody starts anew.';
COMMENT ON COLUMN rates.key IS 'a digest: neither an address nor an account stands here';
COMMENT ON COLUMN rates.window_number IS 'the time, divided by the length of the window';
COMMENT ON COLUMN rates.ends_at IS 'seconds since 1970, after which nobody asks for it any more';
