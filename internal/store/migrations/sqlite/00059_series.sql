-- +goose Up
-- Series, see series.Series; spec is the trigger. next_at is when the worker is to look
-- at it, NULL: not at all. scan_at and scan_after are where the look at dates stands.
CREATE TABLE series (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	revision INTEGER NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	name TEXT NOT NULL,
	actor TEXT NOT NULL,
	grp BLOB NOT NULL,
	again INTEGER NOT NULL,
	version INTEGER NOT NULL,
	since INTEGER NOT NULL,
	trigger_on TEXT NOT NULL,
	trigger_key TEXT NOT NULL,
	spec TEXT NOT NULL,
	next_at INTEGER,
	rest_at INTEGER,
	scan_at INTEGER,
	scan_after BLOB,
	entered INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX series_next ON series (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX series_trigger ON series (tenant, trigger_on, trigger_key) WHERE state = 'active';

-- What a version of a series says, see series.Definition, without the letters.
CREATE TABLE series_versions (
	tenant BLOB NOT NULL,
	series BLOB NOT NULL,
	version INTEGER NOT NULL,
	spec TEXT NOT NULL,
	PRIMARY KEY (tenant, series, version)
) STRICT, WITHOUT ROWID;

-- The letters of steps that send, see campaign.Letter; they never change.
CREATE TABLE series_letters (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	series BLOB NOT NULL,
	letter TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX series_letters_series ON series_letters (tenant, series);

-- Who goes through a series, see series.Run. due_at is NULL when it is over.
CREATE TABLE series_runs (
	tenant BLOB NOT NULL,
	series BLOB NOT NULL,
	contact BLOB NOT NULL,
	entry INTEGER NOT NULL,
	version INTEGER NOT NULL,
	step TEXT NOT NULL,
	step_at INTEGER NOT NULL,
	due_at INTEGER,
	reason TEXT NOT NULL,
	turn INTEGER NOT NULL,
	data TEXT,
	entered_at INTEGER NOT NULL,
	ended_at INTEGER,
	PRIMARY KEY (tenant, series, contact, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX series_runs_due ON series_runs (tenant, series, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX series_runs_step ON series_runs (tenant, series, step, contact) WHERE due_at IS NOT NULL;
CREATE INDEX series_runs_contact ON series_runs (tenant, contact);

-- What runs have done, see series.Deed. delivery names the mail before it is accepted, so that
-- nobody gets two; seq is the order within a run.
CREATE TABLE series_deeds (
	tenant BLOB NOT NULL,
	series BLOB NOT NULL,
	contact BLOB NOT NULL,
	entry INTEGER NOT NULL,
	step TEXT NOT NULL,
	outcome TEXT NOT NULL,
	reason TEXT NOT NULL,
	form BLOB,
	delivery BLOB,
	at INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	PRIMARY KEY (tenant, series, contact, entry, step)
) STRICT, WITHOUT ROWID;
CREATE INDEX series_deeds_contact ON series_deeds (tenant, contact, at);

-- Triggers that fired and are not yet dealt with, see series.Signal.
CREATE TABLE series_signals (
	tenant BLOB NOT NULL,
	series BLOB NOT NULL,
	id BLOB NOT NULL,
	contact BLOB NOT NULL,
	data TEXT,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, series, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX series_signals_contact ON series_signals (tenant, contact);
