-- +goose Up
-- Offers with the draft of their content, see offer.Offer.
CREATE TABLE offers (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	state TEXT NOT NULL,
	version INTEGER NOT NULL,
	draft TEXT NOT NULL,
	creator TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	published_at INTEGER,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

-- What recipients saw, unchanged since it was published.
CREATE TABLE offer_versions (
	tenant BLOB NOT NULL,
	offer BLOB NOT NULL,
	number INTEGER NOT NULL,
	content TEXT NOT NULL,
	actor TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, offer, number)
) STRICT, WITHOUT ROWID;

-- Pictures and documents in sealed parts, by the hash of the whole; part counts from 0.
CREATE TABLE offer_files (
	tenant BLOB NOT NULL,
	offer BLOB NOT NULL,
	file BLOB NOT NULL,
	part INTEGER NOT NULL,
	salt BLOB NOT NULL,
	sealed BLOB NOT NULL,
	PRIMARY KEY (tenant, offer, file, part)
) STRICT;

CREATE TABLE offer_recipients (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	offer BLOB NOT NULL,
	address TEXT NOT NULL, -- canonical
	local TEXT, -- as it was written, where that differs
	name TEXT NOT NULL,
	actor TEXT NOT NULL,
	message BLOB,
	reason TEXT NOT NULL,
	sendings INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	sent_at INTEGER,
	expires_at INTEGER,
	revoked_at INTEGER,
	password TEXT NOT NULL,
	level INTEGER NOT NULL, -- of tracking, when it was sent
	rule TEXT NOT NULL,
	restricted_at INTEGER,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX offer_recipients_of ON offer_recipients (tenant, offer, id);
CREATE INDEX offer_recipients_at ON offer_recipients (tenant, address);

CREATE TABLE offer_likes (
	tenant BLOB NOT NULL,
	offer BLOB NOT NULL,
	recipient BLOB NOT NULL,
	unit TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, offer, recipient, unit)
) STRICT, WITHOUT ROWID;

-- What recipients did by a form: proof, see offer.Act.
CREATE TABLE offer_acts (
	tenant BLOB NOT NULL,
	offer BLOB NOT NULL,
	recipient BLOB NOT NULL,
	id BLOB NOT NULL,
	kind TEXT NOT NULL,
	version INTEGER NOT NULL,
	at INTEGER NOT NULL,
	detail TEXT NOT NULL,
	answered INTEGER NOT NULL,
	receipt BLOB,
	reason TEXT NOT NULL,
	handled_at INTEGER,
	handled_by TEXT NOT NULL,
	PRIMARY KEY (tenant, offer, recipient, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX offer_acts_open ON offer_acts (tenant, at) WHERE kind = 'withdrawn' AND handled_at IS NULL;
CREATE INDEX offer_acts_unanswered ON offer_acts (at) WHERE answered = 0;
