-- +goose Up
-- Mails of the platform to its own people. due_at and sealed are NULL once a letter is
-- sent: the row then only remembers that its key was used.
CREATE TABLE notices (
	tenant BLOB NOT NULL,
	key TEXT NOT NULL,
	at INTEGER NOT NULL,
	due_at INTEGER,
	sealed BLOB,
	PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX notices_due ON notices (due_at) WHERE due_at IS NOT NULL;

ALTER TABLE tenants ADD COLUMN visited_until INTEGER;

-- guarded is 1 while a second factor follows the password. totp is the sealed secret,
-- totp_step the last step whose code was used. subject is the person's name at the
-- OpenID provider.
ALTER TABLE users ADD COLUMN guarded INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN totp BLOB;
ALTER TABLE users ADD COLUMN totp_step INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN subject TEXT;
CREATE UNIQUE INDEX users_subject ON users (subject) WHERE subject IS NOT NULL;

-- user_agent is the kind of device; visit the tenant that staff look into.
ALTER TABLE sessions ADD COLUMN network TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN pending INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN proved_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN visit BLOB;
ALTER TABLE sessions ADD COLUMN visit_reason TEXT;
ALTER TABLE sessions ADD COLUMN visit_since INTEGER;
ALTER TABLE sessions ADD COLUMN visit_until INTEGER;

ALTER TABLE api_keys ADD COLUMN expires_at INTEGER;
ALTER TABLE api_keys ADD COLUMN networks TEXT;
ALTER TABLE api_keys ADD COLUMN daily_cap INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN created_by TEXT NOT NULL DEFAULT '';

-- hash is that of the token in the link.
CREATE TABLE invitations (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	hash BLOB NOT NULL,
	email TEXT NOT NULL,
	name TEXT NOT NULL,
	role TEXT NOT NULL,
	invited_by BLOB NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX invitations_hash ON invitations (hash);
CREATE UNIQUE INDEX invitations_email ON invitations (tenant, email);

CREATE TABLE recovery_codes (
	tenant BLOB NOT NULL,
	user_id BLOB NOT NULL,
	hash BLOB NOT NULL,
	used_at INTEGER,
	PRIMARY KEY (tenant, user_id, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE passkeys (
	tenant BLOB NOT NULL,
	user_id BLOB NOT NULL,
	id BLOB NOT NULL,
	name TEXT NOT NULL,
	credential TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	used_at INTEGER,
	PRIMARY KEY (tenant, user_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX passkeys_id ON passkeys (id);

-- What was begun and is to be finished by whoever brings the token: a new password by
-- mail, a passkey's challenge, a sign-in at the OpenID provider. hash is that of the
-- token; user_id is zeros where nobody is known yet.
CREATE TABLE ceremonies (
	hash BLOB PRIMARY KEY,
	kind TEXT NOT NULL,
	tenant BLOB NOT NULL,
	user_id BLOB NOT NULL,
	sealed BLOB NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ceremonies_user ON ceremonies (tenant, user_id);

-- Kinds of devices a person has signed in from, by a hash of kind and network.
CREATE TABLE devices (
	tenant BLOB NOT NULL,
	user_id BLOB NOT NULL,
	hash BLOB NOT NULL,
	seen_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, user_id, hash)
) STRICT, WITHOUT ROWID;

-- Failed tries by a hash of what was tried, and when all of them are forgiven.
CREATE TABLE tries (
	name BLOB PRIMARY KEY,
	clear_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who did what. Rows are only ever added, each with the hash of the one before it.
CREATE TABLE audit (
	tenant BLOB NOT NULL,
	seq INTEGER NOT NULL,
	at INTEGER NOT NULL,
	actor TEXT NOT NULL,
	door TEXT NOT NULL,
	action TEXT NOT NULL,
	target TEXT NOT NULL,
	detail TEXT NOT NULL,
	network TEXT NOT NULL,
	prev BLOB NOT NULL,
	hash BLOB NOT NULL,
	PRIMARY KEY (tenant, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit_heads (
	tenant BLOB PRIMARY KEY,
	seq INTEGER NOT NULL,
	hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER audit_kept BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit entries are not changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit entries are not removed'); END;
-- +goose StatementEnd
