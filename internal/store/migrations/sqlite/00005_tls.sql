-- +goose Up
-- What the sender says of encryption (RFC 8689): 0 nothing, 1 REQUIRETLS, 2 TLS-Required: No.
ALTER TABLE messages ADD COLUMN tls INTEGER NOT NULL DEFAULT 0;

-- MTA-STS policies of foreign domains (RFC 8461). mx is a JSON list of patterns.
CREATE TABLE sts_policies (
	domain TEXT PRIMARY KEY,
	policy_id TEXT NOT NULL,
	mode TEXT NOT NULL,
	mx TEXT NOT NULL,
	max_age INTEGER NOT NULL,
	fetched_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sts_policies_fetched ON sts_policies (fetched_at);

-- How sessions to the servers of foreign domains came out, by day since 1970 (RFC 8460).
-- digest is of the columns from policy to reason, which are too long for a key.
CREATE TABLE tls_tallies (
	day INTEGER NOT NULL,
	domain TEXT NOT NULL,
	digest BLOB NOT NULL,
	type TEXT NOT NULL,
	policy TEXT NOT NULL,
	result TEXT NOT NULL,
	host TEXT NOT NULL,
	sender TEXT NOT NULL,
	receiver TEXT NOT NULL,
	reason TEXT NOT NULL,
	sessions INTEGER NOT NULL,
	PRIMARY KEY (day, domain, digest)
) STRICT, WITHOUT ROWID;

-- Which reports about them were sent.
CREATE TABLE tls_reports_sent (
	day INTEGER NOT NULL,
	domain TEXT NOT NULL,
	sent_at INTEGER NOT NULL,
	PRIMARY KEY (day, domain)
) STRICT, WITHOUT ROWID;

-- What others report about a tenant's domain.
CREATE TABLE tls_reports (
	tenant BLOB NOT NULL,
	domain TEXT NOT NULL,
	organization TEXT NOT NULL,
	report_id TEXT NOT NULL,
	ends_at INTEGER NOT NULL,
	received_at INTEGER NOT NULL,
	report TEXT NOT NULL,
	PRIMARY KEY (tenant, domain, organization, report_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tls_reports_latest ON tls_reports (tenant, ends_at);
