package blitz_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/blitz"
	"stafette/internal/blitz/blitztest"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/webhook"
	"stafette/internal/webhook/webhooktest"
)

// start is noon in Berlin.
var start = time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)

type world struct {
	*testing.T
	*blitztest.Store
	blitz.Mails
	feed   blitz.Feed
	now    time.Time
	tenant tenant.Tenant
	user   tenant.User
}

// Tenant implements blitz.Tenants.
func (w *world) Tenant(context.Context, tenant.ID) (tenant.Tenant, error) { return w.tenant, nil }

// User implements blitz.Tenants.
func (w *world) User(context.Context, tenant.ID, tenant.UserID) (tenant.User, error) {
	return w.user, nil
}

// ContactOf implements blitz.Contacts: eva alone is known by name.
func (w *world) ContactOf(_ context.Context, t tenant.ID, a message.Address) (audience.Contact, bool, error) {
	return audience.Contact{GivenName: "Eva", FamilyName: "Sommer"}, t == w.tenant.ID && a.Local == "eva", nil
}

// letters seals nothing.
type letters struct{ w *world }

// On implements blitz.Letters.
func (letters) On() bool { return true }

// Wake implements blitz.Letters.
func (letters) Wake() {}

// Seal implements blitz.Letters.
func (l letters) Seal(v notice.Letter) (notice.Due, error) {
	text, err := json.Marshal(v)
	return notice.Due{Tenant: v.Tenant, Key: v.Key, Sealed: text}, err
}

func newWorld(t *testing.T) *world {
	t.Helper()
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, Store: &blitztest.Store{}, now: start, tenant: tenant.Tenant{ID: tenant.ID{1}, Locale: "de"}}
	w.user = tenant.User{ID: id.New[tenant.UserKind](start.Add(-time.Hour)), Tenant: w.tenant.ID, Email: "j.petersen@hafenkontor.example"}
	now := func() time.Time { return w.now }
	w.feed = blitz.Feed{Store: w.Store, Now: now}
	w.Mails = blitz.Mails{Store: w.Store, Activities: w.Store, Tenants: w, Letters: letters{w}, Teller: blitz.Teller{Catalog: catalog}, Contacts: w, Zone: berlin, Now: now}
	return w
}

func (w *world) choose(c blitz.Choice) {
	w.Helper()
	if err := w.feed.Choose(w.Context(), w.tenant.ID, w.user.ID, c); err != nil {
		w.Fatal(err)
	}
}

// did lets something happen now and moves the clock by a moment.
func (w *world) did(k tracking.Kind, change ...func(*tracking.Activity)) tracking.Activity {
	w.now = w.now.Add(time.Second)
	eva := message.Address{Local: "eva", Domain: "gmx.example"}
	a := tracking.Activity{ID: id.New[tracking.ActivityKind](w.now), Tenant: w.tenant.ID, At: w.now, Kind: k, Title: "Speicherblock 7", Label: "4.2",
		Sender: w.user.ID.String(), Identified: true, Recipient: &eva, Machine: tracking.Machine{Class: tracking.Person}}
	for _, f := range change {
		f(&a)
	}
	w.Keep(a)
	return a
}

// wait turns every half minute for the time and returns the letters since.
func (w *world) wait(d time.Duration) (list []notice.Letter) {
	w.Helper()
	before := len(w.Store.Letters())
	for end := w.now.Add(d); w.now.Before(end); w.now = w.now.Add(30 * time.Second) {
		// Two nodes.
		for range 2 {
			if err := w.Turn(w.Context()); err != nil {
				w.Fatal(err)
			}
		}
	}
	for _, d := range w.Store.Letters()[before:] {
		var l notice.Letter
		if err := json.Unmarshal(d.Sealed, &l); err != nil {
			w.Fatal(err)
		}
		list = append(list, l)
	}
	return list
}

func machine(a *tracking.Activity) { a.Machine.Class = tracking.Scanner }

func foreign(a *tracking.Activity) { a.Sender = "usr_somebody" }

func TestBurstIsOneMail(t *testing.T) {
	w := newWorld(t)
	w.choose(blitz.Choice{Mail: blitz.Topics(), QuietFrom: 0, QuietTo: 0})
	for range 20 {
		w.did(tracking.PageVisited)
	}
	w.did(tracking.PageVisited, machine)
	w.did(tracking.PageVisited, foreign)
	w.did(tracking.Opened)
	got := w.wait(30 * time.Minute)
	if len(got) != 1 || got[0].Kind != "blitz_many" || got[0].Args["n"] != "20" || len(got[0].More) != 16 || !strings.Contains(got[0].More[0], "Eva Sommer (eva@gmx.example)") {
		t.Fatalf("%d letters: %+v", len(got), got)
	}
	if got := w.wait(3 * time.Hour); len(got) != 0 {
		t.Errorf("told again: %+v", got)
	}
	w.did(tracking.UnitLiked)
	if got := w.wait(30 * time.Minute); len(got) != 1 || got[0].Kind != "blitz_one" {
		t.Errorf("%+v", got)
	}
}

