-- +goose Up
-- Groups of contacts, see audience.Group. fold is the name as it is told apart and ordered.
-- gone is 1 while the members of a deleted group are taken out.
CREATE TABLE contact_groups (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	version BIGINT NOT NULL,
	name TEXT NOT NULL,
	fold TEXT COLLATE "C" NOT NULL,
	description TEXT NOT NULL,
	kind TEXT NOT NULL,
	segment TEXT,
	actor TEXT NOT NULL,
	members BIGINT NOT NULL,
	counted_at BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	gone BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX contact_groups_name ON contact_groups (tenant, fold) WHERE gone = 0;
CREATE INDEX contact_groups_gone ON contact_groups (tenant, id) WHERE gone = 1;

-- Who is in a static group. A contact's identifier begins with the time it was made, so
-- that an import appends to both orders.
CREATE TABLE group_members (
	tenant BYTEA NOT NULL,
	grp BYTEA NOT NULL,
	contact BYTEA NOT NULL,
	batch BYTEA NOT NULL,
	added_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, grp, contact)
);
CREATE INDEX group_members_contact ON group_members (tenant, contact, grp);

-- What brought members into a group, see audience.Batch. undone is 1 when they were taken
-- out again.
CREATE TABLE group_batches (
	tenant BYTEA NOT NULL,
	grp BYTEA NOT NULL,
	id BYTEA NOT NULL,
	origin TEXT NOT NULL,
	name TEXT NOT NULL,
	source TEXT NOT NULL,
	actor TEXT NOT NULL,
	at BIGINT NOT NULL,
	added BIGINT NOT NULL,
	undone BIGINT NOT NULL,
	PRIMARY KEY (tenant, grp, id)
);

-- Lists that are imported, see audience.Import. progress is what became of the rows so
-- far, plan what is to be done with them, both JSON.
CREATE TABLE contact_imports (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	grp BYTEA NOT NULL,
	name TEXT NOT NULL,
	actor TEXT NOT NULL,
	state TEXT NOT NULL,
	plan TEXT NOT NULL,
	progress TEXT NOT NULL,
	parts BIGINT NOT NULL,
	done BIGINT NOT NULL,
	total BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	ended_at BIGINT,
	expires_at BIGINT,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX contact_imports_group ON contact_imports (tenant, grp, id);
CREATE INDEX contact_imports_open ON contact_imports (tenant, id) WHERE state IN ('running', 'undoing');
CREATE INDEX contact_imports_expiry ON contact_imports (expires_at) WHERE expires_at IS NOT NULL;

-- The rows of a list as they were read, some hundreds a part; they go when it is imported.
CREATE TABLE import_parts (
	tenant BYTEA NOT NULL,
	import BYTEA NOT NULL,
	part BIGINT NOT NULL,
	data BYTEA NOT NULL,
	PRIMARY KEY (tenant, import, part)
);

-- Rows that were not taken. address is as contacts' are compared, '' if the row has none.
CREATE TABLE import_faults (
	tenant BYTEA NOT NULL,
	import BYTEA NOT NULL,
	line BIGINT NOT NULL,
	field TEXT NOT NULL,
	code TEXT NOT NULL,
	value TEXT NOT NULL,
	address TEXT NOT NULL,
	PRIMARY KEY (tenant, import, line)
);
CREATE INDEX import_faults_address ON import_faults (tenant, address);

-- Contacts as they were before an import changed them, so that it can be taken back.
-- version is the one the import made.
CREATE TABLE import_changes (
	tenant BYTEA NOT NULL,
	import BYTEA NOT NULL,
	contact BYTEA NOT NULL,
	version BIGINT NOT NULL,
	former TEXT NOT NULL,
	PRIMARY KEY (tenant, import, contact)
);
CREATE INDEX import_changes_contact ON import_changes (tenant, contact);
