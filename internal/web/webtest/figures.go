package webtest

import (
	"context"
	"slices"
	"sync"
	"time"

	"stafette/internal/dns"
	"stafette/internal/event"
	"stafette/internal/help"
	"stafette/internal/insight"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/digests"
	"stafette/internal/web/figures"
	"stafette/internal/web/helpdesk"
)

// figuresSubject counts the world's messages, and more at some providers, one of which
// does worse than before.
func figuresSubject() Subject {
	return Subject{
		Wire: func(w *World, c *web.Config) {
			providers, err := insight.LoadProviders()
			if err != nil {
				panic(err) // the data is part of the binary
			}
			sums := insight.Statistics{Store: sums{w}}
			c.Figures = figures.Config{Statistics: sums, Providers: providers}
			desk := &personal{world: w, away: map[string]time.Time{}, chosen: map[tenant.UserID]insight.Choice{}}
			c.Todos = insight.Todos{Store: desk, Sources: []insight.TodoSource{
				insight.HaltedMail{Breaker: w.haltDesk()}, insight.DomainSetup{Domains: c.Domains.Registry},
				insight.HeldMail{Store: desk}, insight.RefusedAddresses{Statistics: sums},
				insight.Team{Store: officeTodos{w}}, insight.Keys{Store: officeTodos{w}},
			}}
			c.StaffTodos = insight.Todos{Store: desk, Sources: []insight.TodoSource{
				insight.Certificate{End: func() time.Time { return w.Now().Add(5 * 24 * time.Hour) }}, insight.CertificateFolders{Others: func(context.Context) ([]string, error) { return []string{"post2"}, nil }}, insight.LockedAccounts{Store: officeTodos{w}}, insight.Team{Store: officeTodos{w}},
			}}
			c.Digests = digests.Config{Store: desk, On: func() bool { return true }}
		},
		Pages: func(*World) []string {
			return []string{
				"/?range=7", "/?range=30", "/?range=nonsense", "/?done=dismissed", "/statistics/providers?range=30&sort=rate", "/statistics/providers?sort=-p95&stream=newsletter",
				"/statistics/providers?range=%3Cb%3E&sort=x&stream=y", "/messages?provider=gmx&state=bounced", "/messages?provider=%22%3E%3Cscript%3E", "/digests?done=saved",
			}
		},
	}
}

// sums implements insight.TallyStore.
type sums struct{ w *World }

// Sums implements insight.TallyStore.
func (s sums) Sums(_ context.Context, t tenant.ID, q insight.TallyQuery) ([]insight.Cell, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.w.broken != nil {
		return nil, s.w.broken
	}
	sum := map[insight.Cell]int64{}
	add := func(at time.Time, provider string, stream tenant.Stream, n int64, counts ...insight.Count) {
		at = at.UTC().Truncate(time.Hour)
		if at.Before(q.From) || !at.Before(q.To) {
			return
		}
		for _, c := range counts {
			if len(q.Counts) > 0 && !slices.Contains(q.Counts, c) {
				continue
			}
			cell := insight.Cell{Count: c}
			if q.Hours {
				cell.Hour = at
			}
			if q.Providers {
				cell.Provider = provider
			}
			if q.Streams {
				cell.Stream = stream
			}
			sum[cell] += n
		}
	}
	for _, m := range s.w.messages {
		if m.Tenant != t && !t.IsZero() {
			continue
		}
		for _, d := range m.Deliveries {
			fact := map[event.State]event.Type{event.Delivered: event.Completed, event.Bounced: event.Refused, event.Expired: event.GaveUp}[d.State]
			counts := insight.CountsOf(&event.Event{Type: fact, At: d.UpdatedAt}, m.AcceptedAt)
			add(d.UpdatedAt, dns.Provider([]dns.MX{{Host: d.Host}}), m.Stream, 1, counts...)
		}
	}
	if t == s.w.Tenant.ID || t.IsZero() {
		s.sample(add)
	}
	var list []insight.Cell
	for cell, n := range sum {
		cell.N = n
		list = append(list, cell)
	}
	slices.SortFunc(list, func(a, b insight.Cell) int { return a.Hour.Compare(b.Hour) })
	return list, nil
}

func (s sums) sample(add func(at time.Time, provider string, stream tenant.Stream, n int64, counts ...insight.Count)) {
	for day := range 14 {
		at := s.w.now.Add(-time.Duration(day)*24*time.Hour - time.Minute)
		for i, provider := range []string{"gmx", "webde", "gmail", "ms", "tonline", "yahoo", "posteo", "icloud", "freenet", "strato"} {
			n := int64(400 / (i + 1))
			add(at, provider, tenant.Transactional, n, insight.CountDelivered, "took02")
			add(at, provider, tenant.Newsletter, n/4, insight.CountDelivered, "took09")
			add(at, provider, tenant.Transactional, n/30, insight.CountDelayed)
			add(at, provider, tenant.Transactional, n/100, insight.CountBounced)
		}
		if day < 7 {
			add(at, "tonline", tenant.Transactional, 9, insight.CountBounced)
			add(at, "yahoo", tenant.Newsletter, 3, insight.CountDelivered, "took13")
			add(at, "gmx", tenant.Newsletter, 1, insight.CountComplained)
		}
	}
}

