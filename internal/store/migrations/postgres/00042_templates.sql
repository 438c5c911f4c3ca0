-- +goose Up
-- What tenants write with, see stationery.Template; langs is a list, fold the name in
-- lower case.
CREATE TABLE templates (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	name TEXT NOT NULL,
	fold TEXT NOT NULL,
	part BIGINT NOT NULL,
	version BIGINT NOT NULL,
	langs TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX templates_by_name ON templates (tenant, fold);

-- Each save, unchanged since; html and text are compiled.
CREATE TABLE template_versions (
	tenant BYTEA NOT NULL,
	template BYTEA NOT NULL,
	number BIGINT NOT NULL,
	lang TEXT NOT NULL,
	source TEXT NOT NULL,
	html TEXT NOT NULL,
	text TEXT NOT NULL,
	variables TEXT NOT NULL,
	actor TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, template, number)
);

-- How the mails of a tenant look, see blocks.Brand.
CREATE TABLE brands (
	tenant BYTEA NOT NULL PRIMARY KEY,
	spec TEXT NOT NULL,
	updated_at BIGINT NOT NULL
);
