package help

import (
	"context"
	"strings"
	"sync"
	"time"
	"unicode"

	"stafette/internal/fault"
	"stafette/internal/i18n"
)

// Answers is how often readers of an article said that it helped, and that it did not.
type Answers struct {
	Article string
	Lang    i18n.Lang
	Yes, No int64
}

// Question is what readers searched for and did not find.
type Question struct {
	Text string
	N    int64
}

// Store keeps sums of days and nothing about who was counted.
type Store interface {
	// Answer counts one answer on the UTC day of day.
	Answer(ctx context.Context, day time.Time, article, lang string, helped bool) error
	// Missing counts one question without an answer; it may forget those of a day that
	// has too many.
	Missing(ctx context.Context, day time.Time, question string) error
	// HelpCounts sums up since a UTC day, questions with the most frequent first.
	HelpCounts(ctx context.Context, since time.Time) ([]Answers, []Question, error)
}

// perHour is how many answers and questions are counted for one address in an hour, and
// perHourAll for all together: counts are worth nothing to anybody who fakes them, and
// writing them costs us.
const (
	perHour    = 30
	perHourAll = 3000
)

// Desk counts whether articles helped.
type Desk struct {
	Library *Library
	Store   Store
	Now     func() time.Time

	mu   sync.Mutex
	hour time.Time
	seen map[string]int // by client, of the hour; never stored
	all  int
}

// Answer counts that an article helped, or did not. Client is where the answer came from;
// it is used to bound how many are counted and is forgotten within the hour. An article
// that is not shown is NotFound "article_not_found".
func (d *Desk) Answer(ctx context.Context, lang i18n.Lang, slug string, helped bool, client string) error {
	if _, ok := d.Library.Article(lang, slug); !ok {
		return fault.New(fault.NotFound, "article_not_found", "no such article")
	}
	if !d.allow(client) {
		return nil // the reader has done nothing wrong and need not know
	}
	return d.Store.Answer(ctx, d.Now(), slug, string(lang), helped)
}

// Missing counts that a search found nothing. What could name a person is taken out of
// the question first.
func (d *Desk) Missing(ctx context.Context, question, client string) error {
	question = impersonal(question)
	if question == "" || !d.allow(client) {
		return nil
	}
	return d.Store.Missing(ctx, d.Now(), question)
}

func (d *Desk) allow(client string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if h := d.Now().Truncate(time.Hour); !h.Equal(d.hour) || d.seen == nil {
		d.hour, d.seen, d.all = h, map[string]int{}, 0
	}
	if d.seen[client] >= perHour || d.all >= perHourAll {
		return false
	}
	d.seen[client]++
	d.all++
	return true
}

// impersonal keeps the words of a question that cannot name anybody: nothing with an @, a
// dot, or more than two digits.
func impersonal(question string) string {
	const most = 60
	var kept []string
	for _, w := range strings.Fields(strings.ToLower(strings.ToValidUTF8(question, ""))) {
		w = strings.TrimFunc(w, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		digits := 0
		for _, r := range w {
			if unicode.IsDigit(r) {
				digits++
			}
			if unicode.IsControl(r) {
				digits = 3
			}
		}
		if w == "" || digits > 2 || strings.ContainsAny(w, "@.:/") {
			continue
		}
		kept = append(kept, w)
	}
	text := strings.Join(kept, " ")
	if r := []rune(text); len(r) > most {
		text = string(r[:most])
	}
	return strings.TrimSpace(text)
}