// Something that goes on and on is told after ten minutes all the same.
func TestLastingBurstIsTold(t *testing.T) {
	w := newWorld(t)
	w.choose(blitz.Choice{Mail: blitz.Topics()})
	told := 0
	for range 30 {
		w.did(tracking.PageVisited)
		told += len(w.wait(time.Minute))
	}
	if told < 2 || told > 5 {
		t.Errorf("%d letters in half an hour", told)
	}
}

func TestTopicsAndQuietHours(t *testing.T) {
	w := newWorld(t)
	w.choose(blitz.Choice{Mail: []blitz.Topic{blitz.Expose}, QuietFrom: 11, QuietTo: 14})
	w.did(tracking.PageVisited)
	w.did(tracking.ExposeDownloaded)
	if got := w.wait(90 * time.Minute); len(got) != 0 {
		t.Errorf("disturbed: %+v", got)
	}
	if got := w.wait(time.Hour); len(got) != 1 || len(got[0].More) != 1 || !strings.Contains(got[0].More[0], "Exposé") {
		t.Errorf("%+v", got)
	}
	night := blitz.Choice{QuietFrom: 22, QuietTo: 7}
	for h, want := range map[int]bool{21: false, 22: true, 3: true, 7: false} {
		if night.Quiet(time.Date(2026, 1, 1, h, 0, 0, 0, time.UTC)) != want {
			t.Errorf("at %d", h)
		}
	}
}

// Quiet hours are those of the person's clock, not of the account's.
func TestQuietHoursOfThePerson(t *testing.T) {
	w := newWorld(t)
	w.choose(blitz.Choice{Mail: blitz.Topics(), QuietFrom: 9, QuietTo: 11, Zone: "Europe/Lisbon"}) // there it is eleven
	w.did(tracking.PageVisited)
	if got := w.wait(20 * time.Minute); len(got) != 1 || !strings.Contains(got[0].More[0], "11:00") {
		t.Errorf("%+v", got)
	}
	w.choose(blitz.Choice{Mail: blitz.Topics(), QuietFrom: 11, QuietTo: 12, Zone: "Europe/Lisbon"})
	w.did(tracking.PageVisited)
	if got := w.wait(20 * time.Minute); len(got) != 0 {
		t.Errorf("disturbed: %+v", got)
	}
	for _, zone := range []string{"Local", "Hamburg"} {
		if err := w.feed.Choose(t.Context(), w.tenant.ID, w.user.ID, blitz.Choice{Zone: zone}); fault.As(err) == nil || fault.As(err).Field != "zone" {
			t.Errorf("%s: %v", zone, err)
		}
	}
}

func TestDaily(t *testing.T) {
	w := newWorld(t)
	w.choose(blitz.Choice{Mail: blitz.Topics(), Daily: true})
	w.did(tracking.PageVisited)
	w.now = w.now.Add(3 * time.Hour)
	w.did(tracking.UnitLiked)
	if got := w.wait(time.Hour); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	w.now = time.Date(2026, 11, 23, 6, 59, 0, 0, time.UTC) // 7:59 in Berlin
	w.wait(30 * time.Second)
	if got := w.wait(2 * time.Hour); len(got) != 1 || len(got[0].More) != 2 {
		t.Errorf("%+v", got)
	}
	w.now = w.now.Add(24 * time.Hour)
	if got := w.wait(time.Hour); len(got) != 0 {
		t.Errorf("a day without anything: %+v", got)
	}
}

