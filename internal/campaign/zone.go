package campaign

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/tenant"
)

// Local is what every recipient's own clock shows when their mail is handed over. The zero
// Local is of campaigns that go to everybody at one instant.
type Local struct {
	At string `json:"at,omitempty"` // as LocalLayout
	// Zone is that of recipients of whom none is known: the account's, of when it was sent.
	Zone string `json:"zone,omitempty"`
}

// LocalLayout is how a local time is written, for package time.
const LocalLayout = "2006-01-02T15:04"

// ReasonZone is why a campaign rests until the local time of the next recipients comes.
const ReasonZone = "zone_waits"

// CodeZoneTrial is Invalid: a trial compares what happens at one time.
const CodeZoneTrial = "campaign_zone_trial"

// ParseLocal reads a local time. The error is Invalid "campaign_value" (field "at").
func ParseLocal(text string) (Local, error) {
	if _, err := time.Parse(LocalLayout, text); err != nil {
		return Local{}, &fault.Error{Kind: fault.Invalid, Code: CodeValue, Field: "at", Detail: "A local time is written as 2026-11-24T09:00, without a zone.", Err: err}
	}
	return Local{At: text}, nil
}

// In is when clocks in a zone show it. A time that they skip counts as if they did not, as
// they go an hour later for it; of one that they show twice it is the first (RFC 5545,
// section 3.3.5). It is zero for the zero Local.
func (l Local) In(zone *time.Location) time.Time {
	wall, err := time.Parse(LocalLayout, l.At)
	if err != nil {
		return time.Time{}
	}
	at := func(around time.Time) time.Time {
		_, east := around.In(zone).Zone()
		return wall.Add(-time.Duration(east) * time.Second)
	}
	shows := func(t time.Time) bool { return t.In(zone).Format(LocalLayout) == l.At }
	// The offsets of a day before and a day after: clocks change at most once between them.
	before, after := at(wall.Add(-24*time.Hour)), at(wall.Add(24*time.Hour))
	switch {
	case shows(before) && shows(after):
		return earlier(before, after)
	case shows(after):
		return after
	}
	return before
}

// earlier is the earlier of two instants; a zero one counts as none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// The zones whose clocks are the furthest behind and ahead, in seconds east of Greenwich.
const (
	furthestBehind = -12 * 3600
	furthestAhead  = 14 * 3600
)

// clocks tells when the time of contacts has come. It belongs to one goroutine.
type clocks struct {
	local Local
	key   string // of the field with the zone; "": there is none
	other *time.Location
	known map[string]*time.Location // nil: there is no such zone
}

// clocks reads where contacts have their zones.
func (s *Service) clocks(ctx context.Context, c Campaign) (*clocks, error) {
	declared, err := s.c.Store.Fields(ctx, c.Tenant)
	if err != nil {
		return nil, fmt.Errorf("read fields: %w", err)
	}
	v := &clocks{local: c.Local, key: audience.ZoneKey(declared), known: map[string]*time.Location{}, other: s.c.Zone}
	if zone, ok := audience.LoadZone(c.Local.Zone); ok {
		v.other = zone
	}
	return v, nil
}

// in is the zone of a name and when its clocks show the local time. Of what is no name of a
// zone it is the account's, and the name is "".
func (v *clocks) in(name string) (string, time.Time) {
	zone, ok := v.known[name]
	if !ok {
		zone, _ = audience.LoadZone(name)
		v.known[name] = zone
	}
	if zone == nil {
		return "", v.local.In(v.other)
	}
	return name, v.local.In(zone)
}

func (v *clocks) of(p audience.Contact) (string, time.Time) {
	if v.key == "" {
		return v.in("")
	}
	return v.in(p.Fields[v.key])
}

// due picks, in their order, at most limit contacts whose time has come. next is when that of
// the first other one comes, zero for none; rest are those that were not looked at.
func (v *clocks) due(list []audience.Contact, now time.Time, limit int) (due, rest []audience.Contact, next time.Time) {
	for i, p := range list {
		if len(due) == limit {
			return due, list[i:], next
		}
		if _, at := v.of(p); at.After(now) {
			next = earlier(next, at)
		} else {
			due = append(due, p)
		}
	}
	return due, nil, next
}

// Wave is a time zone of a campaign that goes out at local times.
type Wave struct {
	Zone string // "": that of the account, as none is known of its people
	At   time.Time
	// Members of the groups are in it now, those in several groups as often. In a Preview they
	// are those who would get the mailing.
	Members int64
	// Accepted, Excluded and Waiting are those whose time has come.
	Accepted, Excluded, Waiting int64
}

// Left is how many are still to be handed over.
func (w Wave) Left() int64 { return w.Waiting + max(0, w.Members-w.Accepted-w.Excluded-w.Waiting) }

// memberZones counts the members of the groups by zone, "" for those of whom none is known.
func (s *Service) memberZones(ctx context.Context, c Campaign, v *clocks) (map[string]int64, error) {
	found := map[string]int64{}
	for _, g := range c.Groups {
		list, err := s.c.Store.MemberZones(ctx, c.Tenant, g, v.key)
		if fault.IsKind(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for name, n := range list {
			zone, _ := v.in(name)
			found[zone] += n
		}
	}
	return found, nil
}

// waves are zones in the order of their instants.
func (v *clocks) waves(counts map[string]int64) []Wave {
	list := make([]Wave, 0, len(counts))
	for name, n := range counts {
		_, at := v.in(name)
		list = append(list, Wave{Zone: name, At: at, Members: n})
	}
	sortWaves(list)
	return list
}

func sortWaves(list []Wave) {
	slices.SortFunc(list, func(a, b Wave) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Zone, b.Zone)) })
}

