-- +goose Up
ALTER TABLE tenants ADD COLUMN no_failure_reports SMALLINT NOT NULL DEFAULT 0;

-- What an SMTP client wants to be told (RFC 3461). NULL where it said nothing; notify
-- is NULL where nobody is told anything, as for mail of the HTTP API.
ALTER TABLE messages ADD COLUMN ret TEXT;
ALTER TABLE messages ADD COLUMN envelope_id TEXT;
ALTER TABLE deliveries ADD COLUMN notify SMALLINT;
ALTER TABLE deliveries ADD COLUMN original TEXT;

-- Reports to senders that are still to be written. batch is the delivery that names
-- the report a row was taken for: rows of one batch share a report, for good.
CREATE TABLE reports_due (
	tenant BYTEA NOT NULL,
	delivery BYTEA NOT NULL,
	action TEXT NOT NULL,
	due_at BIGINT NOT NULL,
	batch BYTEA,
	PRIMARY KEY (tenant, delivery, action)
);
CREATE INDEX reports_due_at ON reports_due (due_at);
