-- +goose Up
-- Suppressions are known by a keyed hash of tenant and address, so that they outlive
-- the address itself: '' is one that was erased. No released version wrote to the table
-- of before. stream is '' for every stream. seq numbers a tenant's changes in the order
-- in which they became visible; suppression_marks holds the last one.
DROP TABLE suppressions;
CREATE TABLE suppressions (
	tenant BLOB NOT NULL,
	hash BLOB NOT NULL,
	stream TEXT NOT NULL,
	id BLOB NOT NULL,
	address TEXT NOT NULL,
	reason TEXT NOT NULL,
	class TEXT NOT NULL,
	source BLOB,
	actor TEXT NOT NULL,
	note TEXT NOT NULL,
	seq INTEGER NOT NULL,
	changed_at INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER,
	PRIMARY KEY (tenant, hash, stream)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX suppressions_id ON suppressions (tenant, id);
CREATE INDEX suppressions_address ON suppressions (tenant, address, id);
CREATE INDEX suppressions_seq ON suppressions (tenant, seq);
CREATE INDEX suppressions_changed ON suppressions (tenant, changed_at);
CREATE INDEX suppressions_expiry ON suppressions (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE suppression_marks (
	tenant BLOB PRIMARY KEY,
	seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE suppression_history (
	tenant BLOB NOT NULL,
	hash BLOB NOT NULL,
	id BLOB NOT NULL,
	act TEXT NOT NULL,
	stream TEXT NOT NULL,
	reason TEXT NOT NULL,
	class TEXT NOT NULL,
	source BLOB,
	actor TEXT NOT NULL,
	note TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, hash, id)
) STRICT, WITHOUT ROWID;

-- Outcomes counted against an address until there are enough for a suppression.
CREATE TABLE suppression_strikes (
	tenant BLOB NOT NULL,
	hash BLOB NOT NULL,
	class TEXT NOT NULL,
	stream TEXT NOT NULL,
	source BLOB NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, hash, class, stream, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX suppression_strikes_at ON suppression_strikes (at);

-- A tenant's own rules, as JSON.
CREATE TABLE suppression_rules (
	tenant BLOB PRIMARY KEY,
	rules TEXT NOT NULL
) STRICT, WITHOUT ROWID;
