-- +goose Up
-- The approval of groups, see approval.Case; sealed is what is not asked for alone. due and
-- decided_at are 0 where there is none. freed is 0 while mail may be held that an approval
-- lets go.
CREATE TABLE approvals (
	tenant BLOB NOT NULL,
	grp BLOB NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	state TEXT NOT NULL,
	since INTEGER NOT NULL,
	submitted_at INTEGER NOT NULL,
	due INTEGER NOT NULL,
	decided_at INTEGER NOT NULL,
	claimed_by TEXT NOT NULL,
	examined INTEGER NOT NULL,
	freed INTEGER NOT NULL,
	sealed BLOB NOT NULL,
	PRIMARY KEY (tenant, grp)
) STRICT, WITHOUT ROWID;
CREATE INDEX approvals_id ON approvals (id);
CREATE INDEX approvals_open ON approvals (due) WHERE state IN ('in_review', 'question');
CREATE INDEX approvals_unfreed ON approvals (tenant) WHERE freed = 0;

-- What was done and said in cases, in order; nothing in it is ever changed.
CREATE TABLE approval_log (
	tenant BLOB NOT NULL,
	approval BLOB NOT NULL,
	id BLOB NOT NULL,
	act TEXT NOT NULL,
	actor TEXT NOT NULL,
	sealed BLOB NOT NULL,
	PRIMARY KEY (tenant, approval, id)
) STRICT, WITHOUT ROWID;

-- Evidence: what it is, and its bytes, both sealed.
CREATE TABLE approval_files (
	tenant BLOB NOT NULL,
	approval BLOB NOT NULL,
	id BLOB NOT NULL,
	meta BLOB NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (tenant, approval, id)
) STRICT;

-- Tenants that write around approvals, see approval.Alarm; ended_at is 0 while it stands.
CREATE TABLE approval_alarms (
	tenant BLOB NOT NULL,
	shape BLOB NOT NULL,
	grp BLOB NOT NULL,
	stream TEXT NOT NULL,
	members INTEGER NOT NULL,
	at INTEGER NOT NULL,
	ended_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, shape)
) STRICT, WITHOUT ROWID;
CREATE INDEX approval_alarms_open ON approval_alarms (at) WHERE ended_at = 0;
