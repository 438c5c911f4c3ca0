-- +goose Up
-- Limits that accounts and staff have set of their own, see pause.Bound. grp is sixteen zeros
-- for all groups of the account.
CREATE TABLE group_bounds (
	tenant BYTEA NOT NULL,
	grp BYTEA NOT NULL,
	staff BIGINT NOT NULL,
	shares TEXT NOT NULL,
	reason TEXT NOT NULL,
	actor TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, grp, staff)
);
