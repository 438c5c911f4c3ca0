package campaign_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/ingest"
)

// Local times that clocks skip or show twice are decided, not left to chance.
func TestLocalTimesAreOneInstant(t *testing.T) {
	for name, v := range map[string]struct{ local, zone, want string }{
		"plain":                       {"2026-11-24T09:00", "Europe/Berlin", "2026-11-24T08:00:00Z"},
		"half an hour":                {"2026-11-24T09:00", "Asia/Kolkata", "2026-11-24T03:30:00Z"},
		"the day before":              {"2026-11-24T09:00", "Pacific/Kiritimati", "2026-11-23T19:00:00Z"},
		"the day after":               {"2026-11-24T23:30", "Pacific/Pago_Pago", "2026-11-25T10:30:00Z"},
		"skipped in spring":           {"2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:30:00Z"},
		"first minute skipped":        {"2026-03-29T02:00", "Europe/Berlin", "2026-03-29T01:00:00Z"},
		"first minute after the skip": {"2026-03-29T03:00", "Europe/Berlin", "2026-03-29T01:00:00Z"},
		"last minute before the skip": {"2026-03-29T01:59", "Europe/Berlin", "2026-03-29T00:59:00Z"},
		"skipped in New York":         {"2026-03-08T02:30", "America/New_York", "2026-03-08T07:30:00Z"},
		"twice in autumn":             {"2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30:00Z"},
		"after both":                  {"2026-10-25T03:00", "Europe/Berlin", "2026-10-25T02:00:00Z"},
		"twice in New York":           {"2026-11-01T01:30", "America/New_York", "2026-11-01T05:30:00Z"},
		"half an hour twice":          {"2026-04-05T01:45", "Australia/Lord_Howe", "2026-04-04T14:45:00Z"},
		"a day skipped":               {"2011-12-30T09:00", "Pacific/Apia", "2011-12-30T19:00:00Z"},
	} {
		zone, err := time.LoadLocation(v.zone)
		if err != nil {
			t.Fatal(err)
		}
		l, err := campaign.ParseLocal(v.local)
		if got := l.In(zone).UTC().Format(time.RFC3339); err != nil || got != v.want {
			t.Errorf("%s: %s in %s is %s, want %s (%v)", name, v.local, v.zone, got, v.want, err)
		}
	}
}

// abroad is a world of the account in Berlin whose people live in zones; "" is nowhere.
func abroad(t *testing.T, zones ...string) *world {
	t.Helper()
	w := newWorld(t, 0)
	berlin, err := time.LoadLocation("Europe/Berlin")
	w.must(err)
	w.config.Zone = berlin
	w.service = campaign.New(w.config)
	w.must(audience.NewContacts(w.store, w.Now).SetField(t.Context(), w.who.Tenant, audience.Field{Key: "zone", Type: audience.ZoneField}))
	for _, zone := range zones {
		w.settle(zone)
	}
	return w
}

// settle adds somebody who lives in a zone to the group, named after where.
func (w *world) settle(zone string) audience.Contact {
	w.Helper()
	where := strings.ToLower(zone[strings.LastIndex(zone, "/")+1:])
	if zone == "" {
		where = "nowhere"
	}
	c := w.contact(fmt.Sprintf("%s%d@kunde.example", where, len(w.people)), "Eva", "")
	c = w.move(c, zone)
	w.people[len(w.people)-1] = c
	w.join(w.group, c.ID)
	return c
}

// move gives somebody another zone.
func (w *world) move(c audience.Contact, zone string) audience.Contact {
	w.Helper()
	c.Fields = map[string]string{"zone": zone}
	c, err := audience.NewContacts(w.store, w.Now).Change(w.Context(), w.who.Tenant, c, "usr_1")
	w.must(err)
	return c
}

// at lets the clock show an instant, and campaigns do all that is due.
func (w *world) at(instant string) {
	w.Helper()
	to, err := time.Parse(time.RFC3339, instant)
	w.must(err)
	w.pass(to.Sub(w.Now()))
	w.turn()
}

