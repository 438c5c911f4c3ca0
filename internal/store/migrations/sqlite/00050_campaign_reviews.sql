-- +goose Up
-- Who was asked whether a mailing may be sent, and what they said, see campaign.Review.
CREATE TABLE campaign_reviews (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	campaign BLOB NOT NULL,
	hash BLOB NOT NULL,
	name TEXT NOT NULL,
	asked TEXT NOT NULL,
	state TEXT NOT NULL,
	answered_by TEXT NOT NULL,
	linked INTEGER NOT NULL,
	note TEXT NOT NULL,
	asked_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	answered_at INTEGER,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX campaign_reviews_of ON campaign_reviews (tenant, campaign, id);

-- How a tenant goes about its mailings, see campaign.Settings, and how many test mails it sent
-- on a day.
CREATE TABLE campaign_settings (
	tenant BLOB NOT NULL,
	spec TEXT NOT NULL,
	day TEXT NOT NULL,
	trials INTEGER NOT NULL,
	PRIMARY KEY (tenant)
) STRICT, WITHOUT ROWID;
