-- +goose Up
-- metered: the account has a plan, and what it sends is charged. lock_changed is when a lock
-- was last set or lifted, as long as mail may be held because of it; 0: none is. locked_by is
-- who set the lock that holds.
ALTER TABLE tenants ADD COLUMN metered BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN lock_changed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN locked_by TEXT NOT NULL DEFAULT '';

-- What accounts may book, see ledger.Plan; retired_at is 0 while it may be booked.
CREATE TABLE plans (
	id BYTEA NOT NULL PRIMARY KEY,
	name TEXT NOT NULL,
	included BIGINT NOT NULL,
	overage TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	retired_at BIGINT NOT NULL
);

-- What is left to an account, see ledger.Account: the sum of its entries and charges, kept
-- so that acceptance reads one row. plan is sixteen zero bytes for none. waiting: mail may be
-- held until something is left.
CREATE TABLE ledger_accounts (
	tenant BYTEA NOT NULL PRIMARY KEY,
	plan BYTEA NOT NULL,
	allowance BIGINT NOT NULL,
	overage TEXT NOT NULL,
	month BIGINT NOT NULL,
	included BIGINT NOT NULL,
	used BIGINT NOT NULL,
	credit BIGINT NOT NULL,
	base BIGINT NOT NULL,
	spent BIGINT NOT NULL,
	warned BIGINT NOT NULL,
	waiting BIGINT NOT NULL
);
CREATE INDEX ledger_accounts_waiting ON ledger_accounts (tenant) WHERE waiting = 1;

-- What was given and taken, see ledger.Entry; nothing in it is ever changed.
CREATE TABLE ledger_entries (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	kind TEXT NOT NULL,
	amount BIGINT NOT NULL,
	of_entry BYTEA NOT NULL,
	actor TEXT NOT NULL,
	note TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
);

-- What was charged on a day (UTC, its first millisecond), of the month's allowance and of credit.
CREATE TABLE ledger_charges (
	tenant BYTEA NOT NULL,
	day BIGINT NOT NULL,
	included BIGINT NOT NULL,
	credit BIGINT NOT NULL,
	PRIMARY KEY (tenant, day)
);

-- How mail to a group fared by the hour, folded from tally_notes.
CREATE TABLE group_tallies (
	tenant BYTEA NOT NULL,
	grp BYTEA NOT NULL,
	start BIGINT NOT NULL,
	what TEXT NOT NULL,
	n BIGINT NOT NULL,
	PRIMARY KEY (tenant, grp, start, what)
);
CREATE INDEX group_tallies_start ON group_tallies (start);

-- Groups whose mail was stopped, see pause.Pause; released_at is 0 while it is.
CREATE TABLE group_pauses (
	tenant BYTEA NOT NULL,
	grp BYTEA NOT NULL,
	at BIGINT NOT NULL,
	cause TEXT NOT NULL,
	figures TEXT NOT NULL,
	released_at BIGINT NOT NULL,
	released_by TEXT NOT NULL,
	self BIGINT NOT NULL,
	note TEXT NOT NULL,
	freed BIGINT NOT NULL,
	PRIMARY KEY (tenant, grp, at)
);
CREATE INDEX group_pauses_at ON group_pauses (at);
CREATE UNIQUE INDEX group_pauses_one ON group_pauses (tenant, grp) WHERE released_at = 0;
CREATE INDEX group_pauses_unfreed ON group_pauses (tenant) WHERE freed = 0;

-- Limits of an account's groups that staff have set, see pause.Limits.
CREATE TABLE group_limits (
	tenant BYTEA NOT NULL PRIMARY KEY,
	limits TEXT NOT NULL
);

-- What accounts and the platform write to each other, see ticket.Ticket; subject and texts are sealed.
CREATE TABLE tickets (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	version BIGINT NOT NULL,
	category TEXT NOT NULL,
	state TEXT NOT NULL,
	changed_at BIGINT NOT NULL,
	sealed BYTEA NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX tickets_id ON tickets (id);
CREATE INDEX tickets_state ON tickets (state, changed_at);

CREATE TABLE ticket_entries (
	tenant BYTEA NOT NULL,
	ticket BYTEA NOT NULL,
	id BYTEA NOT NULL,
	sealed BYTEA NOT NULL,
	PRIMARY KEY (tenant, ticket, id)
);

CREATE TABLE ticket_files (
	tenant BYTEA NOT NULL,
	ticket BYTEA NOT NULL,
	id BYTEA NOT NULL,
	meta BYTEA NOT NULL,
	body BYTEA NOT NULL,
	PRIMARY KEY (tenant, ticket, id)
);
