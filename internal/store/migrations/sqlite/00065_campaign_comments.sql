-- +goose Up
-- What colleagues and reviewers say about a mailing, see campaign.Comment.
CREATE TABLE campaign_comments (
	tenant BLOB NOT NULL,
	campaign BLOB NOT NULL,
	id BLOB NOT NULL,
	block INTEGER NOT NULL,
	author TEXT NOT NULL,
	review BLOB NOT NULL,
	body TEXT NOT NULL,
	at INTEGER NOT NULL,
	resolved_at INTEGER,
	resolved_by TEXT NOT NULL,
	PRIMARY KEY (tenant, campaign, id)
) STRICT, WITHOUT ROWID;

-- Up to which comment somebody has read.
CREATE TABLE campaign_comment_reads (
	tenant BLOB NOT NULL,
	campaign BLOB NOT NULL,
	reader TEXT NOT NULL,
	seen BLOB NOT NULL,
	PRIMARY KEY (tenant, campaign, reader)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE campaign_comment_reads;
DROP TABLE campaign_comments;
