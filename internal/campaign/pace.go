package campaign

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"stafette/internal/audience"
)

// Rate bounds how many recipients at one mailbox provider are handed over in an hour.
type Rate struct {
	Provider string `json:"provider"` // key, as in shaping and figures: "gmx"
	PerHour  int    `json:"per_hour"`
}

// Providers tells whose mailboxes a domain has. It must be safe for concurrent use.
type Providers interface {
	// Provider names the mailbox provider behind a domain, "" for none that is known. An error
	// is of a look-up that may go well another time.
	Provider(ctx context.Context, domain string) (string, error)
	// Known lists the providers that there are.
	Known() []string
}

// PaceCount counts the recipients at one provider, or at all others ("").
type PaceCount struct {
	Provider        string
	Waiting, Lately int64
}

// Providers lists the mailbox providers that a campaign can bound.
func (s *Service) Providers() []string {
	if s.c.Providers == nil {
		return nil
	}
	return s.c.Providers.Known()
}

// checkRates holds the limits of single providers to the rules of the form.
func (s *Service) checkRates(c *Campaign, bad func(field, detail string)) {
	known, seen := s.Providers(), map[string]bool{}
	for i, r := range c.PerProvider {
		at := "per_provider/" + strconv.Itoa(i)
		switch {
		case !slices.Contains(known, r.Provider) && !slices.ContainsFunc(c.bounds, func(b Rate) bool { return b.Provider == r.Provider }):
			bad(at+"/provider", "There is no such provider.")
		case seen[r.Provider]:
			bad(at+"/provider", "The provider stands there twice.")
		}
		if r.PerHour < 1 || r.PerHour > MaxPerHour {
			bad(at+"/per_hour", "From 1 to 1,000,000 an hour.")
		}
		seen[r.Provider] = true
	}
}

// rate is how many of a provider are handed over in an hour; 0: no bound.
func (c Campaign) rate(provider string) int {
	for _, r := range c.PerProvider {
		if r.Provider == provider {
			return r.PerHour
		}
	}
	return 0
}

// within is how many recipients a step takes at a rate.
func within(perHour int) int {
	if perHour == 0 {
		return pageSize
	}
	return min(pageSize, max(1, perHour*int(span/time.Second)/3600))
}

// lasting is the time that n recipients take at a rate.
func lasting(n int64, perHour int) time.Duration {
	if perHour == 0 {
		return 0
	}
	return time.Duration(n) * (time.Hour / time.Microsecond) / time.Duration(perHour) * time.Microsecond
}

// listsFirst: everybody is written down before anybody is handed over, so that those of a
// provider that is bounded do not stand behind all others.
func (c Campaign) listsFirst() bool { return c.PerHour > 0 && len(c.PerProvider) > 0 }

// lanes are the providers that the campaign bounds and "" for all others, whose turn was the
// longest ago first.
func (c Campaign) lanes() []string {
	list := make([]string, 1, 1+len(c.PerProvider))
	for _, r := range c.PerProvider {
		list = append(list, r.Provider)
	}
	turn := func(lane string) time.Time {
		rate := c.rate(lane)
		return c.Pace[lane].Add(-lasting(int64(within(rate)), rate))
	}
	slices.SortStableFunc(list, func(a, b string) int { return turn(a).Compare(turn(b)) })
	return list
}

// waiting returns recipients of a provider whose turn it is. If there are none, next is when
// somebody's turn comes; zero: nobody waits.
func (s *Service) waiting(ctx context.Context, c Campaign) (left []Recipient, next time.Time, err error) {
	now := s.stamp()
	for _, lane := range c.lanes() {
		if lane == "" && c.settled {
			continue
		}
		due, limit := c.Pace[lane], min(s.share(c), within(c.rate(lane)))
		if due.After(now) {
			limit = 1 // it is asked only whether there is somebody
		}
		list, err := s.c.Store.WaitingRecipients(ctx, c.Tenant, c.ID, lane, limit)
		switch {
		case err != nil:
			return nil, next, err
		case len(list) == 0:
		case !due.After(now):
			return list, next, nil
		case next.IsZero() || due.Before(next):
			next = due
		}
	}
	return nil, next, nil
}

// claim notes, before recipients of one provider are handed over, when the next of it may be:
// who dies between the two loses time, but never hands over more than is allowed. ok is false
// if the campaign does not send any more.
func (s *Service) claim(ctx context.Context, c *Campaign, list []Recipient) (ok bool, err error) {
	lane := list[0].Provider
	if len(c.PerProvider) == 0 || lane == "" && c.PerHour == 0 {
		return true, nil
	}
	pace := maps.Clone(c.Pace)
	if pace == nil {
		pace = map[string]time.Time{}
	}
	pace[lane] = s.stamp().Add(lasting(int64(len(list)), c.rate(lane)))
	c.Pace = pace
	return s.c.Store.MoveCampaign(ctx, *c, Sending)
}

const (
	// lookupsLast bounds finding out the providers of a step, lookups how many are asked for
	// at once.
	lookupsLast = 3 * time.Second
	lookups     = 16
)

