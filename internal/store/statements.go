package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// statements keeps prepared statements of the hot paths by their text. The texts
// are a fixed set: nothing that varies with input may become one.
type statements struct {
	db     *sql.DB
	byText map[string]*sql.Stmt // complete after prepareStatements

	messages, tags, references, deliveries, events, noted, usage, reports, dialogues, notes, tallies bulkTexts
	contacts, contactAddresses, contactWords, contactRuns, contactTags, members, patterns            bulkTexts
	tracked, activities, activityCounts                                                              bulkTexts
	hooks, calls, deeds, recipients                                                                  bulkTexts
	answers, answersOnly                                                                             map[int]string // of answerText and answerOnlyText, by length
}

func prepareStatements(ctx context.Context, db *sql.DB, d dialect) (*statements, error) {
	st := &statements{db: db, byText: map[string]*sql.Stmt{}}
	texts := append(d.settleTexts(), idempotencyInsert, aliveText(d))
	texts = append(texts, hitTexts(d)...)
	texts = append(texts, lookText(d, lookAddress, 1), lookText(d, lookMember, 2), lookText(d, lookReference, 1))
	for _, b := range []struct {
		to    *bulkTexts
		into  string
		width int
		tail  string
	}{
		{&st.messages, "messages (" + messageInsertColumns + ")", 29, ""},
		{&st.tags, "message_tags (tenant, tag, message)", 3, " ON CONFLICT DO NOTHING"},
		{&st.references, "message_references (tenant, value, message)", 3, ""},
		{&st.deliveries, "deliveries (" + deliveryInsertColumns + ")", 17, ""},
		{&st.events, "events (tenant, message, id, number, type, at, actor, reason, attempt)", 9, ""},
		{&st.noted, "events (tenant, message, id, number, type, at, actor, reason, attempt, note)", 10, ""},
		{&st.usage, "usage (tenant, hour, deliveries)", 3,
			" ON CONFLICT (tenant, hour) DO UPDATE SET deliveries = usage.deliveries + excluded.deliveries"},
		{&st.reports, "reports_due (tenant, delivery, action, due_at)", 4, " ON CONFLICT DO NOTHING"},
		{&st.dialogues, "dialogues (tenant, day, delivery, number, sealed)", 5, " ON CONFLICT DO NOTHING"},
		{&st.notes, "tally_notes (tenant, id, notes)", 3, ""},
		{&st.tallies, "tallies (tenant, span, what, start, provider, stream, n)", 7,
			" ON CONFLICT (tenant, span, what, start, provider, stream) DO UPDATE SET n = tallies.n + excluded.n"},
		{&st.patterns, "approval_patterns (tenant, shape, member, grp, at)", 5,
			" ON CONFLICT (tenant, shape, member) DO UPDATE SET grp = excluded.grp, at = excluded.at"},
		{&st.tracked, "tracked_messages (tenant, message, level, rule, recipients, links)", 6, ""},
		{&st.activities, "activities (tenant, " + activityOwn + ")", activityWidth, ""},
		{&st.activityCounts, "activity_counts (tenant, message, link, persons, machines)", 5,
			" ON CONFLICT (tenant, message, link) DO UPDATE SET persons = activity_counts.persons + excluded.persons, machines = activity_counts.machines + excluded.machines"},
		{&st.hooks, "webhook_notes (tenant, id, facts)", 3, ""},
		{&st.calls, "webhook_calls (" + callColumns + ")", 14, " ON CONFLICT DO NOTHING"},
		{&st.deeds, "webhook_deeds (tenant, id, contact, data)", 4, ""},
	} {
		*b.to = bulkTexts{width: b.width, texts: map[int]string{}}
		for n := 1; n <= maxChunk; n *= 2 {
			b.to.texts[n] = bulkText(d, b.into, b.width, n, b.tail)
			texts = append(texts, b.to.texts[n])
		}
	}
	texts = append(texts, st.ofNewcomers(d)...)
	st.recipients = bulkTexts{width: recipientWidth, texts: map[int]string{}}
	for n := 1; n <= maxChunk; n *= 2 {
		st.recipients.texts[n] = bulkTextCommon(d, "campaign_recipients (tenant, campaign, contact, grp, delivery, state, reason, at, version, provider, zone)", 2, recipientWidth, n) +
			" ON CONFLICT DO NOTHING RETURNING contact"
		texts = append(texts, st.recipients.texts[n])
	}
	st.answers, st.answersOnly = map[int]string{}, map[int]string{}
	for _, size := range askedSizes {
		st.answers[size], st.answersOnly[size] = askedText(d, answerText, 6, size), askedText(d, answerOnlyText, 5, size)
		texts = append(texts, st.answers[size], st.answersOnly[size])
	}
	texts = append(texts, dropAddress, dropSingleWord, singlesBetween, runsBelow+d.lockRow())
	for _, text := range texts {
		stmt, err := db.PrepareContext(ctx, text) //nolint:sqlclosecheck // kept until close
		if err != nil {
			return nil, errors.Join(fmt.Errorf("prepare %.40q: %w", text, err), st.close())
		}
		st.byText[text] = stmt
	}
	return st, nil
}

