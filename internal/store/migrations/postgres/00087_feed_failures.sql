-- +goose Up
-- How many looks in a row could not read a feed, see feed.Schedule.Again.
ALTER TABLE feeds ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE feeds DROP COLUMN failures;
