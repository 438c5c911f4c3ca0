-- +goose Up
-- What colleagues and reviewers say about a mailing, see campaign.Comment.
CREATE TABLE campaign_comments (
	tenant BYTEA NOT NULL,
	campaign BYTEA NOT NULL,
	id BYTEA NOT NULL,
	block BIGINT NOT NULL,
	author TEXT NOT NULL,
	review BYTEA NOT NULL,
	body TEXT NOT NULL,
	at BIGINT NOT NULL,
	resolved_at BIGINT,
	resolved_by TEXT NOT NULL,
	PRIMARY KEY (tenant, campaign, id)
);

-- Up to which comment somebody has read.
CREATE TABLE campaign_comment_reads (
	tenant BYTEA NOT NULL,
	campaign BYTEA NOT NULL,
	reader TEXT NOT NULL,
	seen BYTEA NOT NULL,
	PRIMARY KEY (tenant, campaign, reader)
);

-- +goose Down
DROP TABLE campaign_comment_reads;
DROP TABLE campaign_comments;
