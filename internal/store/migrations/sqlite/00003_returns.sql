-- +goose Up
-- Mail that came back. tenant is sixteen zero bytes where the address it came to names
-- no delivery; account and delivery are those it turned out to speak of. due_at moves on
-- when a node takes the mail to read it, so that it is read again should that node die.
-- salt is NULL when the content was dropped.
CREATE TABLE returns (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	state TEXT NOT NULL,
	due_at INTEGER NOT NULL,
	tries INTEGER NOT NULL,
	purpose TEXT NOT NULL,
	recipient TEXT NOT NULL,
	sender TEXT NOT NULL,
	peer TEXT NOT NULL,
	helo TEXT NOT NULL,
	size INTEGER NOT NULL,
	salt BLOB,
	account BLOB,
	delivery BLOB,
	kind TEXT NOT NULL,
	why TEXT NOT NULL,
	author TEXT NOT NULL,
	subject TEXT NOT NULL,
	auth TEXT NOT NULL,
	received_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX returns_pending ON returns (tenant, due_at) WHERE state = 'pending';
CREATE INDEX returns_id ON returns (id);

-- Apart from the rows, which are listed and hold little. day is that of id.
CREATE TABLE return_bodies (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	day INTEGER NOT NULL,
	sealed BLOB NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX return_bodies_day ON return_bodies (day);

-- What became known of a delivery after its end: one bit for each of event.Marks, and
-- the class of a late bounce.
ALTER TABLE deliveries ADD COLUMN marks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN late_reason TEXT;
CREATE INDEX deliveries_marked ON deliveries (tenant, id, marks) WHERE marks <> 0;

-- What a return mail told, on the facts that come from one.
ALTER TABLE events ADD COLUMN report TEXT;
