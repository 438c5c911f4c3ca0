package listcheck

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Validator tells of addresses; *audience.Validator does.
type Validator interface {
	ValidateAll(ctx context.Context, t tenant.ID, s tenant.Stream, texts []string) ([]audience.Verdict, error)
}

// Config of a Service. Store, Validator and Now are demanded.
type Config struct {
	Store     Store
	Validator Validator
	Now       func() time.Time // the clock that all nodes share
	// Mine reports whether this node may check lists now; nil: always. Two that do lose
	// nothing but time.
	Mine func(ctx context.Context) (bool, error)
	// Every is how often lists are looked for that another node took in; 0: 3 s.
	Every time.Duration
	Log   *slog.Logger // nil discards
}

// Service takes lists in, checks them and tells of them. It is safe for concurrent use.
type Service struct {
	c    Config
	wake chan struct{}
}

// New makes a Service. Nothing is checked before Run.
func New(c Config) *Service {
	if c.Every <= 0 {
		c.Every = 3 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c: c, wake: make(chan struct{}, 1)}
}

func (s *Service) now() time.Time { return s.c.Now().UTC().Truncate(time.Millisecond) }

// List is what somebody hands in.
type List struct {
	Name   string        // of the file; what does not fit Check.Name is cut
	Stream tenant.Stream // "" is transactional
	Actor  string
	Source Source
}

// chunk is how many rows are stored in one transaction.
const chunk = 1000

// Take reads a list to its end and stores it to be checked. Until it returns, and if it
// fails, there is no such list. Errors are those of the source and "stream_unknown" (field
// "stream"), "list_empty", "list_too_many_rows", "checks_too_many", "check_rows_too_many".
func (s *Service) Take(ctx context.Context, t tenant.ID, l List) (Check, error) {
	now := s.now()
	c := Check{ID: id.New[Kind](now), Tenant: t, Name: title(l.Name), Stream: cmp.Or(l.Stream, tenant.Transactional), Actor: l.Actor,
		State: Receiving, CreatedAt: now, ExpiresAt: now.Add(Lasts)}
	if !c.Stream.Valid() {
		return Check{}, fault.Field("stream", "stream_unknown", "There is no such stream.")
	}
	if err := s.c.Store.BeginCheck(ctx, c); err != nil {
		return Check{}, fmt.Errorf("take list: %w", err)
	}
	rows, err := s.receive(ctx, c, l.Source)
	if err == nil {
		err = s.c.Store.ReadyCheck(ctx, t, c.ID, rows, l.Source.Column())
	}
	if err != nil {
		// Whoever handed it in may be gone already. What stays behind is dropped later.
		ctx = context.WithoutCancel(ctx)
		return Check{}, errors.Join(fmt.Errorf("take list: %w", err), s.c.Store.ForgetCheck(ctx, t, c.ID, now))
	}
	s.Wake()
	c.Rows, c.Column, c.State = rows, l.Source.Column(), Running
	return c, nil
}

// receive stores the rows of a list and counts them.
func (s *Service) receive(ctx context.Context, c Check, from Source) (int, error) {
	n := 0
	rows := make([]Row, 0, chunk)
	for {
		line, text, err := from.Next()
		if err == nil {
			if n++; n > MaxRows {
				return n, fault.New(fault.TooLarge, "list_too_many_rows", "A list has at most 1,000,000 addresses.")
			}
			rows = append(rows, Row{Number: n, Line: line, Text: text, Print: fingerprint(text)})
		}
		if len(rows) == chunk || err != nil && len(rows) > 0 {
			if err := s.c.Store.AddCheckRows(ctx, c.Tenant, c.ID, rows); err != nil {
				return n, err
			}
			rows = rows[:0]
		}
		switch {
		case errors.Is(err, io.EOF) && n == 0:
			return 0, fault.New(fault.Invalid, "list_empty", "The list has no addresses.")
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		}
	}
}

// fingerprint is equal for texts that are the same address.
func fingerprint(text string) int64 {
	canonical := strings.ToLower(text)
	if a, err := message.ParseAddress(text); err == nil {
		canonical = audience.Canonical(a)
	}
	sum := sha256.Sum256([]byte(canonical))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// maxName is how much of a file's name is kept, in characters.
const maxName = 200

func title(name string) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name))
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName-1]) + "…"
	}
	return name
}

// Check returns one. The error is NotFound "check_not_found".
func (s *Service) Check(ctx context.Context, t tenant.ID, c ID) (Check, error) {
	return s.c.Store.Check(ctx, t, c, s.now())
}

// Checks returns a tenant's lists, new ones first, at most 100.
func (s *Service) Checks(ctx context.Context, t tenant.ID) ([]Check, error) {
	return s.c.Store.Checks(ctx, t, s.now())
}

// Rows returns a page of a list and whether more follows; of one that still runs, what
// is checked so far.
func (s *Service) Rows(ctx context.Context, t tenant.ID, c ID, f Filter) (rows []Row, more bool, err error) {
	if _, err := s.Check(ctx, t, c); err != nil {
		return nil, false, err
	}
	limit := cmp.Or(f.Limit, 50)
	f.Limit = limit + 1
	if rows, err = s.c.Store.CheckRows(ctx, t, c, f); err != nil {
		return nil, false, err
	}
	return rows[:min(len(rows), limit)], len(rows) > limit, nil
}

// exportPage is how many rows of an export are in memory.
const exportPage = 1000

// Export calls each for all rows that the filter matches, in order.
func (s *Service) Export(ctx context.Context, t tenant.ID, c ID, f Filter, each func([]Row) error) error {
	f.After, f.Limit = 0, exportPage
	for {
		rows, more, err := s.Rows(ctx, t, c, f)
		if err != nil {
			return err
		}
		if err := each(rows); err != nil || !more {
			return err
		}
		f.After = rows[len(rows)-1].Number
	}
}

// Cancel ends a check; what was checked before stays. One that has ended is left as it is.
func (s *Service) Cancel(ctx context.Context, t tenant.ID, c ID) (Check, error) {
	if _, err := s.Check(ctx, t, c); err != nil {
		return Check{}, err
	}
	return s.c.Store.CancelCheck(ctx, t, c, s.now())
}

// Forget takes a list away with its results, running or not.
func (s *Service) Forget(ctx context.Context, t tenant.ID, c ID) error {
	if _, err := s.Check(ctx, t, c); err != nil {
		return err
	}
	return s.c.Store.ForgetCheck(ctx, t, c, s.now())
}

// Sweep removes lists that have expired, and what is left of some that never came whole.
func (s *Service) Sweep(ctx context.Context, now time.Time) error {
	_, err := s.c.Store.DropChecks(ctx, now, now.Add(-receiving))
	return err
}
