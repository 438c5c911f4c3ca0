-- +goose Up
CREATE TABLE tenants (
	id BYTEA PRIMARY KEY,
	name TEXT NOT NULL,
	state TEXT NOT NULL,
	lock_reason TEXT NOT NULL,
	locale TEXT NOT NULL,
	office_tone TEXT NOT NULL,
	customer_tone TEXT NOT NULL,
	daily_quota BIGINT NOT NULL,
	created_at BIGINT NOT NULL
);

-- tenant is sixteen zero bytes for staff of the platform.
CREATE TABLE users (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	email TEXT NOT NULL,
	name TEXT NOT NULL,
	password_hash TEXT NOT NULL,
	role TEXT NOT NULL,
	locale TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	disabled_at BIGINT,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX users_email ON users (email);

CREATE TABLE sessions (
	hash BYTEA PRIMARY KEY,
	tenant BYTEA NOT NULL,
	user_id BYTEA NOT NULL,
	created_at BIGINT NOT NULL,
	seen_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	user_agent TEXT NOT NULL
);
CREATE INDEX sessions_user ON sessions (tenant, user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE api_keys (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	name TEXT NOT NULL,
	hint TEXT NOT NULL,
	hash BYTEA NOT NULL,
	scopes TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	last_used_at BIGINT,
	revoked_at BIGINT,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX api_keys_hash ON api_keys (hash);

CREATE TABLE domains (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	name TEXT NOT NULL,
	state TEXT NOT NULL,
	checked_at BIGINT,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX domains_name ON domains (tenant, name);
-- Two tenants may claim a name; only one can prove it.
CREATE UNIQUE INDEX domains_usable ON domains (name) WHERE state IN ('verified', 'trusted');

CREATE TABLE dkim_keys (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	domain BYTEA NOT NULL,
	domain_name TEXT NOT NULL,
	selector TEXT NOT NULL,
	algorithm TEXT NOT NULL,
	sealed BYTEA NOT NULL,
	record TEXT NOT NULL,
	active SMALLINT NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX dkim_keys_selector ON dkim_keys (tenant, domain_name, selector);

-- message_id is NULL where it is the message's own text "@" sign_domain, as it is
-- for all mail but that which came with a Message-ID: looking those up needs no
-- index. salt is NULL when the content was erased. recipients counts deliveries.
CREATE TABLE messages (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	stream TEXT NOT NULL,
	actor TEXT NOT NULL,
	door TEXT NOT NULL,
	sender TEXT NOT NULL,
	from_box TEXT NOT NULL,
	to_boxes TEXT NOT NULL,
	subject TEXT NOT NULL,
	message_id TEXT,
	sign_domain TEXT NOT NULL,
	size BIGINT NOT NULL,
	salt BYTEA,
	eight_bit SMALLINT NOT NULL,
	utf8 SMALLINT NOT NULL,
	digests TEXT,
	tags TEXT,
	metadata TEXT,
	recipients INTEGER NOT NULL,
	accepted_at BIGINT NOT NULL,
	send_at BIGINT,
	expires_at BIGINT NOT NULL,
	body_day INTEGER NOT NULL,
	body_segment INTEGER NOT NULL,
	body_offset BIGINT NOT NULL,
	body_length INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX messages_foreign ON messages (tenant, message_id) WHERE message_id IS NOT NULL;

CREATE TABLE message_tags (
	tenant BYTEA NOT NULL,
	tag TEXT NOT NULL,
	message BYTEA NOT NULL,
	PRIMARY KEY (tenant, tag, message)
);

-- A delivery's id begins with that of its message, so the deliveries of a message
-- are one range of the primary key. recipient is lower-case throughout, local the
-- local part as it was written, NULL where that is the same. owner is the epoch
-- that holds the delivery, 0 if nobody.
CREATE TABLE deliveries (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	recipient TEXT NOT NULL,
	local TEXT,
	hidden SMALLINT NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	host TEXT NOT NULL,
	attempts INTEGER NOT NULL,
	owner BIGINT NOT NULL,
	urgency SMALLINT NOT NULL,
	due_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	signature BYTEA,
	PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80);
-- state is in it so that counting reads nothing else.
CREATE INDEX deliveries_due ON deliveries (tenant, owner, urgency, due_at, state) WHERE state IN ('queued', 'deferred');
CREATE INDEX deliveries_recipient ON deliveries (tenant, recipient, id);
CREATE INDEX deliveries_waiting ON deliveries (tenant, state, id) WHERE state IN ('deferred', 'held');
CREATE INDEX deliveries_ended ON deliveries (tenant, state, id) WHERE state IN ('bounced', 'expired', 'suppressed', 'cancelled');

-- number is that of the delivery within its message, 0 for facts about the whole.
CREATE TABLE events (
	tenant BYTEA NOT NULL,
	message BYTEA NOT NULL,
	id BYTEA NOT NULL,
	number INTEGER NOT NULL,
	type TEXT NOT NULL,
	at BIGINT NOT NULL,
	actor TEXT NOT NULL,
	reason TEXT NOT NULL,
	attempt TEXT,
	PRIMARY KEY (tenant, message, id)
);

CREATE TABLE idempotency (
	tenant BYTEA NOT NULL,
	key TEXT NOT NULL,
	hash BYTEA NOT NULL,
	message BYTEA NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, key)
);
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

-- Deliveries accepted per hour since 1970, by the time in the message's id.
CREATE TABLE usage (
	tenant BYTEA NOT NULL,
	hour BIGINT NOT NULL,
	deliveries BIGINT NOT NULL,
	PRIMARY KEY (tenant, hour)
);

CREATE TABLE suppressions (
	tenant BYTEA NOT NULL,
	stream TEXT NOT NULL,
	address TEXT NOT NULL,
	reason TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT,
	PRIMARY KEY (tenant, stream, address)
);

-- beat grows with every heartbeat. A node that sees it stand still for lease, in
-- milliseconds of that node's own clock, sets alive to 0: declared dead, and its
-- deliveries may be claimed by others. No two nodes' clocks are ever compared.
CREATE TABLE epochs (
	epoch BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	node TEXT NOT NULL,
	alive SMALLINT NOT NULL,
	beat BIGINT NOT NULL,
	lease BIGINT NOT NULL
);

-- What must be the same on every node of this database.
CREATE TABLE agreements (
	name TEXT PRIMARY KEY,
	value TEXT NOT NULL
);

-- Who does what only one node may do, and until when, by the clock of the database.
CREATE TABLE singletons (
	name TEXT PRIMARY KEY,
	holder TEXT NOT NULL,
	until BIGINT NOT NULL
);

-- Bodies, one partition a day; what ends its retention is dropped whole.
CREATE TABLE bodies (
	day INTEGER NOT NULL,
	tenant BYTEA NOT NULL,
	message BYTEA NOT NULL,
	sealed BYTEA NOT NULL,
	PRIMARY KEY (day, tenant, message)
) PARTITION BY RANGE (day);
-- Sealed bodies do not compress.
ALTER TABLE bodies ALTER COLUMN sealed SET STORAGE EXTERNAL;
