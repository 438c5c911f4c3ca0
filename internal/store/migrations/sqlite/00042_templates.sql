-- +goose Up
-- What tenants write with, see stationery.Template; langs is a list, fold the name in
-- lower case.
CREATE TABLE templates (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	name TEXT NOT NULL,
	fold TEXT NOT NULL,
	part INTEGER NOT NULL,
	version INTEGER NOT NULL,
	langs TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX templates_by_name ON templates (tenant, fold);

-- Each save, unchanged since; html and text are compiled.
CREATE TABLE template_versions (
	tenant BLOB NOT NULL,
	template BLOB NOT NULL,
	number INTEGER NOT NULL,
	lang TEXT NOT NULL,
	source TEXT NOT NULL,
	html TEXT NOT NULL,
	text TEXT NOT NULL,
	variables TEXT NOT NULL,
	actor TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, template, number)
) STRICT;

-- How the mails of a tenant look, see blocks.Brand.
CREATE TABLE brands (
	tenant BLOB NOT NULL PRIMARY KEY,
	spec TEXT NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