// got names who was handed their mail, sorted.
func (w *world) got(c campaign.Campaign) string {
	w.Helper()
	var list []string
	for who := range w.mails(c) {
		list = append(list, strings.TrimRight(who, "0123456789"))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func (w *world) sendLocal(c campaign.Campaign, at string) campaign.Campaign {
	w.Helper()
	c, err := w.service.SendLocal(w.Context(), w.who, c.ID, at)
	w.must(err)
	return c
}

// Everybody gets their mail when their own clock shows the time, who has no zone when the
// account's does.
func TestMailingsWaitForEverybodysClock(t *testing.T) {
	w := abroad(t, "America/New_York", "Europe/Athens", "", "Europe/London", "Europe/Vienna", "Asia/Kolkata")
	c := w.sendLocal(w.draft(), "2026-11-24T09:00")
	if c.State != campaign.Scheduled || c.StartAt.Format(time.RFC3339) != "2026-11-24T03:30:00Z" || c.Local != (campaign.Local{At: "2026-11-24T09:00", Zone: "Europe/Berlin"}) {
		t.Fatalf("scheduled: %+v", c)
	}
	for _, step := range []struct{ at, got, due string }{
		{"2026-11-24T03:29:59Z", "", "2026-11-24T03:30:00Z"},
		{"2026-11-24T03:30:00Z", "kolkata", "2026-11-24T07:00:00Z"},
		{"2026-11-24T06:59:59Z", "kolkata", "2026-11-24T07:00:00Z"},
		{"2026-11-24T07:00:00Z", "athens kolkata", "2026-11-24T08:00:00Z"},
		{"2026-11-24T08:00:00Z", "athens kolkata nowhere vienna", "2026-11-24T09:00:00Z"},
		{"2026-11-24T09:00:00Z", "athens kolkata london nowhere vienna", "2026-11-24T14:00:00Z"},
		{"2026-11-24T13:59:59Z", "athens kolkata london nowhere vienna", "2026-11-24T14:00:00Z"},
	} {
		w.at(step.at)
		now := w.read(c)
		if got := w.got(c); got != step.got || now.DueAt.Format(time.RFC3339) != step.due {
			t.Errorf("at %s %q got it, want %q; next at %s, want %s", step.at, got, step.got, now.DueAt, step.due)
		}
		if began := step.got != ""; began && (now.State != campaign.Sending || now.Reason != campaign.ReasonZone) {
			t.Errorf("at %s: %s %q", step.at, now.State, now.Reason)
		}
	}
	w.at("2026-11-24T14:00:00Z")
	if now := w.read(c); now.State != campaign.Sent || now.Accepted != 6 || now.Total != 6 || w.counted(c) != 6 {
		t.Errorf("at the end: %+v", now)
	}
}

// Who may get it is decided when their time comes: who unsubscribes, joins or moves between.
func TestWavesAskAnew(t *testing.T) {
	w := abroad(t, "Europe/Athens", "Europe/Berlin", "Europe/London", "America/New_York")
	c := w.sendLocal(w.draft(), "2026-11-24T09:00")
	athens, london, york := w.people[0], w.people[2], w.people[3]
	w.at("2026-11-24T07:00:00Z")
	w.must(suppress(w, london))
	w.settle("Europe/Lisbon")        // joins in time
	w.settle("Asia/Tokyo")           // whose time is over
	w.move(york, "Asia/Kolkata")     // moves to where it is over
	w.move(athens, "America/Denver") // has it, and is to get it once
	w.at("2026-11-24T08:00:00Z")
	if got := w.got(c); got != "athens berlin new_york tokyo" {
		t.Errorf("at nine in Berlin %q", got)
	}
	w.at("2026-11-24T09:00:00Z")
	w.at("2026-11-24T16:00:00Z")
	if got := w.read(c); w.got(c) != "athens berlin lisbon new_york tokyo" || got.State != campaign.Sent || got.Accepted != 5 || got.Excluded != 1 || w.counted(c) != 5 {
		t.Errorf("at the end %q, %+v", w.got(c), got)
	}
}

// Whose time is over gets it at once, and the preview says for how many.
func TestWhoseTimeIsOverGetsItAtOnce(t *testing.T) {
	w := abroad(t, "Asia/Tokyo", "Asia/Tokyo", "Europe/Berlin", "")
	c := w.draft()
	planned, err := w.service.Locally(t.Context(), c, "2026-11-22T11:00") // it is half past ten in Berlin
	w.must(err)
	v, err := w.service.Preview(t.Context(), planned)
	w.must(err)
	told := fmt.Sprintf("%s %d", v.ZoneKey, v.Late)
	for _, one := range v.Waves {
		told += fmt.Sprintf(" %s=%d", one.Zone, one.Members)
	}
	if told != "zone 2 Asia/Tokyo=2 =1 Europe/Berlin=1" {
		t.Errorf("preview: %q", told)
	}
	if v.First.After(w.Now()) || v.Last.Format(time.RFC3339) != "2026-11-22T10:00:00Z" || !v.Done.Equal(v.Last) {
		t.Errorf("from %s to %s, done %s", v.First, v.Last, v.Done)
	}
	if c = w.sendLocal(c, "2026-11-22T11:00"); c.State != campaign.Sending {
		t.Errorf("state %s", c.State)
	}
	w.turn()
	if got := w.got(c); got != "tokyo tokyo" {
		t.Errorf("at once %q", got)
	}
	w.at("2026-11-22T10:00:00Z")
	if got := w.read(c); got.Accepted != 4 || got.State != campaign.Sent {
		t.Errorf("at the end %+v", got)
	}
}

// Pause, resume and cancel hold between the waves, and what comes due meanwhile goes after.
func TestWavesArePausedAndCancelled(t *testing.T) {
	w := abroad(t, "Europe/Athens", "Europe/Berlin", "Europe/London", "America/New_York")
	c := w.sendLocal(w.draft(), "2026-11-24T09:00")
	w.at("2026-11-24T07:00:00Z")
	_, err := w.service.Pause(t.Context(), w.who, c.ID)
	w.must(err)
	w.at("2026-11-24T09:30:00Z")
	if got := w.got(c); got != "athens" {
		t.Errorf("paused, but %q", got)
	}
	_, err = w.service.Resume(t.Context(), w.who, c.ID)
	w.must(err)
	w.at("2026-11-24T09:30:10Z")
	if got := w.got(c); got != "athens berlin london" {
		t.Errorf("goes on with %q", got)
	}
	_, err = w.service.Cancel(t.Context(), w.who, c.ID)
	w.must(err)
	w.at("2026-11-24T20:00:00Z")
	if got := w.read(c); w.got(c) != "athens berlin london" || got.State != campaign.Cancelled {
		t.Errorf("cancelled, but %q, %+v", w.got(c), got)
	}
	back := w.sendLocal(w.draft(), "2026-11-26T09:00")
	if back, err = w.service.Unschedule(t.Context(), w.who, back.ID); err != nil || back.State != campaign.Draft || back.Local != (campaign.Local{}) {
		t.Errorf("unscheduled: %+v, %v", back, err)
	}
}

// A limit an hour holds within a wave, and those of another zone do not stand in the way.
func TestWavesKeepThePace(t *testing.T) {
	w := abroad(t, "America/New_York", "America/New_York", "Europe/Athens", "America/New_York", "Europe/Athens", "Europe/Berlin")
	for _, bounds := range []func(*campaign.Campaign){
		func(c *campaign.Campaign) { c.PerHour = 60 },
		func(c *campaign.Campaign) {
			c.PerHour, c.PerProvider = 60, []campaign.Rate{{Provider: "gmx", PerHour: 1}}
		},
	} {
		w.config.Providers = &mailboxes{}
		w.service = campaign.New(w.config)
		c := w.draft(bounds)
		day := w.Now().AddDate(0, 0, 1).Format(time.DateOnly)
		w.sendLocal(c, day+"T09:00")
		for _, step := range []struct{ at, got string }{
			{"T07:00:00Z", "athens"}, {"T07:00:59Z", "athens"}, {"T07:01:00Z", "athens athens"}, {"T07:30:00Z", "athens athens"}, {"T08:00:00Z", "athens athens berlin"},
			{"T14:00:00Z", "athens athens berlin new_york"}, {"T14:01:00Z", "athens athens berlin new_york new_york"}, {"T14:02:00Z", "athens athens berlin new_york new_york new_york"},
		} {
			w.at(day + step.at)
			w.turn()
			if got := w.got(c); got != step.got {
				t.Errorf("%s: %q, want %q", step.at, got, step.got)
			}
		}
		w.at(day + "T14:03:00Z")
		if got := w.read(c); got.State != campaign.Sent || got.Accepted != 6 {
			t.Errorf("at the end %+v", got)
		}
	}
}

// vanishing is an entrance that takes some mail and is gone before it can say so.
type vanishing struct {
	*ingest.Service
	dead bool
}

func (d *vanishing) AcceptAll(ctx context.Context, who ingest.Principal, subs []ingest.Submission) []ingest.Result {
	if !d.dead {
		return d.Service.AcceptAll(ctx, who, subs)
	}
	d.Service.AcceptAll(ctx, who, subs[:len(subs)/2])
	list := make([]ingest.Result, len(subs))
	for i := range list {
		list[i].Err = errors.New("gone")
	}
	return list
}

// A process that dies in the midst of a wave leaves nobody out and sends nobody two, whether
// the next one begins at once or when another wave is due.
func TestWavesSurviveTheirProcess(t *testing.T) {
	for _, back := range []string{"2026-11-24T07:10:00Z", "2026-11-24T09:10:00Z"} {
		w := abroad(t, "Europe/Athens", "Europe/London", "Europe/Athens", "Europe/Berlin", "Europe/Athens", "Europe/Athens")
		entrance := &vanishing{Service: w.entrance}
		w.config.Acceptor = entrance
		w.service = campaign.New(w.config)
		c := w.sendLocal(w.draft(), "2026-11-24T09:00")
		entrance.dead = true
		w.pass(time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC).Sub(w.Now()))
		if err := w.service.Turn(t.Context(), w.Now()); err == nil {
			t.Error("nothing was wrong")
		}
		if got := w.read(c); got.Accepted != 0 || got.Total != 4 {
			t.Fatalf("when it died: %+v", got)
		}
		entrance.dead = false
		w.service = campaign.New(w.config) // another process
		for _, at := range []string{back, "2026-11-24T09:20:00Z", "2026-11-24T09:30:00Z"} {
			w.at(at)
		}
		if got := w.read(c); got.State != campaign.Sent || got.Accepted != 6 || got.Total != 6 || w.counted(c) != 6 || len(w.mails(c)) != 6 {
			t.Errorf("back at %s: %+v, %d mails", back, got, w.counted(c))
		}
	}
}

// The report says which zones are done, and when the others are due.
func TestReportsTellOfWaves(t *testing.T) {
	w := abroad(t, "Europe/Athens", "Europe/Athens", "", "Europe/London")
	w.must(suppress(w, w.people[1]))
	c := w.sendLocal(w.draft(func(c *campaign.Campaign) { c.PerHour = 60 }), "2026-11-24T09:00")
	w.at("2026-11-24T07:00:00Z")
	w.at("2026-11-24T07:01:00Z")
	tell := func() (text string, end string) {
		r, err := w.service.Report(t.Context(), w.who.Tenant, c.ID)
		w.must(err)
		for _, v := range r.Waves {
			text += fmt.Sprintf("%s@%s %d/%d/%d/%d left %d; ", v.Zone, v.At.UTC().Format("15:04"), v.Members, v.Accepted, v.Excluded, v.Waiting, v.Left())
		}
		f, err := w.service.Forecast(t.Context(), w.read(c), r)
		w.must(err)
		if !f.End.IsZero() {
			end = f.End.UTC().Format("15:04")
		}
		return text, end
	}
	if text, end := tell(); text != "Europe/Athens@07:00 2/1/1/0 left 0; @08:00 1/0/0/0 left 1; Europe/London@09:00 1/0/0/0 left 1; " || end != "09:01" {
		t.Errorf("%s until %q", text, end)
	}
	w.at("2026-11-24T08:00:00Z")
	w.at("2026-11-24T09:00:00Z")
	w.at("2026-11-24T09:01:00Z")
	if text, end := tell(); text != "Europe/Athens@07:00 0/1/1/0 left 0; @08:00 0/1/0/0 left 0; Europe/London@09:00 0/1/0/0 left 0; " || end != "" {
		t.Errorf("at the end %s until %q", text, end)
	}
}

// What cannot be sent at local times is refused, at its field.
func TestLocalTimesAreHeldToTheRules(t *testing.T) {
	w := abroad(t, "Europe/Athens")
	tried := w.draft(func(c *campaign.Campaign) {
		c.Trial, c.Letter.Other = campaign.Trial{Share: 10, Hours: 4}, campaign.Other{Subject: "B"}
	})
	for name, v := range map[string]struct {
		c         campaign.Campaign
		at        string
		code, fld string
	}{
		"an instant":   {w.draft(), "2026-11-24T09:00:00Z", campaign.CodeValue, "at"},
		"no time":      {w.draft(), "2026-11-24", campaign.CodeValue, "at"},
		"no such day":  {w.draft(), "2026-02-30T09:00", campaign.CodeValue, "at"},
		"over":         {w.draft(), "2026-11-21T20:00", campaign.CodeValue, "at"},
		"too far":      {w.draft(), "2027-11-25T09:00", campaign.CodeValue, "at"},
		"with a trial": {tried, "2026-11-24T09:00", campaign.CodeZoneTrial, "zone"},
	} {
		_, err := w.service.SendLocal(t.Context(), w.who, v.c.ID, v.at)
		if f := fault.As(err); f == nil || f.Code != v.code || f.Field != v.fld {
			t.Errorf("%s: %v", name, err)
		}
		if got := w.read(v.c); got.State != campaign.Draft {
			t.Errorf("%s: %s", name, got.State)
		}
	}
}
