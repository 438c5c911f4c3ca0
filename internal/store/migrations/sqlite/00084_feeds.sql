-- +goose Up
-- Feeds of which mailings are made, see feed.Feed; spec is what a person says. next_at is when
-- it is looked at next, NULL: not at all. pending is a mailing that is to be sent.
CREATE TABLE feeds (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	revision INTEGER NOT NULL,
	turn INTEGER NOT NULL,
	spec TEXT NOT NULL,
	primed INTEGER NOT NULL,
	etag TEXT NOT NULL,
	modified TEXT NOT NULL,
	pending BLOB,
	next_at INTEGER,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX feeds_next ON feeds (next_at) WHERE next_at IS NOT NULL;

-- What was in a feed: a hash of each entry's identifier, and when it was last there.
CREATE TABLE feed_entries (
	tenant BLOB NOT NULL,
	feed BLOB NOT NULL,
	hash BLOB NOT NULL,
	seen_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, feed, hash)
) STRICT, WITHOUT ROWID;

-- When a feed was looked at and what came of it, see feed.Look; the last fifty.
CREATE TABLE feed_looks (
	tenant BLOB NOT NULL,
	feed BLOB NOT NULL,
	id BLOB NOT NULL,
	at INTEGER NOT NULL,
	outcome TEXT NOT NULL,
	why TEXT NOT NULL,
	fresh INTEGER NOT NULL,
	campaign BLOB,
	PRIMARY KEY (tenant, feed, id)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE feed_looks;
DROP TABLE feed_entries;
DROP TABLE feeds;