// What was done before somebody wanted mail is not told to them.
func TestNothingFromBefore(t *testing.T) {
	w := newWorld(t)
	w.did(tracking.PageVisited)
	w.now = w.now.Add(time.Second)
	w.choose(blitz.Choice{Mail: blitz.Topics()})
	if got := w.wait(time.Hour); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestReading(t *testing.T) {
	w := newWorld(t)
	ctx, owner, u := t.Context(), w.tenant.ID, w.user.ID
	w.Keep(tracking.Activity{ID: id.New[tracking.ActivityKind](start.Add(-24 * time.Hour)), Tenant: owner, Kind: tracking.Opened, Machine: tracking.Machine{Class: tracking.Person}})
	first, second := w.did(tracking.Opened), w.did(tracking.PageVisited)
	w.did(tracking.PageVisited, machine)
	unread := func(want int) {
		t.Helper()
		if n, err := w.feed.Unread(ctx, owner, u); err != nil || n != want {
			t.Errorf("%d unread, %v; want %d", n, err, want)
		}
	}
	unread(2)
	if err := w.feed.ReadOne(ctx, owner, u, second.ID); err != nil {
		t.Fatal(err)
	}
	unread(1)
	p, err := w.feed.Place(ctx, owner, u)
	if err != nil || p.Read(first.ID) || !p.Read(second.ID) {
		t.Errorf("%+v, %v", p, err)
	}
	if err := w.feed.ReadAll(ctx, owner, u, second.ID); err != nil {
		t.Fatal(err)
	}
	unread(0)
	for range 120 {
		w.did(tracking.Opened)
	}
	unread(100)
	if err := w.feed.Choose(ctx, owner, u, blitz.Choice{QuietFrom: 24}); !fault.IsKind(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
}

func TestActivitiesAreRaised(t *testing.T) {
	w := newWorld(t)
	hooks := &webhooktest.Store{}
	w.Store.Tenants = []tenant.ID{w.tenant.ID}
	e := webhook.Endpoint{Tenant: w.tenant.ID, ID: webhook.ID{1}, State: webhook.Active, CreatedAt: start}
	some := webhook.Endpoint{Tenant: w.tenant.ID, ID: webhook.ID{2}, State: webhook.Active, CreatedAt: start, Types: []webhook.Type{"offer.unit_liked"}}
	for _, one := range []webhook.Endpoint{e, some} {
		if err := hooks.AddWebhook(t.Context(), one, 9); err != nil {
			t.Fatal(err)
		}
	}
	h := blitz.Hooks{Store: w.Store, Calls: hooks, Activities: w.Store, Now: func() time.Time { return w.now }}
	turn := func(late bool) {
		t.Helper()
		w.now = w.now.Add(5 * time.Second)
		if err := h.Turn(t.Context(), late); err != nil {
			t.Fatal(err)
		}
	}
	count := func(of webhook.Endpoint) int {
		list, _ := hooks.Calls(t.Context(), of.Tenant, of.ID, webhook.CallFilter{})
		return len(list)
	}
	seen := w.did(tracking.PageVisited)
	w.did(tracking.UnitLiked)
	w.did(tracking.Clicked, machine)
	slow := w.did(tracking.Opened, func(a *tracking.Activity) { a.Tenant = tenant.ID{9} }) // not committed yet
	w.did(tracking.Clicked)
	turn(false)
	turn(true)
	if all, few := count(e), count(some); all != 3 || few != 1 {
		t.Errorf("%d and %d calls", all, few)
	}
	slow.Tenant = w.tenant.ID
	w.Keep(slow)
	turn(false)
	if count(e) != 3 {
		t.Error("found without looking back")
	}
	turn(true)
	if count(e) != 4 {
		t.Error("what came late is lost")
	}
	d := blitz.Describer{Reader: w.Store}
	v, err := d.Describe(t.Context(), webhook.Call{Tenant: w.tenant.ID, ID: webhook.CallOf(seen.ID)})
	if text := fmt.Sprintf("%+v", v); err != nil || !strings.Contains(text, "Speicherblock 7") {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := d.Describe(t.Context(), webhook.Call{Tenant: tenant.ID{7}, ID: webhook.CallOf(seen.ID)}); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("%v", err)
	}
}

// Every kind has its words, in both languages, and every type of call its name.
func TestWords(t *testing.T) {
	w := newWorld(t)
	for _, k := range tracking.Kinds() {
		if !w.Teller.Catalog.Has("webhooks.type." + string(blitz.TypeOf(k))) {
			t.Errorf("%s has no name", blitz.TypeOf(k))
		}
		for _, lang := range i18n.Langs() {
			for name, f := range map[string]func(*tracking.Activity){
				"known": func(*tracking.Activity) {}, "someone": func(a *tracking.Activity) { a.Identified, a.Recipient = false, nil }, "machine": machine,
			} {
				a := w.did(k, f)
				text := w.Teller.Sentence(lang, i18n.Sie, a)
				if strings.Contains(text, "blitz.ev") || strings.Contains(text, "{") || strings.Contains(text, "eva@") != (name == "known") {
					t.Errorf("%s %s: %s", k, name, text)
				}
			}
		}
	}
}
