-- +goose Up
-- What settlements and return mail add to the tallies, until the fold takes it: written in
-- their transaction, one row for each tenant of a commit. See store/tallies.go.
CREATE TABLE tally_notes (
	tenant BYTEA NOT NULL,
	id BYTEA NOT NULL,
	notes TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
);

-- How often something became known of deliveries. span is 'hour' or 'day' (UTC), start its
-- beginning. tenant is sixteen zero bytes for the sum of all tenants, stream is '*' for that
-- of all streams: who does not ask by stream reads no more than that.
CREATE TABLE tallies (
	tenant BYTEA NOT NULL,
	span TEXT NOT NULL,
	what TEXT NOT NULL,
	start BIGINT NOT NULL,
	provider TEXT NOT NULL,
	stream TEXT NOT NULL,
	n BIGINT NOT NULL,
	PRIMARY KEY (tenant, span, what, stream, start, provider)
);

-- Things to do that a person does not want to see for a while.
CREATE TABLE todo_dismissals (
	tenant BYTEA NOT NULL,
	user_id BYTEA NOT NULL,
	key TEXT NOT NULL,
	until BIGINT NOT NULL,
	PRIMARY KEY (tenant, user_id, key)
);

-- Which mails about their account people want; who has no row wants what is usual for
-- their role.
CREATE TABLE digest_choices (
	tenant BYTEA NOT NULL,
	user_id BYTEA NOT NULL,
	weekly BIGINT NOT NULL,
	todos BIGINT NOT NULL,
	PRIMARY KEY (tenant, user_id)
);

-- Which of these mails were sent. state is what the next one compares itself with.
CREATE TABLE digest_runs (
	tenant BYTEA NOT NULL,
	kind TEXT NOT NULL,
	period TEXT NOT NULL,
	state TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant, kind)
);

-- Whether articles helped, and what was searched for in vain: sums of a day, nobody's.
CREATE TABLE help_answers (
	day BIGINT NOT NULL,
	article TEXT NOT NULL,
	lang TEXT NOT NULL,
	helped BIGINT NOT NULL,
	n BIGINT NOT NULL,
	PRIMARY KEY (day, article, lang, helped)
);
CREATE TABLE help_missing (
	day BIGINT NOT NULL,
	question TEXT NOT NULL,
	n BIGINT NOT NULL,
	PRIMARY KEY (day, question)
);
