-- What followers of the log keep: where they are, what agents decided and what is still to be done.

CREATE TABLE checkpoints (
    follower text COLLATE "C" PRIMARY KEY,
    position bigint NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    lease bigint NOT NULL DEFAULT 0,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    moved_at timestamptz NOT NULL DEFAULT now(),
    CHECK (done <= position)
) WITH (fillfactor = 50);
COMMENT ON COLUMN checkpoints.position IS 'everything up to here is taken, with its effects, in one transaction';
COMMENT ON COLUMN checkpoints.done IS 'agents: all commands of reactions up to here have answered';
COMMENT ON COLUMN checkpoints.lease IS 'fencing number: a worker with an older one changes nothing';

CREATE TABLE agent_processes (
    agent text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (agent, key)
) WITH (fillfactor = 70);

CREATE TABLE reactions (
    agent text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    event_id uuid NOT NULL,
    key text COLLATE "C" NOT NULL,
    rule_version integer NOT NULL,
    commands bytea NOT NULL,
    PRIMARY KEY (agent, position)
);
COMMENT ON TABLE reactions IS
    'What an agent decided because of the event at position: resumed after a crash, never decided anew.';

CREATE TABLE deadlines (
    agent text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    merchant text COLLATE "C" NOT NULL,
    correlation text COLLATE "C" NOT NULL,
    clock text COLLATE "C" NOT NULL,
    causation text COLLATE "C" NOT NULL,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (agent, key, name)
);
CREATE INDEX deadlines_by_clock ON deadlines (clock, due_at);

CREATE TABLE business_clocks (
    clock text COLLATE "C" PRIMARY KEY,
    now timestamptz NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE business_clocks IS 'Played history runs on a clock of its own for each checkout.';

CREATE TABLE provider_calls (
    gateway text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    correlation text COLLATE "C" NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (gateway, position)
);
COMMENT ON TABLE provider_calls IS 'Requests (by the position of their event) whose outcome is not recorded yet.';

CREATE TABLE webhook_inbox (
    provider text COLLATE "C" NOT NULL,
    webhook_id text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    correlation text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    matched_at timestamptz,
    PRIMARY KEY (provider, webhook_id)
);
CREATE INDEX webhook_inbox_waiting ON webhook_inbox (next_at) WHERE matched_at IS NULL;
COMMENT ON TABLE webhook_inbox IS 'Every webhook, once; one that matches nothing yet is kept and tried again.';

CREATE TABLE parked (
    follower text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    error text NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (follower, key, position)
);
COMMENT ON TABLE parked IS 'Events that a follower''s own handler failed on, and later ones of the same key.';
