-- +goose Up
-- Enquiries and their mail, see lead.Lead. sealed and salt are null once the content is
-- gone; idempotency is null where the client gave no key or its day is over.
CREATE TABLE leads (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	advertiser TEXT NOT NULL,
	object TEXT NOT NULL,
	title TEXT NOT NULL,
	test INTEGER NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	message BLOB,
	xml BLOB,
	taken_at INTEGER NOT NULL,
	sealed BLOB,
	salt BLOB,
	idempotency TEXT,
	request BLOB,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX leads_of_advertiser ON leads (tenant, advertiser, id);
CREATE INDEX leads_unsent ON leads (taken_at) WHERE state = 'taken';
CREATE INDEX leads_stopped ON leads (tenant, id) WHERE state = 'stopped';
CREATE UNIQUE INDEX leads_by_key ON leads (tenant, idempotency) WHERE idempotency IS NOT NULL;

-- Customers of tenants who receive leads, see lead.Advertiser; number is the tenant's own.
CREATE TABLE advertisers (
	tenant BLOB NOT NULL,
	number TEXT NOT NULL,
	name TEXT NOT NULL,
	emails TEXT NOT NULL,
	software TEXT NOT NULL,
	format TEXT NOT NULL,
	encoding TEXT NOT NULL,
	filename TEXT NOT NULL,
	body TEXT NOT NULL,
	verified_at INTEGER,
	seen_at INTEGER,
	PRIMARY KEY (tenant, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE lead_settings (
	tenant BLOB NOT NULL PRIMARY KEY,
	portal TEXT NOT NULL,
	sender TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX leads_kept ON leads (taken_at) WHERE sealed IS NOT NULL;
