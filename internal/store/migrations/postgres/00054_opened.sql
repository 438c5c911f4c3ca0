-- +goose Up
-- Whether a mail that may tell was opened by whomever, so that mail that nobody opened is
-- found without asking for each that somebody did.
ALTER TABLE tracked_messages ADD COLUMN opened BIGINT NOT NULL DEFAULT 0;
UPDATE tracked_messages SET opened = 1
	WHERE EXISTS (SELECT 1 FROM activities a WHERE a.tenant = tracked_messages.tenant AND a.message = tracked_messages.message AND a.kind = 'opened')
	OR EXISTS (SELECT 1 FROM activity_counts c WHERE c.tenant = tracked_messages.tenant AND c.message = tracked_messages.message AND c.link = 0);
CREATE INDEX tracked_unopened ON tracked_messages (tenant, message) WHERE opened = 0;

-- +goose Down
DROP INDEX tracked_unopened;
ALTER TABLE tracked_messages DROP COLUMN opened;
