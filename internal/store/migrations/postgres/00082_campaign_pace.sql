-- +goose Up
-- Which mailbox provider a recipient of a mailing waits for, where the mailing bounds it, see
-- campaign.Rate; '': none. pace is when the next of each may be handed over.
ALTER TABLE campaign_recipients ADD COLUMN provider TEXT NOT NULL DEFAULT '';
DROP INDEX campaign_recipients_waiting;
CREATE INDEX campaign_recipients_waiting ON campaign_recipients (tenant, campaign, provider, contact) WHERE state = 'waiting';
ALTER TABLE campaigns ADD COLUMN pace TEXT NOT NULL DEFAULT '{}';

-- +goose Down
ALTER TABLE campaigns DROP COLUMN pace;
DROP INDEX campaign_recipients_waiting;
CREATE INDEX campaign_recipients_waiting ON campaign_recipients (tenant, campaign, contact) WHERE state = 'waiting';
ALTER TABLE campaign_recipients DROP COLUMN provider;