// ofNewcomers makes the texts by which an enlistment inserts. What all its rows have in common
// is bound once.
func (st *statements) ofNewcomers(d dialect) (texts []string) {
	for _, b := range []struct {
		to            *bulkTexts
		into          string
		common, width int
	}{
		{&st.contacts, "contacts (" + freshCommon + ", " + freshOwn + ")", 5, freshWidth},
		{&st.contactAddresses, "contact_addresses (tenant, address, contact)", 1, 2},
		{&st.contactWords, "contact_words (tenant, word, contact)", 1, 2},
		{&st.contactRuns, "contact_word_runs (tenant, word, first, contacts)", 1, 3},
		{&st.contactTags, "contact_tags (tenant, tag, contact, sort_name)", 1, 3},
		{&st.members, "group_members (tenant, grp, batch, added_at, contact)", 4, 1},
	} {
		*b.to = bulkTexts{width: b.width, texts: map[int]string{}}
		for n := 1; n <= maxChunk; n *= 2 {
			b.to.texts[n] = bulkTextCommon(d, b.into, b.common, b.width, n)
			texts = append(texts, b.to.texts[n])
		}
	}
	return texts
}

// in is the statement within tx, which closes it when it ends.
func (st *statements) in(ctx context.Context, tx *sql.Tx, text string) *sql.Stmt {
	return tx.StmtContext(ctx, st.byText[text])
}

func (st *statements) exec(ctx context.Context, tx *sql.Tx, text string, args ...any) (sql.Result, error) {
	return st.in(ctx, tx, text).ExecContext(ctx, args...) //nolint:sqlclosecheck // tx closes it
}

func (st *statements) query(ctx context.Context, tx *sql.Tx, text string, args ...any) (*sql.Rows, error) {
	return st.in(ctx, tx, text).QueryContext(ctx, args...) //nolint:sqlclosecheck // tx closes it
}

func (st *statements) close() error {
	var errs []error
	for _, stmt := range st.byText {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}

// bulkTexts inserts many rows of one table with few statements.
type bulkTexts struct {
	width int            // columns that each row has of its own
	texts map[int]string // by chunk size
}

// maxChunk is how many rows one statement inserts at most.
const maxChunk = 64

// chunk is how many of n waiting rows go into the next statement: the greatest
// power of two, so that few texts need preparing and few statements are run.
func chunk(n int) int { return 1 << (bits.Len(uint(min(n, maxChunk))) - 1) }

func bulkText(d dialect, into string, width, rows int, tail string) string {
	var s strings.Builder
	s.WriteString(d.insert() + " INTO " + into + " VALUES ")
	for r := range rows {
		if r > 0 {
			s.WriteByte(',')
		}
		s.WriteByte('(')
		writePlaceholders(d, &s, r*width+1, width)
		s.WriteByte(')')
	}
	s.WriteString(tail)
	return s.String()
}

// bulkTextCommon is bulkText where the first columns of all rows are the same values.
func bulkTextCommon(d dialect, into string, common, width, rows int) string {
	var first strings.Builder
	for n := range common {
		first.WriteString(d.numbered(n+1) + ",")
	}
	var s strings.Builder
	s.WriteString(d.insert() + " INTO " + into + " VALUES ")
	for r := range rows {
		if r > 0 {
			s.WriteByte(',')
		}
		s.WriteString("(" + first.String())
		writePlaceholders(d, &s, common+r*width+1, width)
		s.WriteByte(')')
	}
	return s.String()
}

func writePlaceholders(d dialect, s *strings.Builder, first, n int) {
	for i := range n {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteString(d.placeholder(first + i))
	}
}

// insert writes args, the own values of all rows one after another; common are those that
// stand before them once.
func (p bulkTexts) insert(ctx context.Context, st *statements, tx *sql.Tx, args []any, common ...any) error {
	for len(args) > 0 {
		n := chunk(len(args) / p.width)
		values := args[:n*p.width]
		if len(common) > 0 {
			values = slices.Concat(common, values)
		}
		if _, err := st.exec(ctx, tx, p.texts[n], values...); err != nil {
			return err
		}
		args = args[n*p.width:]
	}
	return nil
}
