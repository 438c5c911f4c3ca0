-- +goose Up
-- Times during which a tenant's bulk mail is held, see audience.Halt; at most one of a
-- tenant is in force. freed is 1 when nothing is held any more because of it.
CREATE TABLE bulk_halts (
	tenant BYTEA NOT NULL,
	at BIGINT NOT NULL,
	cause TEXT NOT NULL,
	sent BIGINT NOT NULL,
	hard BIGINT NOT NULL,
	complaints BIGINT NOT NULL,
	lookback BIGINT NOT NULL,
	released_at BIGINT,
	released_by TEXT NOT NULL,
	note TEXT NOT NULL,
	freed BIGINT NOT NULL,
	PRIMARY KEY (tenant, at)
);
CREATE UNIQUE INDEX bulk_halts_in_force ON bulk_halts (tenant) WHERE released_at IS NULL;
