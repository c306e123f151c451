-- How a parked key of an agent goes on: what was recorded for it is sent again when the agents start anew.

ALTER TABLE reactions ADD COLUMN resend boolean NOT NULL DEFAULT false;
CREATE INDEX reactions_to_resend ON reactions (agent, position) WHERE resend;
COMMENT ON COLUMN reactions.resend IS
    'its key was parked and is retried: its commands are sent whatever the checkpoint says';
