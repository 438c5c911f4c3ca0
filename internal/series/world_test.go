package series_test

import (
	"bytes"
	"context"
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
	"stafette/internal/series"
	"stafette/internal/spool"
	"stafette/internal/store"
	"stafette/internal/tenant"
)

// start is a Monday.
var start = time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)

const owner = "portal.example"

// world is series over a real store and a real entrance. Which groups are approved is said by
// the test.
type world struct {
	testing.TB
	store    *store.Store
	spool    *spool.Spool
	entrance *ingest.Service
	letters  *campaign.Service
	contacts *audience.Contacts
	groups   *audience.Groups
	config   series.Config
	service  *series.Service
	who      ingest.Principal
	group    audience.Group
	refused  map[audience.GroupID]bool

	seen map[string]int

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

func hashKey() []byte { return bytes.Repeat([]byte{1}, 32) }

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, now: start, refused: map[audience.GroupID]bool{}}
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	w.must(err)
	w.store, err = store.Open(t.Context(), store.Config{DataDir: t.TempDir(), Now: w.Now, HashKey: hashKey()})
	w.must(err)
	t.Cleanup(func() { w.must(w.store.Close()) })
	to := tenant.Tenant{ID: id.New[tenant.Kind](start), Name: "Portal", State: tenant.Active, Locale: "de", OfficeTone: tenant.Sie, TimeZone: "Europe/Berlin", CreatedAt: start}
	w.who = ingest.Principal{Tenant: to.ID, Actor: "usr_1", Door: "office"}
	w.must(w.store.Found(t.Context(), tenant.Founding{Tenant: to, Domains: []tenant.Domain{
		{ID: id.New[tenant.DomainKind](start), Tenant: to.ID, Name: owner, State: tenant.Trusted, CreatedAt: start},
	}}))
	merger := campaign.NewMerger(campaign.MergerConfig{Campaign: series.Forms(w.store, w.store.Campaign), Leave: func(_ tenant.ID, d message.DeliveryID) string {
		return "https://post.example/abmelden/" + d.String()
	}})
	w.spool = spool.New(w.store.Archive(), keeper).Merging(merger)
	w.entrance = ingest.New(ingest.Config{Store: w.store, Tenants: w.store, Keeper: keeper, Now: w.Now, Merger: merger})
	w.letters = campaign.New(campaign.Config{Store: w.store, Acceptor: w.entrance, Approvals: w, MayLeave: true, Now: w.Now})
	w.contacts, w.groups = audience.NewContacts(w.store, w.Now), audience.NewGroups(w.store, w.store, w.Now)
	w.config = series.Config{Store: w.store, Letters: w.letters, Contacts: w.contacts, Acceptor: w.entrance, Now: w.Now}
	w.service = series.New(w.config)
	w.group, err = w.groups.Create(t.Context(), w.who.Tenant, audience.Group{Name: "Kunden", Kind: audience.Static}, "usr_1")
	w.must(err)
	w.must(w.contacts.SetField(t.Context(), w.who.Tenant, audience.Field{Key: "birthday", Type: audience.DateField}))
	return w
}

// contact makes one, a member of the world's group.
func (w *world) contact(local string, change ...func(*audience.Contact)) audience.Contact {
	w.Helper()
	w.pass(time.Millisecond)
	c := audience.Contact{GivenName: "Eva", FamilyName: local, Addresses: []message.Address{{Local: local, Domain: "kunde.example"}}}
	for _, f := range change {
		f(&c)
	}
	c, err := w.contacts.Create(w.Context(), w.who.Tenant, c, audience.OriginOffice, "usr_1")
	w.must(err)
	w.join(audience.OriginOffice, c)
	return c
}

func (w *world) join(o audience.Origin, list ...audience.Contact) {
	w.Helper()
	ids := make([]audience.ContactID, len(list))
	for i, c := range list {
		ids[i] = c.ID
	}
	_, err := w.groups.Add(w.Context(), w.who.Tenant, w.group.ID, ids, o, "usr_1")
	w.must(err)
}

