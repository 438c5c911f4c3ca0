package campaign_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// clicking is a store in which people followed links of version B.
type clicking struct {
	campaign.Store
	clicked int64
}

func (s clicking) TrialCounts(ctx context.Context, t tenant.ID, c campaign.ID) (a, b campaign.TrialCount, err error) {
	a, b, err = s.Store.TrialCounts(ctx, t, c)
	b.Clicked = s.clicked
	return a, b, err
}

func withTrial(c *campaign.Campaign) {
	c.Trial = campaign.Trial{Share: 50, Hours: 2}
	c.Letter.Other = campaign.Other{Subject: "Anders für {{given_name}}"}
}

func TestTrialSendsTheRestWhatMorePeopleFollow(t *testing.T) {
	for name, c := range map[string]struct {
		clicked int64
		winner  campaign.Version
		clear   bool
	}{"clear": {12, campaign.VersionB, true}, "too few": {3, campaign.VersionA, false}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 60)
			config := w.config
			config.Store = clicking{w.store, c.clicked}
			w.service = campaign.New(config)
			m := w.draft(withTrial)
			w.send(m)
			w.turn()
			m = w.read(m)
			took := m.Total
			if m.State != campaign.Sending || m.Reason != campaign.ReasonTrial || took < 15 || took > 45 || m.Accepted != took {
				t.Fatalf("while the trial runs: %+v", m)
			}
			// A pause does not begin the time anew.
			w.pass(90 * time.Minute)
			_, err := w.service.Pause(t.Context(), w.who, m.ID)
			w.must(err)
			_, err = w.service.Resume(t.Context(), w.who, m.ID)
			w.must(err)
			w.pass(3 * time.Second)
			for range 3 {
				w.turn()
			}
			if v := w.read(m); v.Total != took || v.State != campaign.Sending {
				t.Fatalf("after a pause: %+v", v)
			}
			w.pass(30 * time.Minute)
			for range 3 {
				w.turn()
			}
			m = w.read(m)
			if m.State != campaign.Sent || m.Total != 60 || m.Accepted != 60 || m.Trial.Winner != c.winner || m.Trial.Clear != c.clear {
				t.Fatalf("at the end: %+v", m)
			}
			if m.Trial.A.Accepted+m.Trial.B.Accepted != took || m.Trial.B.Clicked != c.clicked {
				t.Errorf("decided on %+v of %d", m.Trial, took)
			}
			others := int64(0)
			for _, body := range w.mails(m) {
				if strings.Contains(body, "Subject: Anders") || strings.Contains(body, "Anders_f") {
					others++
				}
			}
			want := m.Trial.B.Accepted
			if c.winner == campaign.VersionB {
				want += 60 - took
			}
			if others != want {
				t.Errorf("%d mails of version B, want %d", others, want)
			}
		})
	}
}

func TestTrialsAreChecked(t *testing.T) {
	w := newWorld(t, 1)
	for name, c := range map[string]struct {
		change func(*campaign.Campaign)
		field  string
	}{
		"share":     {func(c *campaign.Campaign) { c.Trial.Share = 60 }, "trial/share"},
		"hours":     {func(c *campaign.Campaign) { c.Trial.Hours = 0 }, "trial/hours"},
		"the same":  {func(c *campaign.Campaign) { c.Letter.Other = campaign.Other{} }, "trial/subject"},
		"two lines": {func(c *campaign.Campaign) { c.Letter.Other.Subject = "a\r\nBcc: x@y.example" }, "trial/subject"},
	} {
		t.Run(name, func(t *testing.T) {
			m := campaign.Campaign{Name: "Mai", Letter: letter()}
			withTrial(&m)
			c.change(&m)
			_, err := w.service.Create(t.Context(), w.who, m)
			if f := fault.As(err); f == nil || f.Field != c.field {
				t.Errorf("refused with %v, want field %q", err, c.field)
			}
		})
	}
	// Version B must hold what sending asks for, too.
	m := w.draft(withTrial, func(c *campaign.Campaign) { c.Letter.Other.HTML = "<p>{{given_nam}}</p>" })
	_, err := w.service.Send(t.Context(), w.who, m.ID, time.Time{})
	if f := fault.As(err); f == nil || f.Field != "trial/html" {
		t.Errorf("sent with %v", err)
	}
}
