-- +goose Up
-- Offers with the draft of their content, see offer.Offer.
CREATE TABLE offers (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	state TEXT NOT NULL,
	version BIGINT NOT NULL,
	draft TEXT NOT NULL,
	creator TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	published_at BIGINT,
	PRIMARY KEY (tenant, id)
);

-- What recipients saw, unchanged since it was published.
CREATE TABLE offer_versions (
	tenant BYTEA NOT NULL,
	offer BYTEA NOT NULL,
	number BIGINT NOT NULL,
	content TEXT NOT NULL,
	actor TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, offer, number)
);

-- Pictures and documents in sealed parts, by the hash of the whole; part counts from 0.
CREATE TABLE offer_files (
	tenant BYTEA NOT NULL,
	offer BYTEA NOT NULL,
	file BYTEA NOT NULL,
	part BIGINT NOT NULL,
	salt BYTEA NOT NULL,
	sealed BYTEA NOT NULL,
	PRIMARY KEY (tenant, offer, file, part)
);

CREATE TABLE offer_recipients (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	offer BYTEA NOT NULL,
	address TEXT NOT NULL, -- canonical
	local TEXT, -- as it was written, where that differs
	name TEXT NOT NULL,
	actor TEXT NOT NULL,
	message BYTEA,
	reason TEXT NOT NULL,
	sendings BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	sent_at BIGINT,
	expires_at BIGINT,
	revoked_at BIGINT,
	password TEXT NOT NULL,
	level BIGINT NOT NULL, -- of tracking, when it was sent
	rule TEXT NOT NULL,
	restricted_at BIGINT,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX offer_recipients_of ON offer_recipients (tenant, offer, id);
CREATE INDEX offer_recipients_at ON offer_recipients (tenant, address);

CREATE TABLE offer_likes (
	tenant BYTEA NOT NULL,
	offer BYTEA NOT NULL,
	recipient BYTEA NOT NULL,
	unit TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, offer, recipient, unit)
);

-- What recipients did by a form: proof, see offer.Act.
CREATE TABLE offer_acts (
	tenant BYTEA NOT NULL,
	offer BYTEA NOT NULL,
	recipient BYTEA NOT NULL,
	id BYTEA NOT NULL,
	kind TEXT NOT NULL,
	version BIGINT NOT NULL,
	at BIGINT NOT NULL,
	detail TEXT NOT NULL,
	answered BIGINT NOT NULL,
	receipt BYTEA,
	reason TEXT NOT NULL,
	handled_at BIGINT,
	handled_by TEXT NOT NULL,
	PRIMARY KEY (tenant, offer, recipient, id)
);
CREATE INDEX offer_acts_open ON offer_acts (tenant, at) WHERE kind = 'withdrawn' AND handled_at IS NULL;
CREATE INDEX offer_acts_unanswered ON offer_acts (at) WHERE answered = 0;
