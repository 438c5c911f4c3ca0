-- +goose Up
ALTER TABLE domains ADD COLUMN grace_until BIGINT;
ALTER TABLE domains ADD COLUMN findings TEXT;
DROP INDEX domains_usable;
-- Two tenants may claim a name; only one can prove it.
CREATE UNIQUE INDEX domains_usable ON domains (name) WHERE state IN ('verified', 'grace', 'trusted');

-- NULL while the key signs or waits for its record.
ALTER TABLE dkim_keys ADD COLUMN retired_at BIGINT;

CREATE TABLE domain_facts (
	tenant BYTEA NOT NULL,
	domain BYTEA NOT NULL,
	id BYTEA NOT NULL,
	at BIGINT NOT NULL,
	event TEXT NOT NULL,
	actor TEXT NOT NULL,
	detail TEXT NOT NULL,
	PRIMARY KEY (tenant, domain, id)
);

-- The aggregate reports that were counted, so that one that comes twice counts once.
CREATE TABLE dmarc_reports (
	tenant BYTEA NOT NULL,
	domain TEXT NOT NULL,
	reporter TEXT NOT NULL,
	report TEXT NOT NULL,
	begins_at BIGINT NOT NULL,
	ends_at BIGINT NOT NULL,
	policy TEXT NOT NULL,
	messages BIGINT NOT NULL,
	received_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, domain, reporter, report)
);

-- Days are counted from 1970. dkim and spf are 1 where they passed and were aligned.
CREATE TABLE dmarc_tallies (
	tenant BYTEA NOT NULL,
	domain TEXT NOT NULL,
	day INTEGER NOT NULL,
	source TEXT NOT NULL,
	signer TEXT NOT NULL,
	sender TEXT NOT NULL,
	dkim SMALLINT NOT NULL,
	spf SMALLINT NOT NULL,
	disposition TEXT NOT NULL,
	messages BIGINT NOT NULL,
	PRIMARY KEY (tenant, domain, day, source, signer, sender, dkim, spf, disposition)
);
