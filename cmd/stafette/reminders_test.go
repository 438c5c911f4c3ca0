package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/changeover"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/notice"
	"stafette/internal/redelivery"
	"stafette/internal/tenant"
)

// reminded is an account and staff with what was written to them.
type reminded struct {
	account tenant.Tenant
	users   map[tenant.ID][]tenant.User
	plans   []changeover.Changeover
	off     bool
	letters []notice.Letter
}

func (r *reminded) Tenant(context.Context, tenant.ID) (tenant.Tenant, error) { return r.account, nil }
func (r *reminded) Users(_ context.Context, t tenant.ID) ([]tenant.User, error) {
	return r.users[t], nil
}
func (r *reminded) Changeovers(context.Context, tenant.ID) ([]changeover.Changeover, error) {
	return r.plans, nil
}
func (r *reminded) On() bool { return !r.off }
func (r *reminded) Send(_ context.Context, l notice.Letter) error {
	r.letters = append(r.letters, l)
	return nil
}

// readers are to whom letters went, in order.
func (r *reminded) readers() (list []string) {
	for _, l := range r.letters {
		list = append(list, l.To.String())
	}
	return list
}

var reminderTime = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func somebody(email string, role tenant.Role, change func(*tenant.User)) tenant.User {
	u := tenant.User{ID: id.New[tenant.UserKind](reminderTime), Email: email, Role: role}
	if change != nil {
		change(&u)
	}
	return u
}

// A redelivery that waits is told to everybody who may confirm it, but not to who started
// it, be it by a key.
func TestSecondPersonIsAsked(t *testing.T) {
	first := somebody("erste@muster.example", tenant.Owner, nil)
	account := tenant.Tenant{ID: id.New[tenant.Kind](reminderTime), Name: "Muster GmbH", Locale: "de", OfficeTone: tenant.Du}
	world := &reminded{account: account, users: map[tenant.ID][]tenant.User{account.ID: {
		first, somebody("zweite@muster.example", tenant.Owner, func(u *tenant.User) { u.Locale = "en" }),
		somebody("gegangen@muster.example", tenant.Owner, func(u *tenant.User) { u.DisabledAt = reminderTime }),
		somebody("liest@muster.example", tenant.Support, nil), somebody("konto@platform.invalid", tenant.Owner, nil), somebody("keine", tenant.Owner, nil),
	}}}
	r := reminder{world, world, func(_ context.Context, _ tenant.ID, actor string) (string, error) {
		if strings.HasPrefix(actor, "key_") {
			return first.ID.String(), nil
		}
		return actor, nil
	}, slog.New(slog.DiscardHandler)}
	job := redelivery.Job{ID: id.New[redelivery.Kind](reminderTime), Tenant: account.ID, Total: 612, Skipped: 12}
	for _, job.Actor = range []string{first.ID.String(), "key_01"} {
		world.letters = nil
		r.askSecondPerson(t.Context(), job)
		want := []string{"zweite@muster.example"}
		if tenant.Can(tenant.Support, tenant.MessagesSend) {
			want = append(want, "liest@muster.example")
		}
		if got := world.readers(); !slices.Equal(got, want) {
			t.Fatalf("started by %s: told %v, want %v", job.Actor, got, want)
		}
	}
	l := world.letters[0]
	if l.Kind != "redelivery_awaiting" || l.Link != "/redeliveries/"+job.ID.String() || l.Args["n"] != "600" || l.Args["account"] != account.Name ||
		l.Lang != i18n.English || l.Formal || l.Tenant != account.ID || !strings.Contains(l.Key, job.ID.String()) {
		t.Errorf("letter %+v", l)
	}
	world.letters, world.off = nil, true
	if r.askSecondPerson(t.Context(), job); len(world.letters) != 0 {
		t.Errorf("told without a way to: %v", world.readers())
	}
}

