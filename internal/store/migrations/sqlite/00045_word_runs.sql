-- +goose Up
-- Contacts that came together and are found by the same word: their identifiers one after
-- the other, ascending, in one row. first is the first of them. A contact is found by a word
-- of contact_words or by a run, never by both.
CREATE TABLE contact_word_runs (
	tenant BLOB NOT NULL,
	word TEXT NOT NULL,
	first BLOB NOT NULL,
	contacts BLOB NOT NULL,
	PRIMARY KEY (tenant, word, first)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE contact_word_runs;
