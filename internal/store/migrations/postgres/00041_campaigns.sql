-- +goose Up
-- Mailings, see campaign.Campaign; spec is what is not asked for alone. due_at is NULL where
-- nothing is to be done. groups_at, after and step are where the expansion stands.
CREATE TABLE campaigns (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	revision BIGINT NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	name TEXT NOT NULL,
	actor TEXT NOT NULL,
	spec TEXT NOT NULL,
	total BIGINT NOT NULL,
	accepted BIGINT NOT NULL,
	excluded BIGINT NOT NULL,
	listed BIGINT NOT NULL,
	groups_at BIGINT NOT NULL,
	after BYTEA,
	step BIGINT NOT NULL,
	due_at BIGINT,
	task TEXT NOT NULL,
	halt BYTEA,
	start_at BIGINT,
	finished_at BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX campaigns_due ON campaigns (due_at) WHERE due_at IS NOT NULL;

-- What everybody of a mailing gets, see campaign.Letter: apart, for lists do not show it.
CREATE TABLE campaign_letters (
	tenant BYTEA NOT NULL,
	campaign BYTEA NOT NULL,
	letter TEXT NOT NULL,
	PRIMARY KEY (tenant, campaign)
);

-- Who gets a mailing, and who not, see campaign.Recipient. delivery names the mail before it
-- is accepted, so that nobody gets two.
CREATE TABLE campaign_recipients (
	tenant BYTEA NOT NULL,
	campaign BYTEA NOT NULL,
	contact BYTEA NOT NULL,
	grp BYTEA NOT NULL,
	delivery BYTEA,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, campaign, contact)
);
CREATE INDEX campaign_recipients_waiting ON campaign_recipients (tenant, campaign, contact) WHERE state = 'waiting';
CREATE INDEX campaign_recipients_excluded ON campaign_recipients (tenant, campaign, contact) WHERE state = 'excluded';
CREATE INDEX campaign_recipients_contact ON campaign_recipients (tenant, contact, at);

-- How many mailings a contact gets at most, see campaign.Cap.
CREATE TABLE campaign_caps (
	tenant BYTEA NOT NULL,
	most BIGINT NOT NULL,
	days BIGINT NOT NULL,
	PRIMARY KEY (tenant)
);
