-- +goose Up
-- What somebody did with mail is found by the deliveries to them. An index of its own by
-- recipient made each hit write a page more.
DROP INDEX activities_of_recipient;
CREATE INDEX activities_of_offer_recipient ON activities (tenant, recipient, id) WHERE offer IS NOT NULL;

-- +goose Down
DROP INDEX activities_of_offer_recipient;
CREATE INDEX activities_of_recipient ON activities (tenant, recipient, id) WHERE recipient IS NOT NULL;
