-- +goose Up
-- Series, see series.Series; spec is the trigger. next_at is when the worker is to look
-- at it, NULL: not at all. scan_at and scan_after are where the look at dates stands.
CREATE TABLE series (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	revision BIGINT NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	name TEXT NOT NULL,
	actor TEXT NOT NULL,
	grp BYTEA NOT NULL,
	again BIGINT NOT NULL,
	version BIGINT NOT NULL,
	since BIGINT NOT NULL,
	trigger_on TEXT NOT NULL,
	trigger_key TEXT NOT NULL,
	spec TEXT NOT NULL,
	next_at BIGINT,
	rest_at BIGINT,
	scan_at BIGINT,
	scan_after BYTEA,
	entered BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX series_next ON series (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX series_trigger ON series (tenant, trigger_on, trigger_key) WHERE state = 'active';

-- What a version of a series says, see series.Definition, without the letters.
CREATE TABLE series_versions (
	tenant BYTEA NOT NULL,
	series BYTEA NOT NULL,
	version BIGINT NOT NULL,
	spec TEXT NOT NULL,
	PRIMARY KEY (tenant, series, version)
);

-- The letters of steps that send, see campaign.Letter; they never change.
CREATE TABLE series_letters (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	series BYTEA NOT NULL,
	letter TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX series_letters_series ON series_letters (tenant, series);

-- Who goes through a series, see series.Run. due_at is NULL when it is over.
CREATE TABLE series_runs (
	tenant BYTEA NOT NULL,
	series BYTEA NOT NULL,
	contact BYTEA NOT NULL,
	entry BIGINT NOT NULL,
	version BIGINT NOT NULL,
	step TEXT NOT NULL,
	step_at BIGINT NOT NULL,
	due_at BIGINT,
	reason TEXT NOT NULL,
	turn BIGINT NOT NULL,
	data TEXT,
	entered_at BIGINT NOT NULL,
	ended_at BIGINT,
	PRIMARY KEY (tenant, series, contact, entry)
);
CREATE INDEX series_runs_due ON series_runs (tenant, series, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX series_runs_step ON series_runs (tenant, series, step, contact) WHERE due_at IS NOT NULL;
CREATE INDEX series_runs_contact ON series_runs (tenant, contact);

-- What runs have done, see series.Deed. delivery names the mail before it is accepted, so that
-- nobody gets two; seq is the order within a run.
CREATE TABLE series_deeds (
	tenant BYTEA NOT NULL,
	series BYTEA NOT NULL,
	contact BYTEA NOT NULL,
	entry BIGINT NOT NULL,
	step TEXT NOT NULL,
	outcome TEXT NOT NULL,
	reason TEXT NOT NULL,
	form BYTEA,
	delivery BYTEA,
	at BIGINT NOT NULL,
	seq BIGINT NOT NULL,
	PRIMARY KEY (tenant, series, contact, entry, step)
);
CREATE INDEX series_deeds_contact ON series_deeds (tenant, contact, at);

-- Triggers that fired and are not yet dealt with, see series.Signal.
CREATE TABLE series_signals (
	tenant BYTEA NOT NULL,
	series BYTEA NOT NULL,
	id BYTEA NOT NULL,
	contact BYTEA NOT NULL,
	data TEXT,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, series, id)
);
CREATE INDEX series_signals_contact ON series_signals (tenant, contact);
