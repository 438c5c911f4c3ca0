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
	valid_from BIGINT,
	valid_until BIGINT,
	retiring_since BIGINT,
	warm_up_from BIGINT,
	weight INTEGER NOT NULL,
	seeder TEXT NOT NULL,
	updated_at BIGINT NOT NULL
);

CREATE TABLE egress_pools (
	name TEXT PRIMARY KEY,
	by_hand SMALLINT NOT NULL,
	updated_at BIGINT NOT NULL
);

-- weight is -1 for the source's own.
CREATE TABLE egress_members (
	pool TEXT NOT NULL,
	source TEXT NOT NULL,
	weight INTEGER NOT NULL,
	seeder TEXT NOT NULL,
	PRIMARY KEY (pool, source)
);

-- tenant is sixteen zero bytes for every tenant, stream is '' for every stream.
CREATE TABLE egress_assignments (
	tenant BYTEA NOT NULL,
	stream TEXT NOT NULL,
	pool TEXT NOT NULL,
	seeder TEXT NOT NULL,
	PRIMARY KEY (tenant, stream)
);

-- One row per alarm; first_at tells those of a pair apart. cleared_at is NULL while
-- it lasts.
CREATE TABLE egress_alarms (
	source TEXT NOT NULL,
	provider TEXT NOT NULL,
	first_at BIGINT NOT NULL,
	last_at BIGINT NOT NULL,
	count BIGINT NOT NULL,
	class TEXT NOT NULL,
	code INTEGER NOT NULL,
	enhanced TEXT NOT NULL,
	stage TEXT NOT NULL,
	host TEXT NOT NULL,
	reply TEXT NOT NULL,
	paused_until BIGINT NOT NULL,
	pauses INTEGER NOT NULL,
	cleared_at BIGINT,
	cleared_by TEXT NOT NULL,
	PRIMARY KEY (source, provider, first_at)
);

-- Mails per source, provider and day of UTC since 1970, where a day is bounded.
CREATE TABLE egress_tallies (
	day BIGINT NOT NULL,
	source TEXT NOT NULL,
	provider TEXT NOT NULL,
	sent BIGINT NOT NULL,
	PRIMARY KEY (day, source, provider)
);

-- What the last self-checks found; problem is '' for nothing.
CREATE TABLE egress_findings (
	source TEXT NOT NULL,
	kind TEXT NOT NULL,
	subject TEXT NOT NULL,
	problem TEXT NOT NULL,
	have TEXT NOT NULL,
	since BIGINT NOT NULL,
	checked_at BIGINT NOT NULL,
	PRIMARY KEY (source, kind, subject)
);