// providersOf says at which of the providers that the campaign bounds contacts have their
// mailboxes. A domain that cannot be looked up counts as none of them; all is false then.
func (s *Service) providersOf(ctx context.Context, c Campaign, list []audience.Contact) (of map[audience.ContactID]string, all bool) {
	if len(c.PerProvider) == 0 || s.c.Providers == nil {
		return nil, true
	}
	ctx, stop := context.WithTimeout(ctx, lookupsLast)
	defer stop()
	found := map[string]string{}
	for _, p := range list {
		found[p.Main().Domain] = ""
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	all = true
	room := make(chan struct{}, lookups)
	for _, domain := range slices.Sorted(maps.Keys(found)) {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			provider, err := s.c.Providers.Provider(ctx, domain)
			mu.Lock()
			defer mu.Unlock()
			found[domain], all = provider, all && err == nil
		})
	}
	wg.Wait()
	of = make(map[audience.ContactID]string, len(list))
	for _, p := range list {
		if provider := found[p.Main().Domain]; c.rate(provider) > 0 {
			of[p.ID] = provider
		}
	}
	return of, all
}

// Forecast is when a campaign will have been handed over, as far as can be told.
type Forecast struct {
	End       time.Time // zero: cannot be told
	Providers []ProviderForecast
}

// ProviderForecast is the same of one provider that the campaign bounds.
type ProviderForecast struct {
	Rate
	Waiting int64
	End     time.Time // zero: nobody waits, or it cannot be told
}

const (
	// lately is how far back the pace is measured, leastMeasured how long it must have gone on
	// and leastExpected how many must have been due, to be told from chance.
	lately        = 5 * time.Minute
	leastMeasured = time.Minute
	leastExpected = 10
)

// MeasuredFrom is since when the pace of now is measured: some minutes ago, or when the
// campaign began or went on.
func (c Campaign) MeasuredFrom(now time.Time) time.Time {
	from := now.Add(-lately)
	for _, at := range []time.Time{c.StartAt, c.UpdatedAt} {
		if at.After(from) {
			from = at
		}
	}
	return from
}

// Forecast reckons when a campaign will have been handed over: from who is left, what is
// allowed, and the pace of the last minutes where that is less. It says nothing of one that
// does not send, is held up or waits for its trial.
func (s *Service) Forecast(ctx context.Context, c Campaign, r Report) (Forecast, error) {
	var f Forecast
	if c.State != Sending || c.Reason != "" && c.Reason != ReasonZone || c.Trial.runs() {
		return f, nil
	}
	if c.Local.At != "" {
		return c.forecastWaves(r), nil
	}
	unlisted := int64(0)
	if !c.Listed {
		for _, g := range c.Groups {
			group, err := s.c.Store.Group(ctx, c.Tenant, g)
			if err != nil {
				return f, err
			}
			unlisted += group.Members
		}
		unlisted = max(0, unlisted-c.Total)
	}
	return c.forecast(r, unlisted), nil
}

// forecast is Forecast with how many are still to be written down, at most.
func (c Campaign) forecast(r Report, unlisted int64) Forecast {
	var f Forecast
	now, measured := r.At, r.At.Sub(r.Measured)
	counts, whole := map[string]PaceCount{}, PaceCount{Waiting: unlisted}
	for _, n := range r.Paces {
		counts[n.Provider] = n
		whole.Waiting, whole.Lately = whole.Waiting+n.Waiting, whole.Lately+n.Lately
	}
	listed := unlisted == 0 || len(c.PerProvider) == 0 // it is known at which provider they all are
	last, told := now, listed
	end := func(n PaceCount, allowed int) time.Time {
		d, ok := n.lasts(allowed, measured)
		if told = told && ok; !ok || !listed {
			return time.Time{}
		}
		at := now.Add(d)
		if at.After(last) {
			last = at
		}
		return at
	}
	for _, rate := range c.PerProvider {
		one := ProviderForecast{Rate: rate, Waiting: counts[rate.Provider].Waiting}
		if one.Waiting > 0 {
			one.End = end(counts[rate.Provider], rate.PerHour)
		}
		f.Providers = append(f.Providers, one)
	}
	if c.PerHour > 0 || len(c.PerProvider) == 0 {
		end(whole, c.PerHour)
	} else {
		end(counts[""], 0)
	}
	if told && last.After(now) {
		f.End = last
	}
	return f
}

// lasts is how long those who wait take, at what is allowed (0: no bound) or at the pace that
// was measured if that is less; false if it cannot be told.
func (n PaceCount) lasts(allowed int, measured time.Duration) (time.Duration, bool) {
	if n.Waiting == 0 {
		return 0, true
	}
	pace := float64(allowed) // an hour
	if due := pace * measured.Hours(); measured >= leastMeasured && (allowed == 0 || due >= leastExpected) {
		seen := float64(n.Lately) / measured.Hours()
		if allowed == 0 || seen < pace {
			pace = seen
		}
	}
	if pace <= 0 {
		return 0, false
	}
	return time.Duration(float64(n.Waiting) / pace * float64(time.Hour)), true
}

// takes is how long handing over takes at least, by what is allowed alone: of a number of
// recipients, by provider that is bounded and "" for all others.
func (c Campaign) takes(counts map[string]int64) (d time.Duration) {
	all := int64(0)
	for provider, n := range counts {
		all += n
		d = max(d, lasting(n, c.rate(provider)))
	}
	return max(d, lasting(all, c.PerHour))
}
