package ingest

import (
	"context"
	"errors"
	"fmt"

	"stafette/internal/event"
	"stafette/internal/spool"
	"stafette/internal/tracking"
)

// ReasonLetter is why a form letter is held whose mail cannot be made for this recipient.
const ReasonLetter = "content_failed"

// Merger makes the HTML of form letters. Errors: spool.ErrUnmergeable where the mail cannot be
// made of the record, now or later; any other may pass.
type Merger interface {
	// Page is the HTML of a record's mail, telling nothing; "": it has none.
	Page(ctx context.Context, h spool.Handle, r spool.Record) (tracking.Markup, error)
	// Links are the links of a record's mail at a level, where they are the same for
	// everybody who gets the letter; known is false where they are not.
	Links(ctx context.Context, h spool.Handle, r spool.Record, level tracking.Level) (links []tracking.Link, known bool, err error)
}

// letter puts the record of a form letter in the place of a body. Its HTML is made here only
// to learn which links it has, and only if it may tell of its recipient; what cannot be made
// waits for a person, and nobody else's mail waits with it. Where the links are the same for
// everybody, not even that is made.
func (s *Service) letter(ctx context.Context, w *parcel) error {
	r := *w.Letter
	r.Date, r.Domain, r.Level = w.now, w.m.SignDomain, ""
	h := spool.Handle{Tenant: w.m.Tenant, Message: w.m.ID}
	m := s.mail(w)
	m.Page = func() (tracking.Markup, error) {
		if s.c.Merger == nil {
			return tracking.Markup{}, spool.ErrUnmergeable
		}
		return s.c.Merger.Page(ctx, h, r)
	}
	if s.c.Merger != nil {
		m.Links = func(level tracking.Level) ([]tracking.Link, bool, error) { return s.c.Merger.Links(ctx, h, r, level) }
	}
	err := s.weave(ctx, w, m)
	switch {
	case errors.Is(err, spool.ErrUnmergeable):
		w.tracked = nil
		for i := range w.lines {
			if w.lines[i].State == event.Queued {
				w.lines[i].State, w.lines[i].Reason = event.Held, ReasonLetter
			}
		}
	case err != nil:
		return err
	case w.tracked != nil && w.tracked.Decision.Level > tracking.None:
		r.Level = w.tracked.Decision.Level.String()
	}
	if w.body, err = r.Bytes(); err != nil {
		return fmt.Errorf("keep form letter: %w", err)
	}
	w.m.Size = max(w.Size, int64(len(w.body)))
	return nil
}
