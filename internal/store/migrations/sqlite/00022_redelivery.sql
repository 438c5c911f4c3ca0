-- +goose Up
-- Mail sent once more, see redelivery.Job. key is null where the client gave none;
-- request is the SHA-256 of what was asked for. due_at is null unless it is running.
CREATE TABLE redeliveries (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	key TEXT,
	request BLOB NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	actor TEXT NOT NULL,
	door TEXT NOT NULL,
	filter TEXT NOT NULL,
	options TEXT NOT NULL,
	total INTEGER NOT NULL,
	sent INTEGER NOT NULL,
	skipped INTEGER NOT NULL,
	failed INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	confirmed_by TEXT NOT NULL,
	confirmed_at INTEGER,
	ramp_at INTEGER,
	due_at INTEGER,
	finished_at INTEGER,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX redeliveries_by_key ON redeliveries (tenant, key) WHERE key IS NOT NULL;
CREATE INDEX redeliveries_open ON redeliveries (state, due_at) WHERE state IN ('planning', 'running');

-- The deliveries of a job, see redelivery.Item. message is the new mail.
CREATE TABLE redelivery_items (
	tenant BLOB NOT NULL,
	job BLOB NOT NULL,
	number INTEGER NOT NULL,
	delivery BLOB NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	message BLOB,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, job, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX redelivery_items_by_state ON redelivery_items (tenant, job, state, number);
CREATE INDEX redelivery_items_of ON redelivery_items (tenant, delivery);

-- How long content is kept, by stream: days is 0 where the platform's time holds. What
-- lies up to done was looked at by the job that drops content.
CREATE TABLE archive_terms (
	tenant BLOB NOT NULL,
	stream TEXT NOT NULL,
	days INTEGER NOT NULL,
	done BLOB NOT NULL,
	PRIMARY KEY (tenant, stream)
) STRICT, WITHOUT ROWID;

-- What was dropped, see redelivery.Run. ended_at is null while a run lasts, and for ever
-- if it was cut short.
CREATE TABLE archive_runs (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	stream TEXT NOT NULL,
	before INTEGER NOT NULL,
	messages INTEGER NOT NULL,
	bytes INTEGER NOT NULL,
	leads INTEGER NOT NULL,
	oldest INTEGER,
	newest INTEGER,
	digest BLOB NOT NULL,
	began_at INTEGER NOT NULL,
	ended_at INTEGER,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
