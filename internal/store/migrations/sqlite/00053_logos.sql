-- +goose Up
-- The logos of tenants, drawn anew (see stationery.Logo): place 0 is shown, place 1 was shown
-- before it.
CREATE TABLE brand_logos (
	tenant BLOB NOT NULL,
	place INTEGER NOT NULL,
	data BLOB NOT NULL,
	media TEXT NOT NULL,
	ending TEXT NOT NULL,
	width INTEGER NOT NULL,
	height INTEGER NOT NULL,
	sha256 BLOB NOT NULL,
	taken_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, place)
) STRICT;

-- +goose Down
DROP TABLE brand_logos;
