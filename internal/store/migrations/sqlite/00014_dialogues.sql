-- +goose Up
-- What was said with receiving servers in one attempt, sealed. day is that of the
-- verdict (UTC, since 1970): a tenant's days are dropped one after the other.
CREATE TABLE dialogues (
	tenant BLOB NOT NULL,
	day INTEGER NOT NULL,
	delivery BLOB NOT NULL,
	number INTEGER NOT NULL,
	sealed BLOB NOT NULL,
	PRIMARY KEY (tenant, day, delivery, number)
) STRICT, WITHOUT ROWID;

-- Why a person commanded it, in their words.
ALTER TABLE events ADD COLUMN note TEXT;
