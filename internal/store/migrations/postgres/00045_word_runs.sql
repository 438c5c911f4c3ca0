-- +goose Up
-- Contacts that came together and are found by the same word: their identifiers one after
-- the other, ascending, in one row. first is the first of them. A contact is found by a word
-- of contact_words or by a run, never by both.
CREATE TABLE contact_word_runs (
	tenant BYTEA NOT NULL,
	word TEXT COLLATE "C" NOT NULL,
	first BYTEA NOT NULL,
	contacts BYTEA NOT NULL,
	PRIMARY KEY (tenant, word, first)
);

-- +goose Down
DROP TABLE contact_word_runs;
