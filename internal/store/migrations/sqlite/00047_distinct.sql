-- +goose Up
-- Pairs of contacts of whom somebody said that they are two people, though they look like
-- one: they are not proposed for merging again. low is the smaller identifier.
CREATE TABLE contact_distinct (
	tenant BLOB NOT NULL,
	low BLOB NOT NULL,
	high BLOB NOT NULL,
	actor TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, low, high)
) STRICT, WITHOUT ROWID;
CREATE INDEX contact_distinct_high ON contact_distinct (tenant, high);
