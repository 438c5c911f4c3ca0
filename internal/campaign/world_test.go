package campaign_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/store"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

var start = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

// world is campaigns over a real store and a real entrance. Which groups are approved is
// said by the test.
type world struct {
	testing.TB
	store    *store.Store
	spool    *spool.Spool
	entrance *ingest.Service
	service  *campaign.Service
	config   campaign.Config
	who      ingest.Principal
	group    audience.Group
	people   []audience.Contact
	refused  map[audience.GroupID]bool

	mu  sync.Mutex
	now time.Time
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// OfGroups implements audience.Approvals.
func (w *world) OfGroups(_ context.Context, _ tenant.ID, groups []audience.GroupID) (map[audience.GroupID]audience.Approval, error) {
	list := map[audience.GroupID]audience.Approval{}
	for _, g := range groups {
		if !w.refused[g] {
			list[g] = audience.Approval{State: audience.ApprovalGiven}
		}
	}
	return list, nil
}

const owner = "portal.example"

func leave(_ tenant.ID, d message.DeliveryID) string {
	return "https://post.example/abmelden/" + d.String()
}

func newWorld(t testing.TB, members int) *world {
	t.Helper()
	w := &world{TB: t, now: start, refused: map[audience.GroupID]bool{}}
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	w.must(err)
	w.store, err = store.Open(t.Context(), store.Config{DataDir: t.TempDir(), Now: w.Now, HashKey: hashKey()})
	w.must(err)
	t.Cleanup(func() { w.must(w.store.Close()) })
	to := tenant.Tenant{ID: id.New[tenant.Kind](start), Name: "Portal", State: tenant.Active, Locale: "de", OfficeTone: tenant.Sie, CreatedAt: start}
	w.who = ingest.Principal{Tenant: to.ID, Actor: "usr_1", Door: "office"}
	w.must(w.store.Found(t.Context(), tenant.Founding{Tenant: to, Domains: []tenant.Domain{
		{ID: id.New[tenant.DomainKind](start), Tenant: to.ID, Name: owner, State: tenant.Trusted, CreatedAt: start},
	}}))
	decider := tracking.NewDecider(tracking.DeciderConfig{Store: w.store, Now: w.Now})
	tokens, err := tracking.NewTokens(bytes.Repeat([]byte{3}, 32))
	w.must(err)
	weaver := tracking.NewWeaver(tracking.WeaverConfig{Decider: decider, Tokens: tokens, PublicURL: "https://post.example"})
	merger := campaign.NewMerger(campaign.MergerConfig{Campaign: w.store.Campaign, Leave: leave, Weaver: weaver})
	w.spool = spool.New(w.store.Archive(), keeper).Merging(merger)
	w.entrance = ingest.New(ingest.Config{Store: w.store, Tenants: w.store, Keeper: keeper, Now: w.Now, Weaver: weaver, Merger: merger})
	w.config = campaign.Config{Store: w.store, Acceptor: w.entrance, Approvals: w, MayLeave: true, Now: w.Now}
	w.service = campaign.New(w.config)
	w.group = w.newGroup("Kunden")
	var list []audience.ContactID
	for i := range members {
		c := w.contact(fmt.Sprintf("p%d@kunde.example", i), "Eva", fmt.Sprintf("Sommer %d", i))
		list = append(list, c.ID)
	}
	w.join(w.group, list...)
	return w
}

func (w *world) newGroup(name string) audience.Group {
	w.Helper()
	g, err := audience.NewGroups(w.store, w.store, w.Now).Create(w.Context(), w.who.Tenant, audience.Group{Name: name, Kind: audience.Static}, "usr_1")
	w.must(err)
	return g
}

func (w *world) contact(address, given, family string) audience.Contact {
	w.Helper()
	w.pass(time.Millisecond)
	a, err := message.ParseAddress(address)
	w.must(err)
	c, err := audience.NewContacts(w.store, w.Now).Create(w.Context(), w.who.Tenant, audience.Contact{GivenName: given, FamilyName: family,
		Addresses: []message.Address{a}}, audience.OriginOffice, "usr_1")
	w.must(err)
	w.people = append(w.people, c)
	return c
}

func (w *world) join(g audience.Group, list ...audience.ContactID) {
	w.Helper()
	_, err := audience.NewGroups(w.store, w.store, w.Now).Add(w.Context(), w.who.Tenant, g.ID, list, audience.OriginOffice, "usr_1")
	w.must(err)
}

func letter() campaign.Letter {
	return campaign.Letter{From: "Portal <news@" + owner + ">", ReplyTo: "antwort@" + owner, Subject: "Neues für {{given_name}}",
		HTML: `<p>Guten Tag {{name}}, <a href="https://portal.example/neu">mehr</a></p><a href="{{unsubscribe_url}}">Abmelden</a>`}
}

// draft keeps a campaign to the world's group; change alters it first.
func (w *world) draft(change ...func(*campaign.Campaign)) campaign.Campaign {
	w.Helper()
	w.pass(time.Millisecond)
	c := campaign.Campaign{Name: "Mai", Groups: []audience.GroupID{w.group.ID}, Letter: letter()}
	for _, f := range change {
		f(&c)
	}
	c, err := w.service.Create(w.Context(), w.who, c)
	w.must(err)
	return c
}

func (w *world) send(c campaign.Campaign) {
	w.Helper()
	_, err := w.service.Send(w.Context(), w.who, c.ID, time.Time{})
	w.must(err)
}

func (w *world) turn() {
	w.Helper()
	w.must(w.service.Turn(w.Context(), w.Now()))
}

func (w *world) read(c campaign.Campaign) campaign.Campaign {
	w.Helper()
	found, err := w.service.Campaign(w.Context(), w.who.Tenant, c.ID)
	w.must(err)
	return found
}

// lines are address, state and reason of all recipients.
func (w *world) lines(c campaign.Campaign) string {
	w.Helper()
	list, _, err := w.service.Lines(w.Context(), w.who.Tenant, c.ID, campaign.LineFilter{Limit: 500})
	w.must(err)
	var text []string
	for _, l := range list {
		text = append(text, strings.TrimSpace(l.Address.Local+" "+l.Told()+" "+l.Why()))
	}
	return strings.Join(text, ", ")
}

// mails are the bodies of all mail of a campaign by recipient.
func (w *world) mails(c campaign.Campaign) map[string]string {
	w.Helper()
	mails := map[string]string{}
	list, _, err := w.service.Lines(w.Context(), w.who.Tenant, c.ID, campaign.LineFilter{Limit: 500})
	w.must(err)
	for _, l := range list {
		if l.State != campaign.Accepted {
			continue
		}
		m, err := w.store.Message(w.Context(), w.who.Tenant, message.Of(l.Delivery))
		w.must(err)
		body, err := w.spool.Body(w.Context(), m.Body)
		if errors.Is(err, spool.ErrUnmergeable) {
			body = nil
		} else {
			w.must(err)
		}
		mails[l.Address.Local] = string(body)
	}
	return mails
}

// counted is how many messages of the campaign there are at all.
func (w *world) counted(c campaign.Campaign) int {
	w.Helper()
	e, err := w.store.StartEpoch(w.Context(), "n", w.Now(), w.Now().Add(time.Hour))
	w.must(err)
	list, err := w.store.Claim(w.Context(), queue.Claim{Epoch: e, Tenant: w.who.Tenant, Now: w.Now(), Limit: 10_000})
	w.must(err)
	n := 0
	for _, v := range list {
		if len(v.Tags) > 0 && v.Tags[0] == campaign.Tag(c.ID) {
			n++
		}
	}
	return n
}

// suppress makes that a contact wants no newsletters.
func suppress(w *world, c audience.Contact) error {
	list, err := audience.New(audience.Config{Store: w.store, Key: hashKey(), Now: w.Now})
	if err != nil {
		return err
	}
	_, err = list.Suppress(w.Context(), w.who.Tenant, audience.Wish{Address: c.Main(), Stream: tenant.Newsletter, Reason: audience.Unsubscribed}, "recipient")
	return err
}

// hashKey is that of suppressions.
func hashKey() []byte { return bytes.Repeat([]byte{1}, 32) }

func firstMessage(w *world, c campaign.Campaign) message.ID {
	w.Helper()
	list, _, err := w.service.Lines(w.Context(), w.who.Tenant, c.ID, campaign.LineFilter{Limit: 1})
	w.must(err)
	if len(list) == 0 {
		w.Fatal("nobody")
	}
	return message.Of(list[0].Delivery)
}

// track lets mail tell of single persons.
func (w *world) track() {
	w.Helper()
	decider := tracking.NewDecider(tracking.DeciderConfig{Store: w.store, Now: w.Now})
	w.must(decider.Set(w.Context(), tracking.Setting{Tenant: w.who.Tenant, Level: tracking.Individual, Basis: tracking.BasisLegitimate, Justification: "x", By: "usr_1", At: start}))
	w.pass(time.Minute)
}
