-- +goose Up
-- Of which time zone a recipient of a mailing is that goes out at everybody's own local time,
-- see campaign.Local; '': not known, or the mailing does not. wave_at is when the local time of
-- the next ones comes who are in its groups; NULL: of nobody who was seen.
ALTER TABLE campaign_recipients ADD COLUMN zone TEXT NOT NULL DEFAULT '';
ALTER TABLE campaigns ADD COLUMN wave_at INTEGER;

-- +goose Down
ALTER TABLE campaigns DROP COLUMN wave_at;
ALTER TABLE campaign_recipients DROP COLUMN zone;
