-- +goose Up
-- What settlements and return mail add to the tallies, until the fold takes it: written in
-- their transaction, one row for each tenant of a commit. See store/tallies.go.
CREATE TABLE tally_notes (
	tenant BLOB NOT NULL,
	id BLOB NOT NULL,
	notes TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

-- How often something became known of deliveries. span is 'hour' or 'day' (UTC), start its
-- beginning. tenant is sixteen zero bytes for the sum of all tenants, stream is '*' for that
-- of all streams: who does not ask by stream reads no more than that.
CREATE TABLE tallies (
	tenant BLOB NOT NULL,
	span TEXT NOT NULL,
	what TEXT NOT NULL,
	start INTEGER NOT NULL,
	provider TEXT NOT NULL,
	stream TEXT NOT NULL,
	n INTEGER NOT NULL,
	PRIMARY KEY (tenant, span, what, stream, start, provider)
) STRICT, WITHOUT ROWID;

-- Things to do that a person does not want to see for a while.
CREATE TABLE todo_dismissals (
	tenant BLOB NOT NULL,
	user_id BLOB NOT NULL,
	key TEXT NOT NULL,
	until INTEGER NOT NULL,
	PRIMARY KEY (tenant, user_id, key)
) STRICT, WITHOUT ROWID;

-- Which mails about their account people want; who has no row wants what is usual for
-- their role.
CREATE TABLE digest_choices (
	tenant BLOB NOT NULL,
	user_id BLOB NOT NULL,
	weekly INTEGER NOT NULL,
	todos INTEGER NOT NULL,
	PRIMARY KEY (tenant, user_id)
) STRICT, WITHOUT ROWID;

-- Which of these mails were sent. state is what the next one compares itself with.
CREATE TABLE digest_runs (
	tenant BLOB NOT NULL,
	kind TEXT NOT NULL,
	period TEXT NOT NULL,
	state TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, kind)
) STRICT, WITHOUT ROWID;

-- Whether articles helped, and what was searched for in vain: sums of a day, nobody's.
CREATE TABLE help_answers (
	day INTEGER NOT NULL,
	article TEXT NOT NULL,
	lang TEXT NOT NULL,
	helped INTEGER NOT NULL,
	n INTEGER NOT NULL,
	PRIMARY KEY (day, article, lang, helped)
) STRICT, WITHOUT ROWID;
CREATE TABLE help_missing (
	day INTEGER NOT NULL,
	question TEXT NOT NULL,
	n INTEGER NOT NULL,
	PRIMARY KEY (day, question)
) STRICT, WITHOUT ROWID;
