-- name: create_tables#
-- The trigrams of words stand in a table of our own: the embedded server has no pg_trgm.
CREATE TABLE search_words_g0 (
    merchant text COLLATE "C" NOT NULL,
    word text COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant, word)
);
CREATE TABLE search_trigrams_g0 (
    merchant text COLLATE "C" NOT NULL,
    trigram text COLLATE "C" NOT NULL,
    word text COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant, trigram, word)
);

-- name: know_words!
INSERT INTO search_words_g0 SELECT * FROM unnest(:merchant, :word) ON CONFLICT DO NOTHING;

-- name: know_trigrams!
INSERT INTO search_trigrams_g0 SELECT * FROM unnest(:merchant, :trigram, :word) ON CONFLICT DO NOTHING;
