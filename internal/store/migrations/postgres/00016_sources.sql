-- +goose Up
-- Every change of a source, pool, assignment or warm-up, by hand or from a node's
-- configuration. Texts are JSON, '' where the thing was not there.
CREATE TABLE egress_revisions (
	thing TEXT NOT NULL,
	name TEXT NOT NULL,
	version BIGINT NOT NULL,
	at BIGINT NOT NULL,
	by_whom TEXT NOT NULL,
	before_text TEXT NOT NULL,
	after_text TEXT NOT NULL,
	PRIMARY KEY (thing, name, version)
);
CREATE INDEX egress_revisions_at ON egress_revisions (at);

-- What people changed about warm-ups, see egress.Pace; paused_on is 0 while it runs.
CREATE TABLE egress_paces (
	source TEXT NOT NULL,
	provider TEXT NOT NULL,
	shift BIGINT NOT NULL,
	paused_on BIGINT NOT NULL,
	finished BIGINT NOT NULL,
	PRIMARY KEY (source, provider)
);

-- The addresses each node's machine has.
CREATE TABLE egress_node_addresses (
	node TEXT NOT NULL,
	ip TEXT NOT NULL,
	PRIMARY KEY (node, ip)
);

-- What people did once at providers; source is '' for the platform.
CREATE TABLE egress_tasks (
	source TEXT NOT NULL,
	task TEXT NOT NULL,
	done_by TEXT NOT NULL,
	done_at BIGINT NOT NULL,
	PRIMARY KEY (source, task)
);

-- Mail that took another source because the warm-up had no room.
ALTER TABLE egress_tallies ADD COLUMN overflow BIGINT NOT NULL DEFAULT 0;
