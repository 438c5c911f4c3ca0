-- +goose Up
-- Metadata values by which people look for mail: order numbers, customer numbers. In lower
-- case; which values are kept is said where they are written (referencesOf).
CREATE TABLE message_references (
	tenant BYTEA NOT NULL,
	value TEXT NOT NULL,
	message BYTEA NOT NULL,
	PRIMARY KEY (tenant, value, message)
);

-- Links to status pages. The token that names one bears a MAC and is not kept.
CREATE TABLE status_links (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	delivery BYTEA NOT NULL,
	actor TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	revoked_at BIGINT,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX status_links_delivery ON status_links (tenant, delivery, id);

-- Addresses are compared byte by byte, as SQLite does, whatever the locale of the database:
-- only then are those with one local part a range of deliveries_recipient. The index is made
-- anew by this; the table is not written.
ALTER TABLE deliveries ALTER COLUMN recipient TYPE TEXT COLLATE "C";
