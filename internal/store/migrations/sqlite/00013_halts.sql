-- +goose Up
-- Times during which a tenant's bulk mail is held, see audience.Halt; at most one of a
-- tenant is in force. freed is 1 when nothing is held any more because of it.
CREATE TABLE bulk_halts (
	tenant BLOB NOT NULL,
	at INTEGER NOT NULL,
	cause TEXT NOT NULL,
	sent INTEGER NOT NULL,
	hard INTEGER NOT NULL,
	complaints INTEGER NOT NULL,
	lookback INTEGER NOT NULL,
	released_at INTEGER,
	released_by TEXT NOT NULL,
	note TEXT NOT NULL,
	freed INTEGER NOT NULL,
	PRIMARY KEY (tenant, at)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX bulk_halts_in_force ON bulk_halts (tenant) WHERE released_at IS NULL;
