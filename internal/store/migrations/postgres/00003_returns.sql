-- +goose Up
-- Mail that came back. tenant is sixteen zero bytes where the address it came to names
-- no delivery; account and delivery are those it turned out to speak of. due_at moves on
-- when a node takes the mail to read it, so that it is read again should that node die.
-- salt is NULL when the content was dropped.
CREATE TABLE returns (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	state TEXT NOT NULL,
	due_at BIGINT NOT NULL,
	tries BIGINT NOT NULL,
	purpose TEXT NOT NULL,
	recipient TEXT NOT NULL,
	sender TEXT NOT NULL,
	peer TEXT NOT NULL,
	helo TEXT NOT NULL,
	size BIGINT NOT NULL,
	salt BYTEA,
	account BYTEA,
	delivery BYTEA,
	kind TEXT NOT NULL,
	why TEXT NOT NULL,
	author TEXT NOT NULL,
	subject TEXT NOT NULL,
	auth TEXT NOT NULL,
	received_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX returns_pending ON returns (tenant, due_at) WHERE state = 'pending';
CREATE INDEX returns_id ON returns (id);

-- Apart from the rows, which are listed and hold little. day is that of id.
CREATE TABLE return_bodies (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	day BIGINT NOT NULL,
	sealed BYTEA NOT NULL,
	PRIMARY KEY (tenant, id)
);
-- Sealed bodies do not compress.
ALTER TABLE return_bodies ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX return_bodies_day ON return_bodies (day);

-- What became known of a delivery after its end: one bit for each of event.Marks, and
-- the class of a late bounce.
ALTER TABLE deliveries ADD COLUMN marks BIGINT NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN late_reason TEXT;
CREATE INDEX deliveries_marked ON deliveries (tenant, id, marks) WHERE marks <> 0;

-- What a return mail told, on the facts that come from one.
ALTER TABLE events ADD COLUMN report TEXT;
