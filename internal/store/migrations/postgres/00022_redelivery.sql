-- +goose Up
-- Mail sent once more, see redelivery.Job. key is null where the client gave none;
-- request is the SHA-256 of what was asked for. due_at is null unless it is running.
CREATE TABLE redeliveries (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	key TEXT,
	request BYTEA NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	actor TEXT NOT NULL,
	door TEXT NOT NULL,
	filter TEXT NOT NULL,
	options TEXT NOT NULL,
	total BIGINT NOT NULL,
	sent BIGINT NOT NULL,
	skipped BIGINT NOT NULL,
	failed BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	confirmed_by TEXT NOT NULL,
	confirmed_at BIGINT,
	ramp_at BIGINT,
	due_at BIGINT,
	finished_at BIGINT,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX redeliveries_by_key ON redeliveries (tenant, key) WHERE key IS NOT NULL;
CREATE INDEX redeliveries_open ON redeliveries (state, due_at) WHERE state IN ('planning', 'running');

-- The deliveries of a job, see redelivery.Item. message is the new mail.
CREATE TABLE redelivery_items (
	tenant BYTEA NOT NULL,
	job BYTEA NOT NULL,
	number BIGINT NOT NULL,
	delivery BYTEA NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	message BYTEA,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, job, number)
);
CREATE INDEX redelivery_items_by_state ON redelivery_items (tenant, job, state, number);
CREATE INDEX redelivery_items_of ON redelivery_items (tenant, delivery);

-- How long content is kept, by stream: days is 0 where the platform's time holds. What
-- lies up to done was looked at by the job that drops content.
CREATE TABLE archive_terms (
	tenant BYTEA NOT NULL,
	stream TEXT NOT NULL,
	days BIGINT NOT NULL,
	done BYTEA NOT NULL,
	PRIMARY KEY (tenant, stream)
);

-- What was dropped, see redelivery.Run. ended_at is null while a run lasts, and for ever
-- if it was cut short.
CREATE TABLE archive_runs (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	stream TEXT NOT NULL,
	before BIGINT NOT NULL,
	messages BIGINT NOT NULL,
	bytes BIGINT NOT NULL,
	leads BIGINT NOT NULL,
	oldest BIGINT,
	newest BIGINT,
	digest BYTEA NOT NULL,
	began_at BIGINT NOT NULL,
	ended_at BIGINT,
	PRIMARY KEY (tenant, id)
);