// fillWaves adds to a report who is still to come.
func (s *Service) fillWaves(ctx context.Context, c Campaign, r *Report) error {
	if c.Local.At == "" {
		return nil
	}
	v, err := s.clocks(ctx, c)
	if err != nil {
		return err
	}
	counts := map[string]int64{}
	if !c.State.Over() {
		if counts, err = s.memberZones(ctx, c, v); err != nil {
			return err
		}
	}
	for i := range r.Waves {
		w := &r.Waves[i]
		_, w.At = v.in(w.Zone)
		w.Members = counts[w.Zone]
		delete(counts, w.Zone)
	}
	r.Waves = append(r.Waves, v.waves(counts)...)
	sortWaves(r.Waves)
	return nil
}

// drained is when waves will have been handed over that have so many left each, if they go as
// fast as is allowed.
func drained(from time.Time, waves []Wave, perHour int) time.Time {
	end := from
	for _, w := range waves {
		if n := w.Left(); n > 0 {
			if w.At.After(end) {
				end = w.At
			}
			end = end.Add(lasting(n, perHour))
		}
	}
	return end
}

// forecastWaves is Forecast of a campaign at local times: by its own limit. Of one that bounds
// providers nothing is said before the last wave, as it is not known whose mailboxes are in it.
func (c Campaign) forecastWaves(r Report) Forecast {
	if len(r.Waves) == 0 {
		return Forecast{}
	}
	if last := r.Waves[len(r.Waves)-1].At; len(c.PerProvider) > 0 {
		if !c.Listed || last.After(r.At) {
			return Forecast{}
		}
		return c.forecast(r, 0)
	}
	var f Forecast
	if end := drained(r.At, r.Waves, c.PerHour); end.After(r.At) {
		f.End = end
	}
	return f
}

// Locally is a campaign as it would be sent at local times. Errors: Invalid "campaign_value"
// (field "at") and "campaign_zone_trial" (field "zone").
func (s *Service) Locally(ctx context.Context, c Campaign, text string) (Campaign, error) {
	local, err := ParseLocal(text)
	if err != nil {
		return c, err
	}
	if c.Trial.Share > 0 {
		return c, fault.Field("zone", CodeZoneTrial, "A trial is sent at one instant for everybody, so that its versions can be compared.")
	}
	now := s.stamp()
	if local.In(time.FixedZone("", furthestBehind)).Before(now) {
		return c, fault.Field("at", CodeValue, "This local time is over in every time zone.")
	}
	if local.In(time.FixedZone("", furthestAhead)).After(now.Add(MaxAhead)) {
		return c, tooFar()
	}
	t, err := s.c.Store.Tenant(ctx, c.Tenant)
	if err != nil {
		return c, fmt.Errorf("read tenant: %w", err)
	}
	local.Zone = s.zoneOf(t).String()
	c.Local = local
	return c, nil
}

// previewLocal tells when a campaign begins and ends that goes out at local times.
func (s *Service) previewLocal(ctx context.Context, c Campaign, zones *clocks, v *Preview) error {
	now, all := s.stamp(), v.Waves
	for _, w := range v.Waves {
		if w.At.Before(now) {
			v.Late += w.Members
		}
	}
	if v.Looked < v.Total { // of the others the zone alone is known
		counts, err := s.memberZones(ctx, c, zones)
		if err != nil {
			return err
		}
		all = zones.waves(counts)
	}
	if len(all) == 0 {
		return nil
	}
	v.First, v.Last = all[0].At, all[len(all)-1].At
	if v.First.Before(now) {
		v.First = now
	}
	if v.Last.Before(now) {
		v.Last = now
	}
	v.Done = drained(now, all, c.PerHour)
	if slowest := v.First.Add(v.Takes); slowest.After(v.Done) {
		v.Done = slowest
	}
	return nil
}

// zoneOf is the time zone of an account.
func (s *Service) zoneOf(t tenant.Tenant) *time.Location { return t.Zone(s.c.Zone) }

// SendLocal lets a draft go at a local time of each recipient (LocalLayout). Whose time is over
// already gets it at once. Errors are those of Send and Locally.
func (s *Service) SendLocal(ctx context.Context, who ingest.Principal, number ID, text string) (Campaign, error) {
	return s.send(ctx, who, number, func(c *Campaign) (time.Time, error) {
		var err error
		if *c, err = s.Locally(ctx, *c, text); err != nil {
			return time.Time{}, err
		}
		v, err := s.clocks(ctx, *c)
		if err != nil {
			return time.Time{}, err
		}
		counts, err := s.memberZones(ctx, *c, v)
		if err != nil {
			return time.Time{}, err
		}
		if list := v.waves(counts); len(list) > 0 {
			return list[0].At, nil
		}
		_, at := v.in("")
		return at, nil
	})
}

// nextWave begins to go over the groups once more: the local time of more recipients has
// come. Who has a row keeps it.
func (s *Service) nextWave(ctx context.Context, c Campaign) (Campaign, bool, error) {
	c.At, c.After, c.Listed, c.WaveAt = 0, audience.ContactID{}, false, time.Time{}
	_, ok, err := s.c.Store.TakeRecipients(ctx, c, nil)
	if err != nil || !ok {
		return c, false, err
	}
	if c.Reason != "" {
		err = s.rest(ctx, c, "", 0)
	}
	return c, err == nil, err
}
