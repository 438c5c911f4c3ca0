-- +goose Up
-- Limits that accounts and staff have set of their own, see pause.Bound. grp is sixteen zeros
-- for all groups of the account.
CREATE TABLE group_bounds (
	tenant BLOB NOT NULL,
	grp BLOB NOT NULL,
	staff INTEGER NOT NULL,
	shares TEXT NOT NULL,
	reason TEXT NOT NULL,
	actor TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, grp, staff)
) STRICT, WITHOUT ROWID;
