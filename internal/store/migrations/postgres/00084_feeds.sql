-- +goose Up
-- Feeds of which mailings are made, see feed.Feed; spec is what a person says. next_at is when
-- it is looked at next, NULL: not at all. pending is a mailing that is to be sent.
CREATE TABLE feeds (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	revision BIGINT NOT NULL,
	turn BIGINT NOT NULL,
	spec TEXT NOT NULL,
	primed BIGINT NOT NULL,
	etag TEXT NOT NULL,
	modified TEXT NOT NULL,
	pending BYTEA,
	next_at BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX feeds_next ON feeds (next_at) WHERE next_at IS NOT NULL;

-- What was in a feed: a hash of each entry's identifier, and when it was last there.
CREATE TABLE feed_entries (
	tenant BYTEA NOT NULL,
	feed BYTEA NOT NULL,
	hash BYTEA NOT NULL,
	seen_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, feed, hash)
);

-- When a feed was looked at and what came of it, see feed.Look; the last fifty.
CREATE TABLE feed_looks (
	tenant BYTEA NOT NULL,
	feed BYTEA NOT NULL,
	id BYTEA NOT NULL,
	at BIGINT NOT NULL,
	outcome TEXT NOT NULL,
	why TEXT NOT NULL,
	fresh BIGINT NOT NULL,
	campaign BYTEA,
	PRIMARY KEY (tenant, feed, id)
);

-- +goose Down
DROP TABLE feed_looks;
DROP TABLE feed_entries;
DROP TABLE feeds;
