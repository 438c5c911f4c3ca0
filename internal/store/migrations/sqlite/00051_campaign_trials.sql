-- +goose Up
-- Which of two letters a recipient of a mailing gets, see campaign.Trial; '': there is one.
ALTER TABLE campaign_recipients ADD COLUMN version TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE campaign_recipients DROP COLUMN version;
