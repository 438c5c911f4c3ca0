-- +goose Up
-- Why people may be written to, see consent.Consent; spec is what is not asked for alone.
-- address is '' once the person was erased.
CREATE TABLE consents (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	hash BLOB NOT NULL,
	address TEXT NOT NULL,
	purpose TEXT NOT NULL,
	grp BLOB,
	basis TEXT NOT NULL,
	state TEXT NOT NULL,
	form TEXT NOT NULL,
	spec TEXT NOT NULL,
	asked_at INTEGER NOT NULL,
	expires_at INTEGER,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX consents_of ON consents (tenant, hash, id);
CREATE INDEX consents_by_form ON consents (tenant, form, id) WHERE form <> '';
CREATE INDEX consents_by_group ON consents (tenant, grp, id) WHERE grp IS NOT NULL;
CREATE INDEX consents_expiry ON consents (expires_at) WHERE expires_at IS NOT NULL;

-- Forms through which people sign up, see signup.Form; spec is what is not asked for alone.
CREATE TABLE signup_forms (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	name TEXT NOT NULL,
	active INTEGER NOT NULL,
	spec TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
