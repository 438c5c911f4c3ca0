-- +goose Up
-- The library of pictures that a tenant puts into its mail, see pictures.Picture.
CREATE TABLE pictures (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	hash BLOB NOT NULL,
	name TEXT NOT NULL,
	alt TEXT NOT NULL,
	media TEXT NOT NULL,
	width INTEGER NOT NULL,
	height INTEGER NOT NULL,
	size INTEGER NOT NULL,
	creator TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX pictures_by_hash ON pictures (tenant, hash);

-- Their bytes, as they are and small for lists, sealed with a key of their own each.
CREATE TABLE picture_contents (
	tenant BLOB NOT NULL,
	picture BLOB NOT NULL,
	small INTEGER NOT NULL,
	salt BLOB NOT NULL,
	sealed BLOB NOT NULL,
	PRIMARY KEY (tenant, picture, small)
) STRICT;

-- +goose Down
DROP TABLE picture_contents;
DROP TABLE pictures;
