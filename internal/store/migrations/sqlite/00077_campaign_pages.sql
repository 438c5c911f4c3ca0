-- +goose Up
-- Which mailings are pages that everybody may read, see campaign.Publication. A row with shown 0
-- is of one that was.
CREATE TABLE campaign_pages (
	tenant BLOB NOT NULL,
	campaign BLOB NOT NULL,
	shown INTEGER NOT NULL,
	indexed INTEGER NOT NULL,
	actor TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, campaign)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE campaign_pages;
