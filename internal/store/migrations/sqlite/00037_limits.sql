-- +goose Up
-- metered: the account has a plan, and what it sends is charged. lock_changed is when a lock
-- was last set or lifted, as long as mail may be held because of it; 0: none is. locked_by is
-- who set the lock that holds.
ALTER TABLE tenants ADD COLUMN metered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN lock_changed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN locked_by TEXT NOT NULL DEFAULT '';

-- What accounts may book, see ledger.Plan; retired_at is 0 while it may be booked.
CREATE TABLE plans (
	id BLOB NOT NULL PRIMARY KEY,
	name TEXT NOT NULL,
	included INTEGER NOT NULL,
	overage TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	retired_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is left to an account, see ledger.Account: the sum of its entries and charges, kept
-- so that acceptance reads one row. plan is sixteen zero bytes for none. waiting: mail may be
-- held until something is left.
CREATE TABLE ledger_accounts (
	tenant BLOB NOT NULL PRIMARY KEY,
	plan BLOB NOT NULL,
	allowance INTEGER NOT NULL,
	overage TEXT NOT NULL,
	month INTEGER NOT NULL,
	included INTEGER NOT NULL,
	used INTEGER NOT NULL,
	credit INTEGER NOT NULL,
	base INTEGER NOT NULL,
	spent INTEGER NOT NULL,
	warned INTEGER NOT NULL,
	waiting INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_accounts_waiting ON ledger_accounts (tenant) WHERE waiting = 1;

-- What was given and taken, see ledger.Entry; nothing in it is ever changed.
CREATE TABLE ledger_entries (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	kind TEXT NOT NULL,
	amount INTEGER NOT NULL,
	of_entry BLOB NOT NULL,
	actor TEXT NOT NULL,
	note TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

-- What was charged on a day (UTC, its first millisecond), of the month's allowance and of credit.
CREATE TABLE ledger_charges (
	tenant BLOB NOT NULL,
	day INTEGER NOT NULL,
	included INTEGER NOT NULL,
	credit INTEGER NOT NULL,
	PRIMARY KEY (tenant, day)
) STRICT, WITHOUT ROWID;

-- How mail to a group fared by the hour, folded from tally_notes.
CREATE TABLE group_tallies (
	tenant BLOB NOT NULL,
	grp BLOB NOT NULL,
	start INTEGER NOT NULL,
	what TEXT NOT NULL,
	n INTEGER NOT NULL,
	PRIMARY KEY (tenant, grp, start, what)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_tallies_start ON group_tallies (start);

-- Groups whose mail was stopped, see pause.Pause; released_at is 0 while it is.
CREATE TABLE group_pauses (
	tenant BLOB NOT NULL,
	grp BLOB NOT NULL,
	at INTEGER NOT NULL,
	cause TEXT NOT NULL,
	figures TEXT NOT NULL,
	released_at INTEGER NOT NULL,
	released_by TEXT NOT NULL,
	self INTEGER NOT NULL,
	note TEXT NOT NULL,
	freed INTEGER NOT NULL,
	PRIMARY KEY (tenant, grp, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_pauses_at ON group_pauses (at);
CREATE UNIQUE INDEX group_pauses_one ON group_pauses (tenant, grp) WHERE released_at = 0;
CREATE INDEX group_pauses_unfreed ON group_pauses (tenant) WHERE freed = 0;

-- Limits of an account's groups that staff have set, see pause.Limits.
CREATE TABLE group_limits (
	tenant BLOB NOT NULL PRIMARY KEY,
	limits TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What accounts and the platform write to each other, see ticket.Ticket; subject and texts are sealed.
CREATE TABLE tickets (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	category TEXT NOT NULL,
	state TEXT NOT NULL,
	changed_at INTEGER NOT NULL,
	sealed BLOB NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tickets_id ON tickets (id);
CREATE INDEX tickets_state ON tickets (state, changed_at);

CREATE TABLE ticket_entries (
	tenant BLOB NOT NULL,
	ticket BLOB NOT NULL,
	id BLOB NOT NULL,
	sealed BLOB NOT NULL,
	PRIMARY KEY (tenant, ticket, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE ticket_files (
	tenant BLOB NOT NULL,
	ticket BLOB NOT NULL,
	id BLOB NOT NULL,
	meta BLOB NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (tenant, ticket, id)
) STRICT;
