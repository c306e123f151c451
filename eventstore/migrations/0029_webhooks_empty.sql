-- A webhook that is matched stands in the log, in our words. As its provider wrote it, which may say more, it is kept no
-- longer than it is read: until then (see `settle_webhooks`).

UPDATE webhook_inbox SET body = '' WHERE matched_at IS NOT NULL;
COMMENT ON COLUMN webhook_inbox.body IS 'As its provider sent it; empty once it is matched.';
