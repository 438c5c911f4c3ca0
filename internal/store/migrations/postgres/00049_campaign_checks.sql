-- +goose Up
-- What looking a mailing over found, see preflight.Check: the last one of each. step tells one
-- from the one that took its place; found is a document.
CREATE TABLE campaign_checks (
	tenant BYTEA NOT NULL,
	campaign BYTEA NOT NULL,
	hash BYTEA NOT NULL,
	step BIGINT NOT NULL,
	done BIGINT NOT NULL,
	total BIGINT NOT NULL,
	finished BIGINT NOT NULL,
	at BIGINT NOT NULL,
	found TEXT NOT NULL,
	PRIMARY KEY (tenant, campaign)
);
CREATE INDEX campaign_checks_open ON campaign_checks (at) WHERE finished = 0;
