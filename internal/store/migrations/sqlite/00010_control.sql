-- +goose Up
-- What people ordered about mail that waits and mail to come. giver and of_tenant are
-- sixteen zero bytes for the platform and for every tenant; scope is '' for everything.
CREATE TABLE queue_orders (
	giver BLOB NOT NULL,
	id BLOB NOT NULL,
	command TEXT NOT NULL,
	of_tenant BLOB NOT NULL,
	stream TEXT NOT NULL,
	tag TEXT NOT NULL,
	domain TEXT NOT NULL,
	site TEXT NOT NULL,
	pool TEXT NOT NULL,
	next_hop TEXT NOT NULL,
	actor TEXT NOT NULL,
	reason TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER,
	ended_at INTEGER,
	ended_by TEXT NOT NULL,
	PRIMARY KEY (giver, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_orders_standing ON queue_orders (giver, id) WHERE ended_at IS NULL;

-- Who commanded what and how far it came. tenant is sixteen zero bytes for staff, act
-- is JSON, finished_at NULL while it runs or if it was cut short.
CREATE TABLE queue_log (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	at INTEGER NOT NULL,
	actor TEXT NOT NULL,
	act TEXT NOT NULL,
	reason TEXT NOT NULL,
	planned INTEGER NOT NULL,
	changed INTEGER NOT NULL,
	finished_at INTEGER,
	order_id BLOB,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
