-- +goose Up
-- Why people may be written to, see consent.Consent; spec is what is not asked for alone.
-- address is '' once the person was erased.
CREATE TABLE consents (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	hash BYTEA NOT NULL,
	address TEXT NOT NULL,
	purpose TEXT NOT NULL,
	grp BYTEA,
	basis TEXT NOT NULL,
	state TEXT NOT NULL,
	form TEXT NOT NULL,
	spec TEXT NOT NULL,
	asked_at BIGINT NOT NULL,
	expires_at BIGINT,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX consents_of ON consents (tenant, hash, id);
CREATE INDEX consents_by_form ON consents (tenant, form, id) WHERE form <> '';
CREATE INDEX consents_by_group ON consents (tenant, grp, id) WHERE grp IS NOT NULL;
CREATE INDEX consents_expiry ON consents (expires_at) WHERE expires_at IS NOT NULL;

-- Forms through which people sign up, see signup.Form; spec is what is not asked for alone.
CREATE TABLE signup_forms (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	name TEXT NOT NULL,
	active BIGINT NOT NULL,
	spec TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
