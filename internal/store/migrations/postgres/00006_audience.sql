-- +goose Up
-- Suppressions are known by a keyed hash of tenant and address, so that they outlive
-- the address itself: '' is one that was erased. No released version wrote to the table
-- of before. stream is '' for every stream. seq numbers a tenant's changes in the order
-- in which they became visible; suppression_marks holds the last one.
DROP TABLE suppressions;
CREATE TABLE suppressions (
	tenant BYTEA NOT NULL,
	hash BYTEA NOT NULL,
	stream TEXT NOT NULL,
	id BYTEA NOT NULL,
	address TEXT NOT NULL,
	reason TEXT NOT NULL,
	class TEXT NOT NULL,
	source BYTEA,
	actor TEXT NOT NULL,
	note TEXT NOT NULL,
	seq BIGINT NOT NULL,
	changed_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT,
	PRIMARY KEY (tenant, hash, stream)
);
CREATE UNIQUE INDEX suppressions_id ON suppressions (tenant, id);
CREATE INDEX suppressions_address ON suppressions (tenant, address, id);
CREATE INDEX suppressions_seq ON suppressions (tenant, seq);
CREATE INDEX suppressions_changed ON suppressions (tenant, changed_at);
CREATE INDEX suppressions_expiry ON suppressions (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE suppression_marks (
	tenant BYTEA PRIMARY KEY,
	seq BIGINT NOT NULL
);

CREATE TABLE suppression_history (
	tenant BYTEA NOT NULL,
	hash BYTEA NOT NULL,
	id BYTEA NOT NULL,
	act TEXT NOT NULL,
	stream TEXT NOT NULL,
	reason TEXT NOT NULL,
	class TEXT NOT NULL,
	source BYTEA,
	actor TEXT NOT NULL,
	note TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, hash, id)
);

-- Outcomes counted against an address until there are enough for a suppression.
CREATE TABLE suppression_strikes (
	tenant BYTEA NOT NULL,
	hash BYTEA NOT NULL,
	class TEXT NOT NULL,
	stream TEXT NOT NULL,
	source BYTEA NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, hash, class, stream, source)
);
CREATE INDEX suppression_strikes_at ON suppression_strikes (at);

-- A tenant's own rules, as JSON.
CREATE TABLE suppression_rules (
	tenant BYTEA PRIMARY KEY,
	rules TEXT NOT NULL
);
