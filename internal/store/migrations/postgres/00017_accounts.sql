-- +goose Up
-- Mails of the platform to its own people. due_at and sealed are NULL once a letter is
-- sent: the row then only remembers that its key was used.
CREATE TABLE notices (
	tenant BYTEA NOT NULL,
	key TEXT NOT NULL,
	at BIGINT NOT NULL,
	due_at BIGINT,
	sealed BYTEA,
	PRIMARY KEY (tenant, key)
);
CREATE INDEX notices_due ON notices (due_at) WHERE due_at IS NOT NULL;

ALTER TABLE tenants ADD COLUMN visited_until BIGINT;

-- guarded is 1 while a second factor follows the password. totp is the sealed secret,
-- totp_step the last step whose code was used. subject is the person's name at the
-- OpenID provider.
ALTER TABLE users ADD COLUMN guarded BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN totp BYTEA;
ALTER TABLE users ADD COLUMN totp_step BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN subject TEXT;
CREATE UNIQUE INDEX users_subject ON users (subject) WHERE subject IS NOT NULL;

-- user_agent is the kind of device; visit the tenant that staff look into.
ALTER TABLE sessions ADD COLUMN network TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN pending BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN proved_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN visit BYTEA;
ALTER TABLE sessions ADD COLUMN visit_reason TEXT;
ALTER TABLE sessions ADD COLUMN visit_since BIGINT;
ALTER TABLE sessions ADD COLUMN visit_until BIGINT;

ALTER TABLE api_keys ADD COLUMN expires_at BIGINT;
ALTER TABLE api_keys ADD COLUMN networks TEXT;
ALTER TABLE api_keys ADD COLUMN daily_cap BIGINT NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN created_by TEXT NOT NULL DEFAULT '';

-- hash is that of the token in the link.
CREATE TABLE invitations (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	hash BYTEA NOT NULL,
	email TEXT NOT NULL,
	name TEXT NOT NULL,
	role TEXT NOT NULL,
	invited_by BYTEA NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX invitations_hash ON invitations (hash);
CREATE UNIQUE INDEX invitations_email ON invitations (tenant, email);

CREATE TABLE recovery_codes (
	tenant BYTEA NOT NULL,
	user_id BYTEA NOT NULL,
	hash BYTEA NOT NULL,
	used_at BIGINT,
	PRIMARY KEY (tenant, user_id, hash)
);

CREATE TABLE passkeys (
	tenant BYTEA NOT NULL,
	user_id BYTEA NOT NULL,
	id BYTEA NOT NULL,
	name TEXT NOT NULL,
	credential TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	used_at BIGINT,
	PRIMARY KEY (tenant, user_id, id)
);
CREATE UNIQUE INDEX passkeys_id ON passkeys (id);

-- What was begun and is to be finished by whoever brings the token: a new password by
-- mail, a passkey's challenge, a sign-in at the OpenID provider. hash is that of the
-- token; user_id is zeros where nobody is known yet.
CREATE TABLE ceremonies (
	hash BYTEA PRIMARY KEY,
	kind TEXT NOT NULL,
	tenant BYTEA NOT NULL,
	user_id BYTEA NOT NULL,
	sealed BYTEA NOT NULL,
	expires_at BIGINT NOT NULL
);
CREATE INDEX ceremonies_user ON ceremonies (tenant, user_id);

-- Kinds of devices a person has signed in from, by a hash of kind and network.
CREATE TABLE devices (
	tenant BYTEA NOT NULL,
	user_id BYTEA NOT NULL,
	hash BYTEA NOT NULL,
	seen_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, user_id, hash)
);

-- Failed tries by a hash of what was tried, and when all of them are forgiven.
CREATE TABLE tries (
	name BYTEA PRIMARY KEY,
	clear_at BIGINT NOT NULL
);

-- Who did what. Rows are only ever added, each with the hash of the one before it.
CREATE TABLE audit (
	tenant BYTEA NOT NULL,
	seq BIGINT NOT NULL,
	at BIGINT NOT NULL,
	actor TEXT NOT NULL,
	door TEXT NOT NULL,
	action TEXT NOT NULL,
	target TEXT NOT NULL,
	detail TEXT NOT NULL,
	network TEXT NOT NULL,
	prev BYTEA NOT NULL,
	hash BYTEA NOT NULL,
	PRIMARY KEY (tenant, seq)
);
CREATE TABLE audit_heads (
	tenant BYTEA PRIMARY KEY,
	seq BIGINT NOT NULL,
	hash BYTEA NOT NULL
);

-- +goose StatementBegin
CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'audit entries are neither changed nor removed'; END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_stays();
