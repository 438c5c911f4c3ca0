-- +goose Up
-- Customers of tenants in changeovers, see affected.Customer. number is what a customer is
-- known by: an advertiser's number or a domain. informed is the message that told them.
CREATE TABLE changeover_customers (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	changeover BLOB NOT NULL,
	kind TEXT NOT NULL,
	number TEXT NOT NULL,
	name TEXT NOT NULL,
	software TEXT NOT NULL,
	emails TEXT NOT NULL,
	finding TEXT NOT NULL,
	found_at INTEGER NOT NULL,
	lists INTEGER NOT NULL,
	note TEXT NOT NULL,
	needs_old INTEGER NOT NULL,
	settled_at INTEGER,
	informed_at INTEGER,
	informed BLOB,
	answer TEXT NOT NULL,
	answered_at INTEGER,
	reminders INTEGER NOT NULL,
	reminded_at INTEGER,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX changeover_customers_known ON changeover_customers (tenant, changeover, kind, number);

-- The newest test lead of each source to a customer, see affected.Test.
CREATE TABLE changeover_tests (
	tenant BLOB NOT NULL,
	customer BLOB NOT NULL,
	source TEXT NOT NULL,
	lead BLOB NOT NULL,
	sent_at INTEGER NOT NULL,
	body_at INTEGER,
	xml_at INTEGER,
	PRIMARY KEY (tenant, customer, source)
) STRICT, WITHOUT ROWID;

-- What tenants say of changeovers, see announce.Announcement. asked is 1 while customers
-- are to be told.
CREATE TABLE changeover_announcements (
	tenant BLOB NOT NULL,
	changeover BLOB NOT NULL,
	asked INTEGER NOT NULL,
	document TEXT NOT NULL,
	PRIMARY KEY (tenant, changeover)
) STRICT, WITHOUT ROWID;
