-- +goose Up
-- Moves to other sources, see changeover.Changeover; document holds what is not asked
-- for. tenant is 16 zero bytes for the whole platform.
CREATE TABLE changeovers (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	stage TEXT NOT NULL,
	version INTEGER NOT NULL,
	document TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX changeovers_by_id ON changeovers (id);

-- Their history.
CREATE TABLE changeover_events (
	changeover BLOB NOT NULL,
	number INTEGER NOT NULL,
	at INTEGER NOT NULL,
	actor TEXT NOT NULL,
	what TEXT NOT NULL,
	detail TEXT NOT NULL,
	PRIMARY KEY (changeover, number)
) STRICT, WITHOUT ROWID;

-- Customers whose mail fell back to an old source, see changeover.Mark.
CREATE TABLE changeover_marks (
	tenant BLOB NOT NULL,
	changeover BLOB NOT NULL,
	domain TEXT NOT NULL,
	site TEXT NOT NULL,
	source TEXT NOT NULL,
	count INTEGER NOT NULL,
	reply TEXT NOT NULL,
	first_at INTEGER NOT NULL,
	last_at INTEGER NOT NULL,
	delivery TEXT NOT NULL,
	PRIMARY KEY (tenant, changeover, domain)
) STRICT, WITHOUT ROWID;

-- Shares of mail over new sources, see egress.Shift.
CREATE TABLE egress_shifts (
	name TEXT NOT NULL PRIMARY KEY,
	document TEXT NOT NULL
) STRICT, WITHOUT ROWID;
