-- +goose Up
-- Which mailings are pages that everybody may read, see campaign.Publication. A row with shown 0
-- is of one that was.
CREATE TABLE campaign_pages (
	tenant BYTEA NOT NULL,
	campaign BYTEA NOT NULL,
	shown BIGINT NOT NULL,
	indexed BIGINT NOT NULL,
	actor TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, campaign)
);

-- +goose Down
DROP TABLE campaign_pages;
