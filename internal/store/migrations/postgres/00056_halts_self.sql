-- +goose Up
-- How many wanted no more, and whether the account ended the halt by itself (1).
ALTER TABLE bulk_halts ADD COLUMN unsubscribes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE bulk_halts ADD COLUMN self BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE bulk_halts DROP COLUMN self;
ALTER TABLE bulk_halts DROP COLUMN unsubscribes;
