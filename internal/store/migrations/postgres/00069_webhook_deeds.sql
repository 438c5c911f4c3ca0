-- +goose Up
-- What calls of webhooks tell of an account, its groups and series, see webhook.Deed. contact
-- is whom it is about, NULL: nobody.
CREATE TABLE webhook_deeds (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	contact BYTEA,
	data TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX webhook_deeds_contact ON webhook_deeds (tenant, contact) WHERE contact IS NOT NULL;
