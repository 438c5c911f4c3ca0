-- +goose Up
-- Sources, pools and what is known of them belong to the platform: there is no
-- tenant in their keys. seeder is the node from whose configuration a row came, ''
-- once a person changed it.
CREATE TABLE egress_sources (
	name TEXT PRIMARY KEY,
	node TEXT NOT NULL,
	ip TEXT NOT NULL,
	ehlo TEXT NOT NULL,
	state TEXT NOT NULL,
	valid_from INTEGER,
	valid_until INTEGER,
	retiring_since INTEGER,
	warm_up_from INTEGER,
	weight INTEGER NOT NULL,
	seeder TEXT NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE egress_pools (
	name TEXT PRIMARY KEY,
	by_hand INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- weight is -1 for the source's own.
CREATE TABLE egress_members (
	pool TEXT NOT NULL,
	source TEXT NOT NULL,
	weight INTEGER NOT NULL,
	seeder TEXT NOT NULL,
	PRIMARY KEY (pool, source)
) STRICT, WITHOUT ROWID;

-- tenant is sixteen zero bytes for every tenant, stream is '' for every stream.
CREATE TABLE egress_assignments (
	tenant BLOB NOT NULL,
	stream TEXT NOT NULL,
	pool TEXT NOT NULL,
	seeder TEXT NOT NULL,
	PRIMARY KEY (tenant, stream)
) STRICT, WITHOUT ROWID;

-- One row per alarm; first_at tells those of a pair apart. cleared_at is NULL while
-- it lasts.
CREATE TABLE egress_alarms (
	source TEXT NOT NULL,
	provider TEXT NOT NULL,
	first_at INTEGER NOT NULL,
	last_at INTEGER NOT NULL,
	count INTEGER NOT NULL,
	class TEXT NOT NULL,
	code INTEGER NOT NULL,
	enhanced TEXT NOT NULL,
	stage TEXT NOT NULL,
	host TEXT NOT NULL,
	reply TEXT NOT NULL,
	paused_until INTEGER NOT NULL,
	pauses INTEGER NOT NULL,
	cleared_at INTEGER,
	cleared_by TEXT NOT NULL,
	PRIMARY KEY (source, provider, first_at)
) STRICT, WITHOUT ROWID;

-- Mails per source, provider and day of UTC since 1970, where a day is bounded.
CREATE TABLE egress_tallies (
	day INTEGER NOT NULL,
	source TEXT NOT NULL,
	provider TEXT NOT NULL,
	sent INTEGER NOT NULL,
	PRIMARY KEY (day, source, provider)
) STRICT, WITHOUT ROWID;

-- What the last self-checks found; problem is '' for nothing.
CREATE TABLE egress_findings (
	source TEXT NOT NULL,
	kind TEXT NOT NULL,
	subject TEXT NOT NULL,
	problem TEXT NOT NULL,
	have TEXT NOT NULL,
	since INTEGER NOT NULL,
	checked_at INTEGER NOT NULL,
	PRIMARY KEY (source, kind, subject)
) STRICT, WITHOUT ROWID;
