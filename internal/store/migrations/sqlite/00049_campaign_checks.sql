-- +goose Up
-- What looking a mailing over found, see preflight.Check: the last one of each. step tells one
-- from the one that took its place; found is a document.
CREATE TABLE campaign_checks (
	tenant BLOB NOT NULL,
	campaign BLOB NOT NULL,
	hash BLOB NOT NULL,
	step INTEGER NOT NULL,
	done INTEGER NOT NULL,
	total INTEGER NOT NULL,
	finished INTEGER NOT NULL,
	at INTEGER NOT NULL,
	found TEXT NOT NULL,
	PRIMARY KEY (tenant, campaign)
) STRICT, WITHOUT ROWID;
CREATE INDEX campaign_checks_open ON campaign_checks (at) WHERE finished = 0;
