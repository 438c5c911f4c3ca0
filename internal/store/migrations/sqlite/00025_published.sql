-- +goose Up
-- Published lists of sending addresses, see published.Edition; tenant is sixteen zero
-- bytes for the platform's. Editions are few and never changed.
CREATE TABLE published_editions (
	tenant BLOB NOT NULL,
	version INTEGER NOT NULL,
	at INTEGER NOT NULL,
	entries TEXT NOT NULL,
	changes TEXT NOT NULL,
	PRIMARY KEY (tenant, version)
) STRICT, WITHOUT ROWID;

-- Who is told of new editions. hash is the keyed hash of medium and target, sealed the
-- target; confirmed_at is NULL until somebody has shown that it is theirs.
CREATE TABLE published_subscriptions (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	medium TEXT NOT NULL,
	lang TEXT NOT NULL,
	hash BLOB NOT NULL,
	sealed BLOB NOT NULL,
	created_at INTEGER NOT NULL,
	confirmed_at INTEGER,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX published_subscriptions_hash ON published_subscriptions (tenant, hash);

-- What is still to be told to whom.
CREATE TABLE published_tellings (
	tenant BLOB NOT NULL,
	subscription BLOB NOT NULL,
	version INTEGER NOT NULL,
	attempts INTEGER NOT NULL,
	due_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, subscription, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX published_tellings_due ON published_tellings (due_at);
