-- +goose Up
-- Customers of tenants in changeovers, see affected.Customer. number is what a customer is
-- known by: an advertiser's number or a domain. informed is the message that told them.
CREATE TABLE changeover_customers (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	changeover BYTEA NOT NULL,
	kind TEXT NOT NULL,
	number TEXT NOT NULL,
	name TEXT NOT NULL,
	software TEXT NOT NULL,
	emails TEXT NOT NULL,
	finding TEXT NOT NULL,
	found_at BIGINT NOT NULL,
	lists BIGINT NOT NULL,
	note TEXT NOT NULL,
	needs_old BIGINT NOT NULL,
	settled_at BIGINT,
	informed_at BIGINT,
	informed BYTEA,
	answer TEXT NOT NULL,
	answered_at BIGINT,
	reminders BIGINT NOT NULL,
	reminded_at BIGINT,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX changeover_customers_known ON changeover_customers (tenant, changeover, kind, number);

-- The newest test lead of each source to a customer, see affected.Test.
CREATE TABLE changeover_tests (
	tenant BYTEA NOT NULL,
	customer BYTEA NOT NULL,
	source TEXT NOT NULL,
	lead BYTEA NOT NULL,
	sent_at BIGINT NOT NULL,
	body_at BIGINT,
	xml_at BIGINT,
	PRIMARY KEY (tenant, customer, source)
);

-- What tenants say of changeovers, see announce.Announcement. asked is 1 while customers
-- are to be told.
CREATE TABLE changeover_announcements (
	tenant BYTEA NOT NULL,
	changeover BYTEA NOT NULL,
	asked BIGINT NOT NULL,
	document TEXT NOT NULL,
	PRIMARY KEY (tenant, changeover)
);