// personal keeps what people chose. It is safe for concurrent use.
type personal struct {
	world *World

	mu     sync.Mutex
	away   map[string]time.Time // by user and key
	chosen map[tenant.UserID]insight.Choice
}

// Dismiss implements insight.TodoStore.
func (d *personal) Dismiss(_ context.Context, _ tenant.ID, u tenant.UserID, key string, until time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away[u.String()+key] = until
	return nil
}

// Dismissed implements insight.TodoStore.
func (d *personal) Dismissed(_ context.Context, _ tenant.ID, u tenant.UserID, now time.Time) (list []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	who := u.String()
	for key, until := range d.away {
		if until.After(now) && len(key) > len(who) && key[:len(who)] == who {
			list = append(list, key[len(who):])
		}
	}
	return list, nil
}

// Held implements what insight.HeldMail asks.
func (d *personal) Held(_ context.Context, t tenant.ID, except string) (n int64, since time.Time, err error) {
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	for _, m := range d.world.messages {
		for _, one := range m.Deliveries {
			if m.Tenant == t && one.State == event.Held && one.Reason != except {
				if n++; since.IsZero() {
					since = m.AcceptedAt
				}
			}
		}
	}
	return n, since, nil
}

// Readers implements insight.DigestStore in part.
func (d *personal) Readers(_ context.Context, t tenant.ID) (list []insight.Reader, err error) {
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, u := range d.world.users {
		if u.Tenant != t {
			continue
		}
		r := insight.Reader{User: u, Choice: insight.UsualChoice(u.Role)}
		if c, ok := d.chosen[u.ID]; ok {
			r.Choice = c
		}
		list = append(list, r)
	}
	return list, nil
}

// ChooseDigests implements insight.DigestStore in part.
func (d *personal) ChooseDigests(_ context.Context, _ tenant.ID, u tenant.UserID, c insight.Choice) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.chosen[u] = c
	return nil
}

var articles = sync.OnceValue(func() *help.Library {
	library, err := help.Load("approval", "digests", "lead", "offer", "redelivery", "tracking")
	if err != nil {
		panic(err) // the articles are part of the binary
	}
	return library
})

// helpSubject is the real library with counts in memory.
func helpSubject() Subject {
	article := func(*World) map[string]string {
		return map[string]string{"/help/{slug}": "/help/delivery-rate", "/hilfe/{slug}": "/hilfe/delivery-rate"}
	}
	return Subject{
		Wire: func(w *World, c *web.Config) {
			library := articles()
			counts := &HelpCounts{answers: map[help.Answers]int64{}, missing: map[string]int64{"adressbuch umzug": 4, "frau m": 1}}
			c.Help = helpdesk.Config{Library: library, Store: counts, Desk: &help.Desk{Library: library, Store: counts, Now: w.Now}}
		},
		Own: article,
		Pages: func(*World) []string {
			return []string{"/help?q=spam", "/help?q=gibtsnicht+xyzzy", "/help?q=%3Cscript%3E", "/help?done=noted", "/help/states?done=thanks", "/hilfe?q=spam"}
		},
	}
}

// HelpCounts implements help.Store in memory. It is safe for concurrent use.
type HelpCounts struct {
	mu      sync.Mutex
	answers map[help.Answers]int64 // by article, language and one Yes or No
	missing map[string]int64
}

// Answer implements help.Store.
func (h *HelpCounts) Answer(_ context.Context, _ time.Time, article, lang string, helped bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := help.Answers{Article: article, No: 1}
	if a.Lang = "de"; lang == "en" {
		a.Lang = "en"
	}
	if helped {
		a.Yes, a.No = 1, 0
	}
	h.answers[a]++
	return nil
}

// Missing implements help.Store.
func (h *HelpCounts) Missing(_ context.Context, _ time.Time, question string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.missing[question]++
	return nil
}

// HelpCounts implements help.Store.
func (h *HelpCounts) HelpCounts(context.Context, time.Time) (answers []help.Answers, missing []help.Question, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for a, n := range h.answers {
		answers = append(answers, help.Answers{Article: a.Article, Lang: a.Lang, Yes: a.Yes * n, No: a.No * n})
	}
	for q, n := range h.missing {
		missing = append(missing, help.Question{Text: q, N: n})
	}
	return answers, missing, nil
}
