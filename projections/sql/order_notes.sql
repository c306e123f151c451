-- name: create_tables#
CREATE TABLE order_notes_g0 (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    note_id text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    text text,
    written_by text NOT NULL,
    written_at timestamptz NOT NULL,
    PRIMARY KEY (merchant, order_id, note_id)
);
CREATE INDEX ON order_notes_g0 (subject);

-- name: insert_notes!
INSERT INTO order_notes_g0
SELECT * FROM unnest(:merchant, :order_id, :note_id, :subject, :text, :written_by, :written_at);

-- name: erase_notes!
-- Whoever was erased leaves no plain text. :subject text[]
UPDATE order_notes_g0 SET text = NULL WHERE subject = ANY(:subject) AND text IS NOT NULL;
