-- +goose Up
ALTER TABLE tenants ADD COLUMN time_zone TEXT NOT NULL DEFAULT '';

-- What tenants say of themselves, see tenant.Profile.
CREATE TABLE tenant_profiles (
	tenant BYTEA NOT NULL PRIMARY KEY,
	stream TEXT NOT NULL,
	from_name TEXT NOT NULL,
	from_local TEXT NOT NULL,
	from_domain TEXT NOT NULL,
	contact TEXT NOT NULL,
	imprint TEXT NOT NULL
);

-- Deliveries that nodes may take for API keys with a cap of their own; day is the
-- midnight (UTC) of the day it is about, see ingest.Store.
CREATE TABLE key_usage (
	tenant BYTEA NOT NULL,
	actor TEXT NOT NULL,
	day BIGINT NOT NULL,
	taken BIGINT NOT NULL,
	PRIMARY KEY (tenant, actor, day)
);

-- SHA-256 of the key a program gave, null where it gave none.
ALTER TABLE privacy_requests ADD COLUMN idempotency BYTEA;
CREATE UNIQUE INDEX privacy_requests_by_key ON privacy_requests (tenant, idempotency) WHERE idempotency IS NOT NULL;
