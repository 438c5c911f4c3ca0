package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"stafette/internal/help"
)

// Answer implements help.Store.
func (s *Store) Answer(ctx context.Context, day time.Time, article, lang string, helped bool) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO help_answers (day, article, lang, helped, n) VALUES ($1, $2, $3, $4, 1)
		ON CONFLICT (day, article, lang, helped) DO UPDATE SET n = help_answers.n + 1`, millis(day)/millisPerDay, plain(article), plain(lang), flag(helped))
	if err != nil {
		return fmt.Errorf("count answer: %w", s.refusal(err))
	}
	return nil
}

// missingMost is how many different questions of one day are kept.
const missingMost = 500

// Missing implements help.Store.
func (s *Store) Missing(ctx context.Context, day time.Time, question string) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO help_missing (day, question, n)
		SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT), 1 WHERE (SELECT count(*) FROM help_missing WHERE day = $1) < $3
		ON CONFLICT (day, question) DO UPDATE SET n = help_missing.n + 1`, millis(day)/millisPerDay, plain(question), missingMost)
	if err != nil {
		return fmt.Errorf("count question: %w", s.refusal(err))
	}
	return nil
}

// HelpCounts implements help.Store.
func (s *Store) HelpCounts(ctx context.Context, since time.Time) (answers []help.Answers, missing []help.Question, err error) {
	day := millis(since) / millisPerDay
	rows, err := s.read.QueryContext(ctx, `SELECT article, lang, CAST(SUM(CASE WHEN helped = 1 THEN n ELSE 0 END) AS BIGINT),
		CAST(SUM(CASE WHEN helped = 0 THEN n ELSE 0 END) AS BIGINT) FROM help_answers WHERE day >= $1 GROUP BY article, lang ORDER BY article, lang`, day)
	err = scan(rows, err, func(row *sql.Rows) error {
		var a help.Answers
		err := row.Scan(&a.Article, &a.Lang, &a.Yes, &a.No)
		answers = append(answers, a)
		return err
	})
	if err == nil {
		rows, err = s.read.QueryContext(ctx, `SELECT question, CAST(SUM(n) AS BIGINT) FROM help_missing WHERE day >= $1
			GROUP BY question ORDER BY 2 DESC, question LIMIT $2`, day, missingMost)
		err = scan(rows, err, func(row *sql.Rows) error {
			var q help.Question
			err := row.Scan(&q.Text, &q.N)
			missing = append(missing, q)
			return err
		})
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read help counts: %w", s.refusal(err))
	}
	return answers, missing, nil
}

// ForgetHelp removes counts of days before the time.
func (s *Store) ForgetHelp(ctx context.Context, before time.Time) error {
	for _, text := range []string{"DELETE FROM help_answers WHERE day < $1", "DELETE FROM help_missing WHERE day < $1"} {
		if _, err := s.write.ExecContext(ctx, text, millis(before)/millisPerDay); err != nil {
			return fmt.Errorf("forget help counts: %w", s.refusal(err))
		}
	}
	return nil
}

var _ help.Store = (*Store)(nil)
