-- +goose Up
-- Mails of the platform to its own people. due_at and sealed are NULL once a letter is
-- sent: the row then only remembers that its key was used.
CREATE TABLE notices (
	tenant BYTEA NOT NULL,
	key TEXT NOT NULL,
	at BIGINT NOT NULL,
	due_at BIGINT,
	sealed BYTEA,
	PRIMARY KEY (tenant, key)
);
CREATE INDEX notices_due ON notices (due_at) WHERE due_at IS NOT NULL;
