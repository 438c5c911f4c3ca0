-- +goose Up
-- Members of groups that are not approved who got mail of one shape, see approval.Pattern.
-- member is a keyed hash of the address; rows live for two hours.
CREATE TABLE approval_patterns (
	tenant BLOB NOT NULL,
	shape BLOB NOT NULL,
	member BLOB NOT NULL,
	grp BLOB NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, shape, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX approval_patterns_at ON approval_patterns (at);

-- freed is 0 while mail may wait that an alarm held which has ended.
ALTER TABLE approval_alarms ADD COLUMN freed INTEGER NOT NULL DEFAULT 1;
CREATE INDEX approval_alarms_unfreed ON approval_alarms (tenant) WHERE freed = 0;

-- +goose Down
DROP INDEX approval_alarms_unfreed;
ALTER TABLE approval_alarms DROP COLUMN freed;
DROP TABLE approval_patterns;
