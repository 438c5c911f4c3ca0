package audience

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"stafette/internal/dns"
)

const (
	// lookupsOfList is how many domains of one list are asked for at the same time, so
	// that several lists share the turns.
	lookupsOfList = 8
	// answerLasts and silenceLasts are how long a list believes what it was told of a
	// domain, and that it was told nothing.
	answerLasts  = time.Hour
	silenceLasts = 10 * time.Minute
	// answersKept bounds one of the two generations of answers, of some 100 bytes each.
	answersKept = 50_000
)

// answer is what is known of where a domain's mail goes. The zero answer is that it
// goes somewhere.
type answer struct {
	code   string // of a finding, "" for none
	rating Rating
	until  time.Time
}

// dead reports whether mail to the domain cannot arrive.
func (a answer) dead() bool { return a.rating == Bad }

// answers remembers the domains of lists. The zero answers are empty; it is safe for
// concurrent use.
type answers struct {
	mu         sync.Mutex
	young, old map[string]answer
}

func (s *answers) get(domain string, now time.Time) (answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.young[domain]
	if !ok {
		a, ok = s.old[domain]
	}
	return a, ok && a.until.After(now)
}

func (s *answers) put(domain string, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young == nil || len(s.young) >= answersKept {
		s.young, s.old = map[string]answer{}, s.young
	}
	s.young[domain] = a
}

// ask finds out where a domain's mail goes, when it is its turn.
func (c *Validator) ask(ctx context.Context, domain string) (answer, error) {
	select {
	case c.turns <- struct{}{}:
		defer func() { <-c.turns }()
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
	hosts, err := c.resolver.MX(ctx, domain)
	switch {
	case ctx.Err() != nil:
		return answer{}, ctx.Err()
	case errors.Is(err, dns.ErrNoDomain):
		return answer{code: FindNoDomain, rating: Bad}, nil
	case errors.Is(err, dns.ErrNoMail):
		return answer{code: FindNoMail, rating: Bad}, nil
	case errors.Is(err, dns.ErrNoHost):
		return answer{code: FindNoHost, rating: Bad}, nil
	case err != nil:
		return answer{code: FindNoAnswer, rating: Risky}, nil
	case len(hosts) > 0 && hosts[0].Implicit:
		return answer{code: FindNoMX, rating: Risky}, nil
	}
	return answer{}, nil
}

// askAll finds out about the domains of a list, each once.
func (c *Validator) askAll(ctx context.Context, names []string) (map[string]answer, error) {
	slices.Sort(names)
	names = slices.Compact(names)
	found := make([]answer, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookupsOfList)
	for i, name := range names {
		var ok bool
		if found[i], ok = c.answers.get(name, c.service.cfg.Now()); ok {
			continue
		}
		group.Go(func() error {
			a, err := c.ask(ctx, name)
			if err != nil {
				return err
			}
			a.until = c.service.cfg.Now().Add(answerLasts)
			if a.code == FindNoAnswer {
				a.until = c.service.cfg.Now().Add(silenceLasts)
			}
			found[i] = a
			c.answers.put(name, a)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	all := make(map[string]answer, len(names))
	for i, name := range names {
		all[name] = found[i]
	}
	return all, nil
}
