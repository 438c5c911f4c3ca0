-- +goose Up
-- Mailings, see campaign.Campaign; spec is what is not asked for alone. due_at is NULL where
-- nothing is to be done. groups_at, after and step are where the expansion stands.
CREATE TABLE campaigns (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	revision INTEGER NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	name TEXT NOT NULL,
	actor TEXT NOT NULL,
	spec TEXT NOT NULL,
	total INTEGER NOT NULL,
	accepted INTEGER NOT NULL,
	excluded INTEGER NOT NULL,
	listed INTEGER NOT NULL,
	groups_at INTEGER NOT NULL,
	after BLOB,
	step INTEGER NOT NULL,
	due_at INTEGER,
	task TEXT NOT NULL,
	halt BLOB,
	start_at INTEGER,
	finished_at INTEGER,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX campaigns_due ON campaigns (due_at) WHERE due_at IS NOT NULL;

-- What everybody of a mailing gets, see campaign.Letter: apart, for lists do not show it.
CREATE TABLE campaign_letters (
	tenant BLOB NOT NULL,
	campaign BLOB NOT NULL,
	letter TEXT NOT NULL,
	PRIMARY KEY (tenant, campaign)
) STRICT, WITHOUT ROWID;

-- Who gets a mailing, and who not, see campaign.Recipient. delivery names the mail before it
-- is accepted, so that nobody gets two.
CREATE TABLE campaign_recipients (
	tenant BLOB NOT NULL,
	campaign BLOB NOT NULL,
	contact BLOB NOT NULL,
	grp BLOB NOT NULL,
	delivery BLOB,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, campaign, contact)
) STRICT, WITHOUT ROWID;
CREATE INDEX campaign_recipients_waiting ON campaign_recipients (tenant, campaign, contact) WHERE state = 'waiting';
CREATE INDEX campaign_recipients_excluded ON campaign_recipients (tenant, campaign, contact) WHERE state = 'excluded';
CREATE INDEX campaign_recipients_contact ON campaign_recipients (tenant, contact, at);

-- How many mailings a contact gets at most, see campaign.Cap.
CREATE TABLE campaign_caps (
	tenant BLOB NOT NULL,
	most INTEGER NOT NULL,
	days INTEGER NOT NULL,
	PRIMARY KEY (tenant)
) STRICT, WITHOUT ROWID;
