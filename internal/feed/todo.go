package feed

import (
	"context"
	"slices"
	"time"

	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/tenant"
)

// Path is the page of a feed in the office.
func Path(f ID) string { return "/feeds/" + f.String() }

// Stuck is a feed with which a person has to do something.
type Stuck struct {
	Feed
	// Held is the look whose mailing was not sent, or could not be made; the zero Look: the feed
	// is Failing.
	Held Look
}

// Waiting has to do where a mailing of a feed was held, or where a feed cannot be read. It
// implements insight.TodoSource.
type Waiting struct {
	// Store lists feeds whose mailings were held and are drafts still, or could not be made
	// when they were looked at last, and feeds that are Failing.
	Store interface {
		StuckFeeds(ctx context.Context, t tenant.ID) ([]Stuck, error)
	}
}

var _ insight.TodoSource = Waiting{}

// Todos implements insight.TodoSource.
func (w Waiting) Todos(ctx context.Context, t tenant.ID, _ time.Time) ([]insight.Todo, error) {
	list, err := w.Store.StuckFeeds(ctx, t)
	if err != nil {
		return nil, err
	}
	var todos []insight.Todo
	for _, f := range list {
		todo := insight.Todo{Key: "feed/" + f.ID.String(), Kind: "feed_failing", Args: i18n.Args{"name": f.Name}, Mark: "bounced", Link: Path(f.ID), Optional: true, Needs: tenant.MessagesSend}
		if !f.Held.ID.IsZero() {
			todo.Key, todo.Kind, todo.Mark, todo.Since = "feed/"+f.Held.ID.String(), "feed_held", "held", f.Held.At
		}
		todos = append(todos, todo)
	}
	slices.SortStableFunc(todos, func(a, b insight.Todo) int { return b.Since.Compare(a.Since) })
	return todos, nil
}
