-- +goose Up
-- What a tenant allows to be told of recipients, see tracking.Setting: the last number
-- holds, the others are how it was before.
CREATE TABLE tracking_settings (
	tenant BLOB NOT NULL,
	number INTEGER NOT NULL,
	level INTEGER NOT NULL,
	basis TEXT NOT NULL,
	justification TEXT NOT NULL,
	actor TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE tracking_streams (
	tenant BLOB NOT NULL,
	stream TEXT NOT NULL,
	level INTEGER NOT NULL,
	actor TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, stream)
) STRICT, WITHOUT ROWID;

-- What recipients said, by the keyed hash of the address, so that a withdrawal outlives
-- the erasure of the person; the last number holds. address and wording go with them.
CREATE TABLE tracking_consents (
	tenant BLOB NOT NULL,
	hash BLOB NOT NULL,
	number INTEGER NOT NULL,
	state TEXT NOT NULL,
	address TEXT NOT NULL,
	actor TEXT NOT NULL,
	way TEXT NOT NULL,
	wording TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, hash, number)
) STRICT, WITHOUT ROWID;

-- The decision and the links of messages about which somebody may ask, see tracking.Tracked.
CREATE TABLE tracked_messages (
	tenant BLOB NOT NULL,
	message BLOB NOT NULL,
	level INTEGER NOT NULL,
	rule TEXT NOT NULL,
	recipients INTEGER NOT NULL,
	links TEXT,
	PRIMARY KEY (tenant, message)
) STRICT, WITHOUT ROWID;

CREATE TABLE activities (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	kind TEXT NOT NULL,
	message BLOB,
	delivery INTEGER NOT NULL,
	recipient TEXT,
	identified INTEGER NOT NULL,
	offer TEXT,
	offer_recipient TEXT,
	sender TEXT NOT NULL,
	title TEXT,
	target TEXT,
	label TEXT,
	version TEXT,
	link INTEGER NOT NULL,
	level INTEGER NOT NULL,
	rule TEXT NOT NULL,
	class TEXT NOT NULL,
	confidence INTEGER NOT NULL,
	rules INTEGER NOT NULL,
	reasons TEXT,
	agent TEXT NOT NULL,
	network TEXT NOT NULL,
	burst INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX activities_of_message ON activities (tenant, message, id) WHERE message IS NOT NULL;
CREATE INDEX activities_of_offer ON activities (tenant, offer, id) WHERE offer IS NOT NULL;
CREATE INDEX activities_of_recipient ON activities (tenant, recipient, id) WHERE recipient IS NOT NULL;

-- Opens (link 0) and clicks that are kept as numbers only.
CREATE TABLE activity_counts (
	tenant BLOB NOT NULL,
	message BLOB NOT NULL,
	link INTEGER NOT NULL,
	persons INTEGER NOT NULL,
	machines INTEGER NOT NULL,
	PRIMARY KEY (tenant, message, link)
) STRICT, WITHOUT ROWID;
