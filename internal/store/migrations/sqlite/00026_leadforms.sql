-- +goose Up
-- Forms that take enquiries, see leadform.Form; spec is what is not asked for alone.
CREATE TABLE lead_forms (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	name TEXT NOT NULL,
	active INTEGER NOT NULL,
	spec TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

-- Which parts of test leads were seen to arrive, see lead.Part.
CREATE TABLE lead_proofs (
	tenant BLOB NOT NULL,
	lead BLOB NOT NULL,
	part TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, lead, part)
) STRICT, WITHOUT ROWID;

-- Reports of leads that came incomplete or not at all, see leadcase.Case. evidence has no
-- addresses of people.
CREATE TABLE lead_cases (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	number INTEGER NOT NULL,
	kind TEXT NOT NULL,
	state TEXT NOT NULL,
	outcome TEXT NOT NULL,
	advertiser TEXT NOT NULL,
	object TEXT NOT NULL,
	lead BLOB,
	test BLOB,
	since INTEGER,
	until INTEGER,
	outside INTEGER NOT NULL,
	evidence TEXT NOT NULL,
	opened_at INTEGER NOT NULL,
	closed_at INTEGER,
	words INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX lead_cases_of_advertiser ON lead_cases (tenant, advertiser, id);
CREATE INDEX lead_cases_open ON lead_cases (tenant, id) WHERE state = 'open';
CREATE INDEX lead_cases_worded ON lead_cases (closed_at) WHERE state = 'closed' AND words = 1;

-- What was said in cases, sealed; text is null once its time is over.
CREATE TABLE lead_case_notes (
	tenant BLOB NOT NULL,
	lead_case BLOB NOT NULL,
	id BLOB NOT NULL,
	actor TEXT NOT NULL,
	text BLOB,
	PRIMARY KEY (tenant, lead_case, id)
) STRICT, WITHOUT ROWID;

-- The last number given to a case of the tenant.
CREATE TABLE lead_case_numbers (
	tenant BLOB NOT NULL PRIMARY KEY,
	last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX leads_suspect ON leads (tenant, id) WHERE state = 'suspect';
