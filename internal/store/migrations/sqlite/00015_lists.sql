-- +goose Up
-- Lists of addresses that are checked, see listcheck.Check. done is how far they are,
-- counts the rows that came to each result, as JSON.
CREATE TABLE list_checks (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	name TEXT NOT NULL,
	heading TEXT NOT NULL,
	stream TEXT NOT NULL,
	actor TEXT NOT NULL,
	state TEXT NOT NULL,
	total INTEGER NOT NULL,
	done INTEGER NOT NULL,
	counts TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	ended_at INTEGER,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX list_checks_open ON list_checks (tenant, id) WHERE state IN ('receiving', 'running');
CREATE INDEX list_checks_expiry ON list_checks (expires_at);

-- print is equal for equal addresses of a list. result is '' until the row is checked,
-- codes the findings with blanks between.
CREATE TABLE list_check_rows (
	tenant BLOB NOT NULL,
	list BLOB NOT NULL,
	number INTEGER NOT NULL,
	line INTEGER NOT NULL,
	address TEXT NOT NULL,
	print INTEGER NOT NULL,
	result TEXT NOT NULL,
	codes TEXT NOT NULL,
	reason TEXT NOT NULL,
	suggestion TEXT NOT NULL,
	PRIMARY KEY (tenant, list, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX list_check_rows_print ON list_check_rows (tenant, list, print, number);

-- A tenant's own thresholds for halts, as JSON.
CREATE TABLE halt_thresholds (
	tenant BLOB PRIMARY KEY,
	thresholds TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Who set which rules and thresholds; before and after are JSON, 'null' the defaults.
CREATE TABLE audience_settings (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	setting TEXT NOT NULL,
	actor TEXT NOT NULL,
	former TEXT NOT NULL,
	latter TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

-- The epoch of the process that reads a return mail; 0: none.
ALTER TABLE returns ADD COLUMN owner INTEGER NOT NULL DEFAULT 0;

-- Return paths name the last four bytes of their tenant.
CREATE INDEX tenants_tag ON tenants (substr(id, 13));
