-- +goose Up
-- Published lists of sending addresses, see published.Edition; tenant is sixteen zero
-- bytes for the platform's. Editions are few and never changed.
CREATE TABLE published_editions (
	tenant BYTEA NOT NULL,
	version BIGINT NOT NULL,
	at BIGINT NOT NULL,
	entries TEXT NOT NULL,
	changes TEXT NOT NULL,
	PRIMARY KEY (tenant, version)
);

-- Who is told of new editions. hash is the keyed hash of medium and target, sealed the
-- target; confirmed_at is NULL until somebody has shown that it is theirs.
CREATE TABLE published_subscriptions (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	medium TEXT NOT NULL,
	lang TEXT NOT NULL,
	hash BYTEA NOT NULL,
	sealed BYTEA NOT NULL,
	created_at BIGINT NOT NULL,
	confirmed_at BIGINT,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX published_subscriptions_hash ON published_subscriptions (tenant, hash);

-- What is still to be told to whom.
CREATE TABLE published_tellings (
	tenant BYTEA NOT NULL,
	subscription BYTEA NOT NULL,
	version BIGINT NOT NULL,
	attempts BIGINT NOT NULL,
	due_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, subscription, version)
);
CREATE INDEX published_tellings_due ON published_tellings (due_at);
