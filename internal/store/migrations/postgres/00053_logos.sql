-- +goose Up
-- The logos of tenants, drawn anew (see stationery.Logo): place 0 is shown, place 1 was shown
-- before it.
CREATE TABLE brand_logos (
	tenant BYTEA NOT NULL,
	place BIGINT NOT NULL,
	data BYTEA NOT NULL,
	media TEXT NOT NULL,
	ending TEXT NOT NULL,
	width BIGINT NOT NULL,
	height BIGINT NOT NULL,
	sha256 BYTEA NOT NULL,
	taken_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, place)
);

-- +goose Down
DROP TABLE brand_logos;
