-- +goose Up
-- What a tenant allows to be told of recipients, see tracking.Setting: the last number
-- holds, the others are how it was before.
CREATE TABLE tracking_settings (
	tenant BYTEA NOT NULL,
	number BIGINT NOT NULL,
	level BIGINT NOT NULL,
	basis TEXT NOT NULL,
	justification TEXT NOT NULL,
	actor TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, number)
);

CREATE TABLE tracking_streams (
	tenant BYTEA NOT NULL,
	stream TEXT NOT NULL,
	level BIGINT NOT NULL,
	actor TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, stream)
);

-- What recipients said, by the keyed hash of the address, so that a withdrawal outlives
-- the erasure of the person; the last number holds. address and wording go with them.
CREATE TABLE tracking_consents (
	tenant BYTEA NOT NULL,
	hash BYTEA NOT NULL,
	number BIGINT NOT NULL,
	state TEXT NOT NULL,
	address TEXT NOT NULL,
	actor TEXT NOT NULL,
	way TEXT NOT NULL,
	wording TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, hash, number)
);

-- The decision and the links of messages about which somebody may ask, see tracking.Tracked.
CREATE TABLE tracked_messages (
	tenant BYTEA NOT NULL,
	message BYTEA NOT NULL,
	level BIGINT NOT NULL,
	rule TEXT NOT NULL,
	recipients BIGINT NOT NULL,
	links TEXT,
	PRIMARY KEY (tenant, message)
);

CREATE TABLE activities (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	kind TEXT NOT NULL,
	message BYTEA,
	delivery BIGINT NOT NULL,
	recipient TEXT,
	identified BIGINT NOT NULL,
	offer TEXT,
	offer_recipient TEXT,
	sender TEXT NOT NULL,
	title TEXT,
	target TEXT,
	label TEXT,
	version TEXT,
	link BIGINT NOT NULL,
	level BIGINT NOT NULL,
	rule TEXT NOT NULL,
	class TEXT NOT NULL,
	confidence BIGINT NOT NULL,
	rules BIGINT NOT NULL,
	reasons TEXT,
	agent TEXT NOT NULL,
	network TEXT NOT NULL,
	burst BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX activities_of_message ON activities (tenant, message, id) WHERE message IS NOT NULL;
CREATE INDEX activities_of_offer ON activities (tenant, offer, id) WHERE offer IS NOT NULL;
CREATE INDEX activities_of_recipient ON activities (tenant, recipient, id) WHERE recipient IS NOT NULL;

-- Opens (link 0) and clicks that are kept as numbers only.
CREATE TABLE activity_counts (
	tenant BYTEA NOT NULL,
	message BYTEA NOT NULL,
	link BIGINT NOT NULL,
	persons BIGINT NOT NULL,
	machines BIGINT NOT NULL,
	PRIMARY KEY (tenant, message, link)
);
