-- +goose Up
-- Pairs of contacts of whom somebody said that they are two people, though they look like
-- one: they are not proposed for merging again. low is the smaller identifier.
CREATE TABLE contact_distinct (
	tenant BYTEA NOT NULL,
	low BYTEA NOT NULL,
	high BYTEA NOT NULL,
	actor TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, low, high)
);
CREATE INDEX contact_distinct_high ON contact_distinct (tenant, high);
