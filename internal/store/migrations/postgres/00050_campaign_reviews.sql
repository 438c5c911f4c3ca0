-- +goose Up
-- Who was asked whether a mailing may be sent, and what they said, see campaign.Review.
CREATE TABLE campaign_reviews (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	campaign BYTEA NOT NULL,
	hash BYTEA NOT NULL,
	name TEXT NOT NULL,
	asked TEXT NOT NULL,
	state TEXT NOT NULL,
	answered_by TEXT NOT NULL,
	linked BIGINT NOT NULL,
	note TEXT NOT NULL,
	asked_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	answered_at BIGINT,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX campaign_reviews_of ON campaign_reviews (tenant, campaign, id);

-- How a tenant goes about its mailings, see campaign.Settings, and how many test mails it sent
-- on a day.
CREATE TABLE campaign_settings (
	tenant BYTEA NOT NULL,
	spec TEXT NOT NULL,
	day TEXT NOT NULL,
	trials BIGINT NOT NULL,
	PRIMARY KEY (tenant)
);
