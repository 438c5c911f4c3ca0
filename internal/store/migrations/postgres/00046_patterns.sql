-- +goose Up
-- Members of groups that are not approved who got mail of one shape, see approval.Pattern.
-- member is a keyed hash of the address; rows live for two hours.
CREATE TABLE approval_patterns (
	tenant BYTEA NOT NULL,
	shape BYTEA NOT NULL,
	member BYTEA NOT NULL,
	grp BYTEA NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, shape, member)
);
CREATE INDEX approval_patterns_at ON approval_patterns (at);

-- freed is 0 while mail may wait that an alarm held which has ended.
ALTER TABLE approval_alarms ADD COLUMN freed SMALLINT NOT NULL DEFAULT 1;
CREATE INDEX approval_alarms_unfreed ON approval_alarms (tenant) WHERE freed = 0;

-- +goose Down
DROP INDEX approval_alarms_unfreed;
ALTER TABLE approval_alarms DROP COLUMN freed;
DROP TABLE approval_patterns;
