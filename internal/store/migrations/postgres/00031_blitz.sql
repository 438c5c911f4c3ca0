-- +goose Up
-- Endpoints that programs of tenants are told at, see webhook.Endpoint; failing_since and
-- off_at are null while they answer.
CREATE TABLE webhooks (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	name TEXT NOT NULL,
	types TEXT NOT NULL,
	state TEXT NOT NULL,
	sealed BYTEA NOT NULL,
	created_at BIGINT NOT NULL,
	created_by TEXT NOT NULL,
	failing_since BIGINT,
	failures BIGINT NOT NULL,
	rests_until BIGINT NOT NULL,
	off_at BIGINT,
	PRIMARY KEY (tenant, id)
);

-- What commits add for endpoints to be told of, until it is folded into calls; id is that
-- of the first fact.
CREATE TABLE webhook_notes (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	facts TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
);

-- Calls to endpoints, see webhook.Call; due_at is null when a call is settled. The id is
-- that of the fact.
CREATE TABLE webhook_calls (
	tenant BYTEA NOT NULL,
	endpoint BYTEA NOT NULL,
	id BYTEA NOT NULL,
	type TEXT NOT NULL,
	origin TEXT NOT NULL,
	message BYTEA NOT NULL,
	at BIGINT NOT NULL,
	state TEXT NOT NULL,
	attempts BIGINT NOT NULL,
	due_at BIGINT,
	tried_at BIGINT,
	code BIGINT NOT NULL,
	failure TEXT NOT NULL,
	took BIGINT NOT NULL,
	PRIMARY KEY (tenant, endpoint, id)
);
CREATE INDEX webhook_calls_due ON webhook_calls (tenant, endpoint, due_at) WHERE due_at IS NOT NULL;

-- Up to which activity calls were made of a tenant's activities.
CREATE TABLE webhook_places (
	tenant BYTEA NOT NULL PRIMARY KEY,
	activity BYTEA NOT NULL
);

-- Where people are in the feed of activities, see blitz.Reader; choice is null for who
-- chose nothing, mails is 1 for who gets mail.
CREATE TABLE blitz_readers (
	tenant BYTEA NOT NULL,
	user_id BYTEA NOT NULL,
	choice TEXT,
	mails BIGINT NOT NULL,
	read_until BYTEA NOT NULL,
	told_until BYTEA NOT NULL,
	PRIMARY KEY (tenant, user_id)
);

-- Activities that people read one by one, above read_until.
CREATE TABLE blitz_reads (
	tenant BYTEA NOT NULL,
	user_id BYTEA NOT NULL,
	activity BYTEA NOT NULL,
	PRIMARY KEY (tenant, user_id, activity)
);
