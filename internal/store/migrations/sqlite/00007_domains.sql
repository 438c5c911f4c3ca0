-- +goose Up
ALTER TABLE domains ADD COLUMN grace_until INTEGER;
ALTER TABLE domains ADD COLUMN findings TEXT;
DROP INDEX domains_usable;
-- Two tenants may claim a name; only one can prove it.
CREATE UNIQUE INDEX domains_usable ON domains (name) WHERE state IN ('verified', 'grace', 'trusted');

-- NULL while the key signs or waits for its record.
ALTER TABLE dkim_keys ADD COLUMN retired_at INTEGER;

CREATE TABLE domain_facts (
	tenant BLOB NOT NULL,
	domain BLOB NOT NULL,
	id BLOB NOT NULL,
	at INTEGER NOT NULL,
	event TEXT NOT NULL,
	actor TEXT NOT NULL,
	detail TEXT NOT NULL,
	PRIMARY KEY (tenant, domain, id)
) STRICT, WITHOUT ROWID;

-- The aggregate reports that were counted, so that one that comes twice counts once.
CREATE TABLE dmarc_reports (
	tenant BLOB NOT NULL,
	domain TEXT NOT NULL,
	reporter TEXT NOT NULL,
	report TEXT NOT NULL,
	begins_at INTEGER NOT NULL,
	ends_at INTEGER NOT NULL,
	policy TEXT NOT NULL,
	messages INTEGER NOT NULL,
	received_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, domain, reporter, report)
) STRICT, WITHOUT ROWID;

-- Days are counted from 1970. dkim and spf are 1 where they passed and were aligned.
CREATE TABLE dmarc_tallies (
	tenant BLOB NOT NULL,
	domain TEXT NOT NULL,
	day INTEGER NOT NULL,
	source TEXT NOT NULL,
	signer TEXT NOT NULL,
	sender TEXT NOT NULL,
	dkim INTEGER NOT NULL,
	spf INTEGER NOT NULL,
	disposition TEXT NOT NULL,
	messages INTEGER NOT NULL,
	PRIMARY KEY (tenant, domain, day, source, signer, sender, dkim, spf, disposition)
) STRICT, WITHOUT ROWID;
