-- +goose Up
-- Consents are found by the address of a contact, in whatever case it was entered: filters
-- of groups ask so, and what a person is told.
CREATE INDEX consents_person ON consents (tenant, lower(address)) WHERE address <> '';

-- What contacts were before another one was merged into them, for as long as that can be
-- taken back; spec is both of them with their groups.
CREATE TABLE contact_merges (
	tenant BYTEA NOT NULL,
	kept BYTEA NOT NULL,
	version BIGINT NOT NULL,
	spec TEXT NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, kept)
);
CREATE INDEX contact_merges_expiry ON contact_merges (expires_at);
