-- +goose Up
-- Moves to other sources, see changeover.Changeover; document holds what is not asked
-- for. tenant is 16 zero bytes for the whole platform.
CREATE TABLE changeovers (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	stage TEXT NOT NULL,
	version BIGINT NOT NULL,
	document TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX changeovers_by_id ON changeovers (id);

-- Their history.
CREATE TABLE changeover_events (
	changeover BYTEA NOT NULL,
	number BIGINT NOT NULL,
	at BIGINT NOT NULL,
	actor TEXT NOT NULL,
	what TEXT NOT NULL,
	detail TEXT NOT NULL,
	PRIMARY KEY (changeover, number)
);

-- Customers whose mail fell back to an old source, see changeover.Mark.
CREATE TABLE changeover_marks (
	tenant BYTEA NOT NULL,
	changeover BYTEA NOT NULL,
	domain TEXT NOT NULL,
	site TEXT NOT NULL,
	source TEXT NOT NULL,
	count BIGINT NOT NULL,
	reply TEXT NOT NULL,
	first_at BIGINT NOT NULL,
	last_at BIGINT NOT NULL,
	delivery TEXT NOT NULL,
	PRIMARY KEY (tenant, changeover, domain)
);

-- Shares of mail over new sources, see egress.Shift.
CREATE TABLE egress_shifts (
	name TEXT NOT NULL PRIMARY KEY,
	document TEXT NOT NULL
);
