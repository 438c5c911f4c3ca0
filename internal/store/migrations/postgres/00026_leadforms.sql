-- +goose Up
-- Forms that take enquiries, see leadform.Form; spec is what is not asked for alone.
CREATE TABLE lead_forms (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	name TEXT NOT NULL,
	active BIGINT NOT NULL,
	spec TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);

-- Which parts of test leads were seen to arrive, see lead.Part.
CREATE TABLE lead_proofs (
	tenant BYTEA NOT NULL,
	lead BYTEA NOT NULL,
	part TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, lead, part)
);

-- Reports of leads that came incomplete or not at all, see leadcase.Case. evidence has no
-- addresses of people.
CREATE TABLE lead_cases (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	number BIGINT NOT NULL,
	kind TEXT NOT NULL,
	state TEXT NOT NULL,
	outcome TEXT NOT NULL,
	advertiser TEXT NOT NULL,
	object TEXT NOT NULL,
	lead BYTEA,
	test BYTEA,
	since BIGINT,
	until BIGINT,
	outside BIGINT NOT NULL,
	evidence TEXT NOT NULL,
	opened_at BIGINT NOT NULL,
	closed_at BIGINT,
	words BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX lead_cases_of_advertiser ON lead_cases (tenant, advertiser, id);
CREATE INDEX lead_cases_open ON lead_cases (tenant, id) WHERE state = 'open';
CREATE INDEX lead_cases_worded ON lead_cases (closed_at) WHERE state = 'closed' AND words = 1;

-- What was said in cases, sealed; text is null once its time is over.
CREATE TABLE lead_case_notes (
	tenant BYTEA NOT NULL,
	lead_case BYTEA NOT NULL,
	id BYTEA NOT NULL,
	actor TEXT NOT NULL,
	text BYTEA,
	PRIMARY KEY (tenant, lead_case, id)
);

-- The last number given to a case of the tenant.
CREATE TABLE lead_case_numbers (
	tenant BYTEA NOT NULL PRIMARY KEY,
	last BIGINT NOT NULL
);

CREATE INDEX leads_suspect ON leads (tenant, id) WHERE state = 'suspect';
