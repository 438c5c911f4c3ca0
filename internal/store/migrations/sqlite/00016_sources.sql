-- +goose Up
-- Every change of a source, pool, assignment or warm-up, by hand or from a node's
-- configuration. Texts are JSON, '' where the thing was not there.
CREATE TABLE egress_revisions (
	thing TEXT NOT NULL,
	name TEXT NOT NULL,
	version INTEGER NOT NULL,
	at INTEGER NOT NULL,
	by_whom TEXT NOT NULL,
	before_text TEXT NOT NULL,
	after_text TEXT NOT NULL,
	PRIMARY KEY (thing, name, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX egress_revisions_at ON egress_revisions (at);

-- What people changed about warm-ups, see egress.Pace; paused_on is 0 while it runs.
CREATE TABLE egress_paces (
	source TEXT NOT NULL,
	provider TEXT NOT NULL,
	shift INTEGER NOT NULL,
	paused_on INTEGER NOT NULL,
	finished INTEGER NOT NULL,
	PRIMARY KEY (source, provider)
) STRICT, WITHOUT ROWID;

-- The addresses each node's machine has.
CREATE TABLE egress_node_addresses (
	node TEXT NOT NULL,
	ip TEXT NOT NULL,
	PRIMARY KEY (node, ip)
) STRICT, WITHOUT ROWID;

-- What people did once at providers; source is '' for the platform.
CREATE TABLE egress_tasks (
	source TEXT NOT NULL,
	task TEXT NOT NULL,
	done_by TEXT NOT NULL,
	done_at INTEGER NOT NULL,
	PRIMARY KEY (source, task)
) STRICT, WITHOUT ROWID;

-- Mail that took another source because the warm-up had no room.
ALTER TABLE egress_tallies ADD COLUMN overflow INTEGER NOT NULL DEFAULT 0;