// Operators are told of an overlap that lasts longer than planned, once a week: the key
// makes it once.
func TestOperatorsAreRemindedOfOverlaps(t *testing.T) {
	plan := func(stage changeover.Stage, until time.Time) changeover.Changeover {
		return changeover.Changeover{ID: id.New[changeover.Kind](reminderTime), Name: "Neue Server", Stage: stage, OverlapUntil: until}
	}
	late := plan(changeover.Overlap, reminderTime.Add(-time.Hour))
	world := &reminded{
		users: map[tenant.ID][]tenant.User{{}: {somebody("betrieb@stafette.example", tenant.Operator, nil), somebody("service@stafette.example", tenant.Support, nil)}},
		plans: []changeover.Changeover{late, plan(changeover.Overlap, reminderTime.Add(time.Hour)), plan(changeover.Done, reminderTime.Add(-time.Hour))},
	}
	r := reminder{store: world, notices: world}
	for _, pass := range []time.Duration{0, 6 * 24 * time.Hour, 8 * 24 * time.Hour} {
		world.plans[1].OverlapUntil = reminderTime.Add(pass + time.Hour) // it is never late
		if err := r.remindOperators(t.Context(), reminderTime.Add(pass)); err != nil {
			t.Fatal(err)
		}
	}
	if len(world.letters) != 3 || world.letters[0].Key != world.letters[1].Key || world.letters[1].Key == world.letters[2].Key {
		t.Fatalf("letters %+v", world.letters)
	}
	l := world.letters[0]
	if l.To.String() != "betrieb@stafette.example" || l.Kind != "changeover_overdue" || l.Link != changeover.Path+late.ID.String() || l.Args["name"] != late.Name || l.Args["until"] != "22.11.2026" {
		t.Errorf("letter %+v", l)
	}
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"redelivery_awaiting", "changeover_overdue"} {
		for _, part := range []string{".subject", ".body", ".button"} {
			if !catalog.Has("notice." + kind + part) {
				t.Errorf("no text notice.%s%s", kind, part)
			}
		}
	}
}

// commented keeps what was said about a mailing.
type commented struct {
	campaign.Store
	list []campaign.Comment
}

func (c commented) CampaignComments(context.Context, tenant.ID, campaign.ID) ([]campaign.Comment, error) {
	return c.list, nil
}

// Whom a comment concerns gets one letter, who is asked one that says so, its author none.
func TestCommentsAreTold(t *testing.T) {
	maker, asked, other := somebody("macht@muster.example", tenant.Owner, func(u *tenant.User) { u.Name = "Mia" }), somebody("gefragt@muster.example", tenant.Office, nil), somebody("sonst@muster.example", tenant.Office, nil)
	account := tenant.Tenant{ID: id.New[tenant.Kind](reminderTime), Name: "Muster GmbH", Locale: "de"}
	world := &reminded{account: account, users: map[tenant.ID][]tenant.User{account.ID: {maker, asked, other}}}
	r := reminder{store: world, notices: world}
	c := campaign.Campaign{ID: id.New[campaign.Kind](reminderTime), Tenant: account.ID, Name: "Mai", Actor: maker.ID.String()}
	for name, one := range map[string]struct {
		v    campaign.Comment
		want map[string]string // who gets which kind
		from string
	}{
		"asked":           {campaign.Comment{Author: maker.ID.String(), Asked: asked.ID.String()}, map[string]string{"gefragt@muster.example": "campaign_asked"}, "Mia"},
		"behind the link": {campaign.Comment{Author: "Kunz", Review: id.New[campaign.ReviewKind](reminderTime)}, map[string]string{"macht@muster.example": "campaign_comment"}, "Kunz"},
		"by a key":        {campaign.Comment{Author: "key_1"}, map[string]string{"macht@muster.example": "campaign_comment"}, "Muster GmbH"},
	} {
		world.letters = nil
		one.v.ID, one.v.Text = id.New[campaign.CommentKind](reminderTime), "Preis?"
		if err := r.aboutComment(t.Context(), commented{}, c, one.v); err != nil {
			t.Fatal(name, err)
		}
		have := map[string]string{}
		for _, l := range world.letters {
			have[l.To.String()] = l.Kind
			if l.Link != "/campaigns/"+c.ID.String()+"#"+one.v.ID.String() || l.Args["name"] != one.from || l.Args["campaign"] != "Mai" || l.Args["text"] != "Preis?" {
				t.Errorf("%s: %+v", name, l)
			}
		}
		if !maps.Equal(have, one.want) {
			t.Errorf("%s: told %v, want %v", name, have, one.want)
		}
	}
}
