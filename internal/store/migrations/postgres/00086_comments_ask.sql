-- +goose Up
-- Whom a comment asks: a user's identifier; '' for everybody.
ALTER TABLE campaign_comments ADD COLUMN asked TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE campaign_comments DROP COLUMN asked;
