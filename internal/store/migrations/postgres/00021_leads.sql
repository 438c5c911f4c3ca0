-- +goose Up
-- Enquiries and their mail, see lead.Lead. sealed and salt are null once the content is
-- gone; idempotency is null where the client gave no key or its day is over.
CREATE TABLE leads (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	advertiser TEXT NOT NULL,
	object TEXT NOT NULL,
	title TEXT NOT NULL,
	test BIGINT NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	message BYTEA,
	xml BYTEA,
	taken_at BIGINT NOT NULL,
	sealed BYTEA,
	salt BYTEA,
	idempotency TEXT,
	request BYTEA,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX leads_of_advertiser ON leads (tenant, advertiser, id);
CREATE INDEX leads_unsent ON leads (taken_at) WHERE state = 'taken';
CREATE INDEX leads_stopped ON leads (tenant, id) WHERE state = 'stopped';
CREATE UNIQUE INDEX leads_by_key ON leads (tenant, idempotency) WHERE idempotency IS NOT NULL;

-- Customers of tenants who receive leads, see lead.Advertiser; number is the tenant's own.
CREATE TABLE advertisers (
	tenant BYTEA NOT NULL,
	number TEXT NOT NULL,
	name TEXT NOT NULL,
	emails TEXT NOT NULL,
	software TEXT NOT NULL,
	format TEXT NOT NULL,
	encoding TEXT NOT NULL,
	filename TEXT NOT NULL,
	body TEXT NOT NULL,
	verified_at BIGINT,
	seen_at BIGINT,
	PRIMARY KEY (tenant, number)
);

CREATE TABLE lead_settings (
	tenant BYTEA NOT NULL PRIMARY KEY,
	portal TEXT NOT NULL,
	sender TEXT NOT NULL
);
CREATE INDEX leads_kept ON leads (taken_at) WHERE sealed IS NOT NULL;
