package feed

import (
	"context"
	"sync"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/tenant"
)

// An account may have PreviewsMost previews in PreviewsIn, on each node: each of them asks a
// stranger's server.
const (
	PreviewsMost = 30
	PreviewsIn   = 10 * time.Minute
)

// Shown is what a look now would send.
type Shown struct {
	Subject    string
	HTML, Text string
	// Mailing is the draft that would be made. It is not kept.
	Mailing campaign.Campaign
	Entries []Entry // that stand in the feed, at most Feed.Most
	Total   int     // how many stand there
	New     int     // of all that stand there, how many are new
}

// Preview reads a feed now, and shows the mailing of the newest entries, known ones too. It
// changes nothing. What keeps the feed from being read is Invalid at "url"; Limited CodeOften.
func (s *Service) Preview(ctx context.Context, t tenant.ID, number ID) (Shown, error) {
	f, err := s.c.Store.Feed(ctx, t, number)
	if err != nil {
		return Shown{}, err
	}
	return s.shown(ctx, f)
}

// PreviewDraft is Preview of a feed as a person wrote it down, kept or not. Errors are those of
// Create too.
func (s *Service) PreviewDraft(ctx context.Context, who ingest.Principal, f Feed) (Shown, error) {
	f.Tenant, f.Actor = who.Tenant, who.Actor
	if !f.ID.IsZero() {
		old, err := s.c.Store.Feed(ctx, who.Tenant, f.ID)
		if err != nil {
			return Shown{}, err
		}
		f.Primed = old.Primed && old.URL == f.URL
	}
	if err := s.check(ctx, &f); err != nil {
		return Shown{}, err
	}
	return s.shown(ctx, f)
}

func (s *Service) shown(ctx context.Context, f Feed) (v Shown, err error) {
	if wait := s.asked.take(f.Tenant, s.stamp()); wait > 0 {
		return v, &fault.Error{Kind: fault.Limited, Code: CodeOften, Detail: "Feeds were looked at so often; wait a little.", RetryAfter: wait}
	}
	a, err := s.fetch(ctx, f, false)
	if err != nil {
		return v, err
	}
	v.Total, v.Entries = len(a.entries), a.entries[:min(f.Most, len(a.entries))]
	if f.Primed { // else what stands there counts as known
		fresh, err := s.fresh(ctx, f, a.entries)
		if err != nil {
			return v, err
		}
		v.New = len(fresh)
	}
	c, err := s.letter(ctx, f, v.Entries)
	v.Mailing, v.Subject, v.HTML, v.Text = c, c.Letter.Subject, c.Letter.HTML, c.Letter.Text
	return v, err
}

// previews counts those of accounts in windows of PreviewsIn. The zero value has none.
type previews struct {
	mu    sync.Mutex
	since time.Time
	n     map[tenant.ID]int
}

// take counts one, or says how long to wait.
func (p *previews) take(t tenant.ID, now time.Time) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if age := now.Sub(p.since); age < 0 || age >= PreviewsIn {
		p.since, p.n = now, map[tenant.ID]int{}
	}
	if p.n[t] >= PreviewsMost {
		return p.since.Add(PreviewsIn).Sub(now)
	}
	p.n[t]++
	return 0
}
