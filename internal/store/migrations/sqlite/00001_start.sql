-- +goose Up
CREATE TABLE tenants (
	id BLOB PRIMARY KEY,
	name TEXT NOT NULL,
	state TEXT NOT NULL,
	lock_reason TEXT NOT NULL,
	locale TEXT NOT NULL,
	office_tone TEXT NOT NULL,
	customer_tone TEXT NOT NULL,
	daily_quota INTEGER NOT NULL,
	created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- tenant is sixteen zero bytes for staff of the platform.
CREATE TABLE users (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	email TEXT NOT NULL,
	name TEXT NOT NULL,
	password_hash TEXT NOT NULL,
	role TEXT NOT NULL,
	locale TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	disabled_at INTEGER,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX users_email ON users (email);

CREATE TABLE sessions (
	hash BLOB PRIMARY KEY,
	tenant BLOB NOT NULL,
	user_id BLOB NOT NULL,
	created_at INTEGER NOT NULL,
	seen_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	user_agent TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (tenant, user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE api_keys (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	name TEXT NOT NULL,
	hint TEXT NOT NULL,
	hash BLOB NOT NULL,
	scopes TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	last_used_at INTEGER,
	revoked_at INTEGER,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX api_keys_hash ON api_keys (hash);

CREATE TABLE domains (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	name TEXT NOT NULL,
	state TEXT NOT NULL,
	checked_at INTEGER,
	created_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX domains_name ON domains (tenant, name);
-- Two tenants may claim a name; only one can prove it.
CREATE UNIQUE INDEX domains_usable ON domains (name) WHERE state IN ('verified', 'trusted');

CREATE TABLE dkim_keys (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	domain BLOB NOT NULL,
	domain_name TEXT NOT NULL,
	selector TEXT NOT NULL,
	algorithm TEXT NOT NULL,
	sealed BLOB NOT NULL,
	record TEXT NOT NULL,
	active INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX dkim_keys_selector ON dkim_keys (tenant, domain_name, selector);

-- message_id is NULL where it is the message's own text "@" sign_domain, as it is
-- for all mail but that which came with a Message-ID: looking those up needs no
-- index. salt is NULL when the content was erased. recipients counts deliveries.
CREATE TABLE messages (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	stream TEXT NOT NULL,
	actor TEXT NOT NULL,
	door TEXT NOT NULL,
	sender TEXT NOT NULL,
	from_box TEXT NOT NULL,
	to_boxes TEXT NOT NULL,
	subject TEXT NOT NULL,
	message_id TEXT,
	sign_domain TEXT NOT NULL,
	size INTEGER NOT NULL,
	salt BLOB,
	eight_bit INTEGER NOT NULL,
	utf8 INTEGER NOT NULL,
	digests TEXT,
	tags TEXT,
	metadata TEXT,
	recipients INTEGER NOT NULL,
	accepted_at INTEGER NOT NULL,
	send_at INTEGER,
	expires_at INTEGER NOT NULL,
	body_day INTEGER NOT NULL,
	body_segment INTEGER NOT NULL,
	body_offset INTEGER NOT NULL,
	body_length INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX messages_foreign ON messages (tenant, message_id) WHERE message_id IS NOT NULL;

CREATE TABLE message_tags (
	tenant BLOB NOT NULL,
	tag TEXT NOT NULL,
	message BLOB NOT NULL,
	PRIMARY KEY (tenant, tag, message)
) STRICT, WITHOUT ROWID;

-- A delivery's id begins with that of its message, so the deliveries of a message
-- are one range of the primary key. recipient is lower-case throughout, local the
-- local part as it was written, NULL where that is the same. owner is the epoch
-- that holds the delivery, 0 if nobody.
CREATE TABLE deliveries (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	recipient TEXT NOT NULL,
	local TEXT,
	hidden INTEGER NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	host TEXT NOT NULL,
	attempts INTEGER NOT NULL,
	owner INTEGER NOT NULL,
	urgency INTEGER NOT NULL,
	due_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	signature BLOB,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
-- state is in it so that counting reads nothing else.
CREATE INDEX deliveries_due ON deliveries (tenant, owner, urgency, due_at, state) WHERE state IN ('queued', 'deferred');
CREATE INDEX deliveries_recipient ON deliveries (tenant, recipient, id);
CREATE INDEX deliveries_waiting ON deliveries (tenant, state, id) WHERE state IN ('deferred', 'held');
CREATE INDEX deliveries_ended ON deliveries (tenant, state, id) WHERE state IN ('bounced', 'expired', 'suppressed', 'cancelled');

-- number is that of the delivery within its message, 0 for facts about the whole.
CREATE TABLE events (
	tenant BLOB NOT NULL,
	message BLOB NOT NULL,
	id BLOB NOT NULL,
	number INTEGER NOT NULL,
	type TEXT NOT NULL,
	at INTEGER NOT NULL,
	actor TEXT NOT NULL,
	reason TEXT NOT NULL,
	attempt TEXT,
	PRIMARY KEY (tenant, message, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
	tenant BLOB NOT NULL,
	key TEXT NOT NULL,
	hash BLOB NOT NULL,
	message BLOB NOT NULL,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

-- Deliveries accepted per hour since 1970, by the time in the message's id.
CREATE TABLE usage (
	tenant BLOB NOT NULL,
	hour INTEGER NOT NULL,
	deliveries INTEGER NOT NULL,
	PRIMARY KEY (tenant, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE suppressions (
	tenant BLOB NOT NULL,
	stream TEXT NOT NULL,
	address TEXT NOT NULL,
	reason TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER,
	PRIMARY KEY (tenant, stream, address)
) STRICT, WITHOUT ROWID;

-- beat grows with every heartbeat. A node that sees it stand still for lease, in
-- milliseconds of that node's own clock, sets alive to 0: declared dead, and its
-- deliveries may be claimed by others. No two nodes' clocks are ever compared.
CREATE TABLE epochs (
	epoch INTEGER PRIMARY KEY AUTOINCREMENT,
	node TEXT NOT NULL,
	alive INTEGER NOT NULL,
	beat INTEGER NOT NULL,
	lease INTEGER NOT NULL
) STRICT;

-- What must be the same on every node of this database.
CREATE TABLE agreements (
	name TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Who does what only one node may do, and until when, by the clock of the database.
CREATE TABLE singletons (
	name TEXT PRIMARY KEY,
	holder TEXT NOT NULL,
	until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
