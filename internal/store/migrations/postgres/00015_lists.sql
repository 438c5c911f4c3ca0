-- +goose Up
-- Lists of addresses that are checked, see listcheck.Check. done is how far they are,
-- counts the rows that came to each result, as JSON.
CREATE TABLE list_checks (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	name TEXT NOT NULL,
	heading TEXT NOT NULL,
	stream TEXT NOT NULL,
	actor TEXT NOT NULL,
	state TEXT NOT NULL,
	total BIGINT NOT NULL,
	done BIGINT NOT NULL,
	counts TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	ended_at BIGINT,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX list_checks_open ON list_checks (tenant, id) WHERE state IN ('receiving', 'running');
CREATE INDEX list_checks_expiry ON list_checks (expires_at);

-- print is equal for equal addresses of a list. result is '' until the row is checked,
-- codes the findings with blanks between.
CREATE TABLE list_check_rows (
	tenant BYTEA NOT NULL,
	list BYTEA NOT NULL,
	number BIGINT NOT NULL,
	line BIGINT NOT NULL,
	address TEXT NOT NULL,
	print BIGINT NOT NULL,
	result TEXT NOT NULL,
	codes TEXT NOT NULL,
	reason TEXT NOT NULL,
	suggestion TEXT NOT NULL,
	PRIMARY KEY (tenant, list, number)
);
CREATE INDEX list_check_rows_print ON list_check_rows (tenant, list, print, number);

-- A tenant's own thresholds for halts, as JSON.
CREATE TABLE halt_thresholds (
	tenant BYTEA PRIMARY KEY,
	thresholds TEXT NOT NULL
);

-- Who set which rules and thresholds; before and after are JSON, 'null' the defaults.
CREATE TABLE audience_settings (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	setting TEXT NOT NULL,
	actor TEXT NOT NULL,
	former TEXT NOT NULL,
	latter TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);

-- The epoch of the process that reads a return mail; 0: none.
ALTER TABLE returns ADD COLUMN owner BIGINT NOT NULL DEFAULT 0;

-- Return paths name the last four bytes of their tenant.
CREATE INDEX tenants_tag ON tenants (substr(id, 13));
