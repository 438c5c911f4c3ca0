-- +goose Up
-- Groups of contacts, see audience.Group. fold is the name as it is told apart and ordered.
-- gone is 1 while the members of a deleted group are taken out.
CREATE TABLE contact_groups (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	name TEXT NOT NULL,
	fold TEXT NOT NULL,
	description TEXT NOT NULL,
	kind TEXT NOT NULL,
	segment TEXT,
	actor TEXT NOT NULL,
	members INTEGER NOT NULL,
	counted_at INTEGER,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	gone INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX contact_groups_name ON contact_groups (tenant, fold) WHERE gone = 0;
CREATE INDEX contact_groups_gone ON contact_groups (tenant, id) WHERE gone = 1;

-- Who is in a static group. A contact's identifier begins with the time it was made, so
-- that an import appends to both orders.
CREATE TABLE group_members (
	tenant BLOB NOT NULL,
	grp BLOB NOT NULL,
	contact BLOB NOT NULL,
	batch BLOB NOT NULL,
	added_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, grp, contact)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_members_contact ON group_members (tenant, contact, grp);

-- What brought members into a group, see audience.Batch. undone is 1 when they were taken
-- out again.
CREATE TABLE group_batches (
	tenant BLOB NOT NULL,
	grp BLOB NOT NULL,
	id BLOB NOT NULL,
	origin TEXT NOT NULL,
	name TEXT NOT NULL,
	source TEXT NOT NULL,
	actor TEXT NOT NULL,
	at INTEGER NOT NULL,
	added INTEGER NOT NULL,
	undone INTEGER NOT NULL,
	PRIMARY KEY (tenant, grp, id)
) STRICT, WITHOUT ROWID;

-- Lists that are imported, see audience.Import. progress is what became of the rows so
-- far, plan what is to be done with them, both JSON.
CREATE TABLE contact_imports (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	grp BLOB NOT NULL,
	name TEXT NOT NULL,
	actor TEXT NOT NULL,
	state TEXT NOT NULL,
	plan TEXT NOT NULL,
	progress TEXT NOT NULL,
	parts INTEGER NOT NULL,
	done INTEGER NOT NULL,
	total INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	ended_at INTEGER,
	expires_at INTEGER,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX contact_imports_group ON contact_imports (tenant, grp, id);
CREATE INDEX contact_imports_open ON contact_imports (tenant, id) WHERE state IN ('running', 'undoing');
CREATE INDEX contact_imports_expiry ON contact_imports (expires_at) WHERE expires_at IS NOT NULL;

-- The rows of a list as they were read, some hundreds a part; they go when it is imported.
CREATE TABLE import_parts (
	tenant BLOB NOT NULL,
	import BLOB NOT NULL,
	part INTEGER NOT NULL,
	data BLOB NOT NULL,
	PRIMARY KEY (tenant, import, part)
) STRICT, WITHOUT ROWID;

-- Rows that were not taken. address is as contacts' are compared, '' if the row has none.
CREATE TABLE import_faults (
	tenant BLOB NOT NULL,
	import BLOB NOT NULL,
	line INTEGER NOT NULL,
	field TEXT NOT NULL,
	code TEXT NOT NULL,
	value TEXT NOT NULL,
	address TEXT NOT NULL,
	PRIMARY KEY (tenant, import, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX import_faults_address ON import_faults (tenant, address);

-- Contacts as they were before an import changed them, so that it can be taken back.
-- version is the one the import made.
CREATE TABLE import_changes (
	tenant BLOB NOT NULL,
	import BLOB NOT NULL,
	contact BLOB NOT NULL,
	version INTEGER NOT NULL,
	former TEXT NOT NULL,
	PRIMARY KEY (tenant, import, contact)
) STRICT, WITHOUT ROWID;
CREATE INDEX import_changes_contact ON import_changes (tenant, contact);
