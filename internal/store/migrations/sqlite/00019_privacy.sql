-- +goose Up
-- People a tenant writes to. sort_name, words and addresses are folded or in lower case
-- and compared by code point: lists have the same order on every database.
CREATE TABLE contacts (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	salutation TEXT NOT NULL,
	given_name TEXT NOT NULL,
	family_name TEXT NOT NULL,
	company TEXT NOT NULL,
	phone TEXT NOT NULL,
	locale TEXT NOT NULL,
	reference TEXT,
	fields TEXT,
	tags TEXT,
	addresses TEXT NOT NULL,
	sort_name TEXT NOT NULL,
	origin TEXT NOT NULL,
	actor TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX contacts_reference ON contacts (tenant, reference) WHERE reference IS NOT NULL;
CREATE INDEX contacts_name ON contacts (tenant, sort_name, id);

-- An address leads to one contact.
CREATE TABLE contact_addresses (
	tenant BLOB NOT NULL,
	address TEXT NOT NULL,
	contact BLOB NOT NULL,
	PRIMARY KEY (tenant, address)
) STRICT, WITHOUT ROWID;

-- What a contact is found by: see audience.Contact.Words.
CREATE TABLE contact_words (
	tenant BLOB NOT NULL,
	word TEXT NOT NULL,
	contact BLOB NOT NULL,
	PRIMARY KEY (tenant, word, contact)
) STRICT, WITHOUT ROWID;

-- sort_name is that of the contact, so that one tag's contacts lie in order.
CREATE TABLE contact_tags (
	tenant BLOB NOT NULL,
	tag TEXT NOT NULL,
	contact BLOB NOT NULL,
	sort_name TEXT NOT NULL,
	PRIMARY KEY (tenant, tag, contact)
) STRICT, WITHOUT ROWID;
CREATE INDEX contact_tags_name ON contact_tags (tenant, tag, sort_name, contact);

-- A tenant's own fields, as JSON in their order.
CREATE TABLE contact_fields (
	tenant BLOB PRIMARY KEY,
	fields TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE contact_notes (
	tenant BLOB NOT NULL,
	contact BLOB NOT NULL,
	id BLOB NOT NULL,
	author TEXT NOT NULL,
	text TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	edited_at INTEGER,
	PRIMARY KEY (tenant, contact, id)
) STRICT, WITHOUT ROWID;

-- fields are names of what was changed, never values.
CREATE TABLE contact_acts (
	tenant BLOB NOT NULL,
	contact BLOB NOT NULL,
	id BLOB NOT NULL,
	at INTEGER NOT NULL,
	act TEXT NOT NULL,
	actor TEXT NOT NULL,
	fields TEXT,
	PRIMARY KEY (tenant, contact, id)
) STRICT, WITHOUT ROWID;

-- months is how long rows of mail are kept, NULL for the platform's default; gathered
-- the last message that contacts were made of.
CREATE TABLE privacy_settings (
	tenant BLOB PRIMARY KEY,
	months INTEGER,
	gather INTEGER NOT NULL,
	gathered BLOB,
	notes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What people asked for: to be told everything, or to be forgotten. name and addresses
-- are '' once the request is over; hashes are the keyed hashes of the addresses and stay.
-- due_at moves on while a node works on it, so that another takes it up should that die.
CREATE TABLE privacy_requests (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	kind TEXT NOT NULL,
	state TEXT NOT NULL,
	actor TEXT NOT NULL,
	contact BLOB,
	name TEXT NOT NULL,
	addresses TEXT NOT NULL,
	hashes TEXT NOT NULL,
	block INTEGER NOT NULL,
	locale TEXT NOT NULL,
	due_at INTEGER NOT NULL,
	tries INTEGER NOT NULL,
	done INTEGER NOT NULL,
	total INTEGER NOT NULL,
	size INTEGER NOT NULL,
	counts TEXT,
	why TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	finished_at INTEGER,
	expires_at INTEGER,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX privacy_requests_due ON privacy_requests (due_at) WHERE state IN ('waiting', 'running', 'settling');
CREATE INDEX privacy_requests_expiry ON privacy_requests (expires_at) WHERE expires_at IS NOT NULL;

-- The files put together for a request, sealed piece by piece.
CREATE TABLE privacy_files (
	tenant BLOB NOT NULL,
	request BLOB NOT NULL,
	part INTEGER NOT NULL,
	salt BLOB NOT NULL,
	sealed BLOB NOT NULL,
	PRIMARY KEY (tenant, request, part)
) STRICT;

-- What is left of deliveries whose rows were dropped: counts by hour since 1970, by the
-- time in the messages' ids.
CREATE TABLE folded_deliveries (
	tenant BLOB NOT NULL,
	hour INTEGER NOT NULL,
	stream TEXT NOT NULL,
	state TEXT NOT NULL,
	deliveries INTEGER NOT NULL,
	late_bounces INTEGER NOT NULL,
	complaints INTEGER NOT NULL,
	PRIMARY KEY (tenant, hour, stream, state)
) STRICT, WITHOUT ROWID;

-- What was dropped: messages accepted before an instant, and their deliveries and facts.
CREATE TABLE retention_runs (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	before INTEGER NOT NULL,
	messages INTEGER NOT NULL,
	deliveries INTEGER NOT NULL,
	events INTEGER NOT NULL,
	returns INTEGER NOT NULL,
	began_at INTEGER NOT NULL,
	ended_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
