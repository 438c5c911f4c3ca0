-- +goose Up
-- People a tenant writes to. sort_name, words and addresses are folded or in lower case
-- and compared by code point: lists have the same order on every database.
CREATE TABLE contacts (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	version BIGINT NOT NULL,
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
	sort_name TEXT COLLATE "C" NOT NULL,
	origin TEXT NOT NULL,
	actor TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX contacts_reference ON contacts (tenant, reference) WHERE reference IS NOT NULL;
CREATE INDEX contacts_name ON contacts (tenant, sort_name, id);

-- An address leads to one contact.
CREATE TABLE contact_addresses (
	tenant BYTEA NOT NULL,
	address TEXT COLLATE "C" NOT NULL,
	contact BYTEA NOT NULL,
	PRIMARY KEY (tenant, address)
);

-- What a contact is found by: see audience.Contact.Words.
CREATE TABLE contact_words (
	tenant BYTEA NOT NULL,
	word TEXT COLLATE "C" NOT NULL,
	contact BYTEA NOT NULL,
	PRIMARY KEY (tenant, word, contact)
);

-- sort_name is that of the contact, so that one tag's contacts lie in order.
CREATE TABLE contact_tags (
	tenant BYTEA NOT NULL,
	tag TEXT COLLATE "C" NOT NULL,
	contact BYTEA NOT NULL,
	sort_name TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, tag, contact)
);
CREATE INDEX contact_tags_name ON contact_tags (tenant, tag, sort_name, contact);

-- A tenant's own fields, as JSON in their order.
CREATE TABLE contact_fields (
	tenant BYTEA PRIMARY KEY,
	fields TEXT NOT NULL
);

CREATE TABLE contact_notes (
	tenant BYTEA NOT NULL,
	contact BYTEA NOT NULL,
	id BYTEA NOT NULL,
	author TEXT NOT NULL,
	text TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	edited_at BIGINT,
	PRIMARY KEY (tenant, contact, id)
);

-- fields are names of what was changed, never values.
CREATE TABLE contact_acts (
	tenant BYTEA NOT NULL,
	contact BYTEA NOT NULL,
	id BYTEA NOT NULL,
	at BIGINT NOT NULL,
	act TEXT NOT NULL,
	actor TEXT NOT NULL,
	fields TEXT,
	PRIMARY KEY (tenant, contact, id)
);

-- months is how long rows of mail are kept, NULL for the platform's default; gathered
-- the last message that contacts were made of.
CREATE TABLE privacy_settings (
	tenant BYTEA PRIMARY KEY,
	months BIGINT,
	gather BIGINT NOT NULL,
	gathered BYTEA,
	notes BIGINT NOT NULL
);

-- What people asked for: to be told everything, or to be forgotten. name and addresses
-- are '' once the request is over; hashes are the keyed hashes of the addresses and stay.
-- due_at moves on while a node works on it, so that another takes it up should that die.
CREATE TABLE privacy_requests (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	kind TEXT NOT NULL,
	state TEXT NOT NULL,
	actor TEXT NOT NULL,
	contact BYTEA,
	name TEXT NOT NULL,
	addresses TEXT NOT NULL,
	hashes TEXT NOT NULL,
	block BIGINT NOT NULL,
	locale TEXT NOT NULL,
	due_at BIGINT NOT NULL,
	tries BIGINT NOT NULL,
	done BIGINT NOT NULL,
	total BIGINT NOT NULL,
	size BIGINT NOT NULL,
	counts TEXT,
	why TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	finished_at BIGINT,
	expires_at BIGINT,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX privacy_requests_due ON privacy_requests (due_at) WHERE state IN ('waiting', 'running', 'settling');
CREATE INDEX privacy_requests_expiry ON privacy_requests (expires_at) WHERE expires_at IS NOT NULL;

-- The files put together for a request, sealed piece by piece.
CREATE TABLE privacy_files (
	tenant BYTEA NOT NULL,
	request BYTEA NOT NULL,
	part BIGINT NOT NULL,
	salt BYTEA NOT NULL,
	sealed BYTEA NOT NULL,
	PRIMARY KEY (tenant, request, part)
);

-- What is left of deliveries whose rows were dropped: counts by hour since 1970, by the
-- time in the messages' ids.
CREATE TABLE folded_deliveries (
	tenant BYTEA NOT NULL,
	hour BIGINT NOT NULL,
	stream TEXT NOT NULL,
	state TEXT NOT NULL,
	deliveries BIGINT NOT NULL,
	late_bounces BIGINT NOT NULL,
	complaints BIGINT NOT NULL,
	PRIMARY KEY (tenant, hour, stream, state)
);

-- What was dropped: messages accepted before an instant, and their deliveries and facts.
CREATE TABLE retention_runs (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	before BIGINT NOT NULL,
	messages BIGINT NOT NULL,
	deliveries BIGINT NOT NULL,
	events BIGINT NOT NULL,
	returns BIGINT NOT NULL,
	began_at BIGINT NOT NULL,
	ended_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
