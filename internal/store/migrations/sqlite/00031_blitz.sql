-- +goose Up
-- Endpoints that programs of tenants are told at, see webhook.Endpoint; failing_since and
-- off_at are null while they answer.
CREATE TABLE webhooks (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	name TEXT NOT NULL,
	types TEXT NOT NULL,
	state TEXT NOT NULL,
	sealed BLOB NOT NULL,
	created_at INTEGER NOT NULL,
	created_by TEXT NOT NULL,
	failing_since INTEGER,
	failures INTEGER NOT NULL,
	rests_until INTEGER NOT NULL,
	off_at INTEGER,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

-- What commits add for endpoints to be told of, until it is folded into calls; id is that
-- of the first fact.
CREATE TABLE webhook_notes (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	facts TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

-- Calls to endpoints, see webhook.Call; due_at is null when a call is settled. The id is
-- that of the fact.
CREATE TABLE webhook_calls (
	tenant BLOB NOT NULL,
	endpoint BLOB NOT NULL,
	id BLOB NOT NULL,
	type TEXT NOT NULL,
	origin TEXT NOT NULL,
	message BLOB NOT NULL,
	at INTEGER NOT NULL,
	state TEXT NOT NULL,
	attempts INTEGER NOT NULL,
	due_at INTEGER,
	tried_at INTEGER,
	code INTEGER NOT NULL,
	failure TEXT NOT NULL,
	took INTEGER NOT NULL,
	PRIMARY KEY (tenant, endpoint, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_calls_due ON webhook_calls (tenant, endpoint, due_at) WHERE due_at IS NOT NULL;

-- Up to which activity calls were made of a tenant's activities.
CREATE TABLE webhook_places (
	tenant BLOB NOT NULL PRIMARY KEY,
	activity BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Where people are in the feed of activities, see blitz.Reader; choice is null for who
-- chose nothing, mails is 1 for who gets mail.
CREATE TABLE blitz_readers (
	tenant BLOB NOT NULL,
	user_id BLOB NOT NULL,
	choice TEXT,
	mails INTEGER NOT NULL,
	read_until BLOB NOT NULL,
	told_until BLOB NOT NULL,
	PRIMARY KEY (tenant, user_id)
) STRICT, WITHOUT ROWID;

-- Activities that people read one by one, above read_until.
CREATE TABLE blitz_reads (
	tenant BLOB NOT NULL,
	user_id BLOB NOT NULL,
	activity BLOB NOT NULL,
	PRIMARY KEY (tenant, user_id, activity)
) STRICT, WITHOUT ROWID;
