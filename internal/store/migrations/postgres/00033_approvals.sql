-- +goose Up
-- The approval of groups, see approval.Case; sealed is what is not asked for alone. due and
-- decided_at are 0 where there is none. freed is 0 while mail may be held that an approval
-- lets go.
CREATE TABLE approvals (
	tenant BYTEA NOT NULL,
	grp BYTEA NOT NULL,
	id BYTEA NOT NULL,
	version BIGINT NOT NULL,
	state TEXT NOT NULL,
	since BIGINT NOT NULL,
	submitted_at BIGINT NOT NULL,
	due BIGINT NOT NULL,
	decided_at BIGINT NOT NULL,
	claimed_by TEXT NOT NULL,
	examined BIGINT NOT NULL,
	freed BIGINT NOT NULL,
	sealed BYTEA NOT NULL,
	PRIMARY KEY (tenant, grp)
);
CREATE INDEX approvals_id ON approvals (id);
CREATE INDEX approvals_open ON approvals (due) WHERE state IN ('in_review', 'question');
CREATE INDEX approvals_unfreed ON approvals (tenant) WHERE freed = 0;

-- What was done and said in cases, in order; nothing in it is ever changed.
CREATE TABLE approval_log (
	tenant BYTEA NOT NULL,
	approval BYTEA NOT NULL,
	id BYTEA NOT NULL,
	act TEXT NOT NULL,
	actor TEXT NOT NULL,
	sealed BYTEA NOT NULL,
	PRIMARY KEY (tenant, approval, id)
);

-- Evidence: what it is, and its bytes, both sealed.
CREATE TABLE approval_files (
	tenant BYTEA NOT NULL,
	approval BYTEA NOT NULL,
	id BYTEA NOT NULL,
	meta BYTEA NOT NULL,
	body BYTEA NOT NULL,
	PRIMARY KEY (tenant, approval, id)
);

-- Tenants that write around approvals, see approval.Alarm; ended_at is 0 while it stands.
CREATE TABLE approval_alarms (
	tenant BYTEA NOT NULL,
	shape BYTEA NOT NULL,
	grp BYTEA NOT NULL,
	stream TEXT NOT NULL,
	members BIGINT NOT NULL,
	at BIGINT NOT NULL,
	ended_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, shape)
);
CREATE INDEX approval_alarms_open ON approval_alarms (at) WHERE ended_at = 0;
