-- +goose Up
-- The library of pictures that a tenant puts into its mail, see pictures.Picture.
CREATE TABLE pictures (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	hash BYTEA NOT NULL,
	name TEXT NOT NULL,
	alt TEXT NOT NULL,
	media TEXT NOT NULL,
	width BIGINT NOT NULL,
	height BIGINT NOT NULL,
	size BIGINT NOT NULL,
	creator TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX pictures_by_hash ON pictures (tenant, hash);

-- Their bytes, as they are and small for lists, sealed with a key of their own each.
CREATE TABLE picture_contents (
	tenant BYTEA NOT NULL,
	picture BYTEA NOT NULL,
	small BIGINT NOT NULL,
	salt BYTEA NOT NULL,
	sealed BYTEA NOT NULL,
	PRIMARY KEY (tenant, picture, small)
);

-- +goose Down
DROP TABLE picture_contents;
DROP TABLE pictures;
