-- +goose Up
-- Metadata values by which people look for mail: order numbers, customer numbers. In lower
-- case; which values are kept is said where they are written (referencesOf).
CREATE TABLE message_references (
	tenant BLOB NOT NULL,
	value TEXT NOT NULL,
	message BLOB NOT NULL,
	PRIMARY KEY (tenant, value, message)
) STRICT, WITHOUT ROWID;

-- Links to status pages. The token that names one bears a MAC and is not kept.
CREATE TABLE status_links (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	delivery BLOB NOT NULL,
	actor TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	revoked_at INTEGER,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX status_links_delivery ON status_links (tenant, delivery, id);