func (w *world) tag(c audience.Contact, tags ...string) {
	w.Helper()
	c, err := w.contacts.Contact(w.Context(), w.who.Tenant, c.ID)
	w.must(err)
	c.Tags = append(c.Tags, tags...)
	_, err = w.contacts.Change(w.Context(), w.who.Tenant, c, "usr_1")
	w.must(err)
}

func letter(subject string) *campaign.Letter {
	return &campaign.Letter{From: "Portal <news@" + owner + ">", Subject: subject,
		HTML: `<p>Guten Tag {{name}}</p><a href="{{unsubscribe_url}}">Abmelden</a>`}
}

// send is a step that sends.
func send(key string) series.Step {
	return series.Step{Key: key, Do: series.Send, Letter: letter(key)}
}

func wait(key string, d time.Duration) series.Step {
	return series.Step{Key: key, Do: series.Wait, Minutes: int64(d / time.Minute)}
}

// begin keeps an active series with the trigger tag "neu" unless change says otherwise.
func (w *world) begin(change func(*series.Series), steps ...series.Step) series.Series {
	w.Helper()
	w.pass(time.Millisecond)
	v := series.Series{Name: "Willkommen", Group: w.group.ID, Definition: series.Definition{Trigger: series.Trigger{On: series.Tagged, Tag: "neu"}, Steps: steps}}
	if change != nil {
		change(&v)
	}
	v, err := w.service.Create(w.Context(), w.who, v)
	w.must(err)
	v, err = w.service.Activate(w.Context(), w.who, v.ID)
	w.must(err)
	return v
}

func (w *world) turn() {
	w.Helper()
	w.must(w.service.Turn(w.Context(), w.Now()))
}

// runs are who stands where, and who is through, by family name.
func (w *world) runs(v series.Series) string {
	w.Helper()
	list, _, err := w.service.Runs(w.Context(), w.who.Tenant, v.ID, series.RunFilter{Limit: 100})
	w.must(err)
	var text []string
	for _, l := range list {
		at := "at " + l.Step
		if l.Over() {
			at = l.Reason
		}
		text = append(text, l.Address.Local+" "+at)
	}
	return strings.Join(text, ", ")
}

// mails are the subjects and recipients of all mail that was accepted, counted.
func (w *world) mails() map[string]int {
	w.Helper()
	e, err := w.store.StartEpoch(w.Context(), "n", w.Now(), w.Now().Add(time.Hour))
	w.must(err)
	list, err := w.store.Claim(w.Context(), queue.Claim{Epoch: e, Tenant: w.who.Tenant, Now: w.Now(), Limit: 10_000})
	w.must(err)
	all := map[string]int{}
	for _, d := range list {
		m, err := w.store.Message(w.Context(), w.who.Tenant, message.Of(d.Delivery))
		w.must(err)
		all[m.Subject+" "+d.Recipient.Local]++
	}
	return all
}

// ears is a store that heard of clicks and replies; that they are found among the facts is
// tested with the stores.
type ears struct {
	series.Store
	clicked, replied map[audience.ContactID]bool
}

func (e *ears) Acted(_ context.Context, _ tenant.ID, _ series.ID, step, did string, _ []series.Run) (map[audience.ContactID]bool, error) {
	if step != "hallo" || did != series.Clicked {
		return nil, nil
	}
	return e.clicked, nil
}

func (e *ears) Replied(context.Context, tenant.ID, series.ID, []series.Run) (map[audience.ContactID]bool, error) {
	return e.replied, nil
}

// heard makes that somebody clicked in the mail of the step "hallo", or replied.
func (w *world) heard(clicked audience.Contact, replied map[audience.ContactID]bool) {
	c := w.config
	c.Store = &ears{w.store, map[audience.ContactID]bool{clicked.ID: true}, replied}
	w.service = series.New(c)
}

func (w *world) expect(what, got, want string) {
	w.Helper()
	if got != want {
		w.Errorf("%s: %s, want %s", what, got, want)
	}
}

// sent expects what was accepted since it was asked last.
func (w *world) sent(want string) {
	w.Helper()
	all, fresh := w.mails(), map[string]int{}
	for mail, n := range all {
		if n > w.seen[mail] {
			fresh[mail] = n - w.seen[mail]
		}
	}
	w.seen = all
	w.expect("mail", strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(fresh), "map["), "]"), want)
}
