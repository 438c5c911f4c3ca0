-- +goose Up
-- Up to which note of the journal hits are in rows, see store.folds.
CREATE TABLE hits_folded (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	number BIGINT NOT NULL
);

-- +goose Down
DROP TABLE hits_folded;
