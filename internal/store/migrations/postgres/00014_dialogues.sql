-- +goose Up
-- What was said with receiving servers in one attempt, sealed. day is that of the
-- verdict (UTC, since 1970): a tenant's days are dropped one after the other.
CREATE TABLE dialogues (
	tenant BYTEA NOT NULL,
	day INTEGER NOT NULL,
	delivery BYTEA NOT NULL,
	number INTEGER NOT NULL,
	sealed BYTEA NOT NULL,
	PRIMARY KEY (tenant, day, delivery, number)
);
-- Sealed text does not compress.
ALTER TABLE dialogues ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- Why a person commanded it, in their words.
ALTER TABLE events ADD COLUMN note TEXT;
