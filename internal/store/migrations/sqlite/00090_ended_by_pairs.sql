-- +goose Up
-- By pairs: SQLite compares those, and makes a table of a longer list for each row it writes.
DROP INDEX deliveries_ended;
CREATE INDEX deliveries_ended ON deliveries (tenant, state, id) WHERE state IN ('bounced', 'expired') OR state IN ('suppressed', 'cancelled');

-- +goose Down
DROP INDEX deliveries_ended;
CREATE INDEX deliveries_ended ON deliveries (tenant, state, id) WHERE state IN ('bounced', 'expired', 'suppressed', 'cancelled');
