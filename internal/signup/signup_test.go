package signup_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/audience/consent"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/signup"
	"stafette/internal/signup/signuptest"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
)

// world is the forms of one tenant, with stores in memory and a post that keeps what is
// handed to it.
type world struct {
	*testing.T
	service  *signup.Service
	store    *signuptest.Store
	list     *audience.Service
	contacts *audience.Contacts
	groups   *audience.Groups
	group    audience.Group
	owner    tenant.ID
	tenants  *tenanttest.Store
	mails    []ingest.Submission
	refuse   error
	now      time.Time
}

// Accept implements ingest.Acceptor.
func (w *world) Accept(_ context.Context, p ingest.Principal, s ingest.Submission) (ingest.Receipt, error) {
	if w.refuse != nil {
		return ingest.Receipt{}, w.refuse
	}
	if p.Tenant != w.owner || s.Stream != tenant.Transactional {
		w.Errorf("sent as %v on %s", p, s.Stream)
	}
	w.mails = append(w.mails, s)
	return ingest.Receipt{ID: message.NewID(w.now)}, nil
}

// AcceptAll implements ingest.Acceptor.
func (w *world) AcceptAll(context.Context, ingest.Principal, []ingest.Submission) []ingest.Result {
	return nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), tenants: &tenanttest.Store{}}
	w.owner = id.New[tenant.Kind](w.now)
	if err := w.tenants.Found(t.Context(), tenant.Founding{Tenant: tenant.Tenant{ID: w.owner, Name: "Hafen & Kontor", State: tenant.Active}}); err != nil {
		t.Fatal(err)
	}
	w.tenants.SetProfile(w.owner, tenant.Profile{Imprint: "Hafen & Kontor GmbH\nKaistraße 1, 20457 Hamburg"})
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return w.now }
	if w.list, err = audience.New(audience.Config{Store: &audiencetest.Store{}, Key: []byte(audiencetest.Key), Now: now}); err != nil {
		t.Fatal(err)
	}
	people := &audiencetest.Contacts{}
	w.contacts, w.groups = audience.NewContacts(people, now), audience.NewGroups(&audiencetest.Groups{People: people}, people, now)
	if w.group, err = w.groups.Create(t.Context(), w.owner, audience.Group{Name: "Newsletter", Kind: audience.Static}, "usr_1"); err != nil {
		t.Fatal(err)
	}
	w.store = &signuptest.Store{Store: w.tenants}
	w.service = signup.New(signup.Config{
		Store: w.store, Audience: w.list, Contacts: w.contacts, Groups: w.groups, Acceptor: w, ParseMailbox: message.ParseMailbox,
		Usable: func(_ context.Context, _ tenant.ID, domain string) (bool, error) {
			return domain == "hafenkontor.example", nil
		},
		Keeper: keeper, Catalog: catalog, PublicURL: "https://post.example", Now: now,
	})
	return w
}

func (w *world) draft() signup.Form {
	return signup.Form{Tenant: w.owner, Name: "Fußzeile", Title: "Neubau-Brief", Active: true, Group: w.group.ID, Purpose: tenant.Newsletter,
		From: "Hafen & Kontor <brief@hafenkontor.example>", Fields: map[signup.Field]signup.Need{"family_name": signup.Optional},
		Wording: "Ich möchte den Neubau-Brief erhalten.", Notice: "Verantwortlich: Hafen & Kontor GmbH."}
}

func (w *world) form(change ...func(*signup.Form)) signup.Form {
	w.Helper()
	f := w.draft()
	for _, c := range change {
		c(&f)
	}
	f, err := w.service.Save(w.Context(), f)
	if err != nil {
		w.Fatal(err)
	}
	return f
}

// entry is what a person would enter who took ten seconds.
func (w *world) entry(f signup.Form) signup.Entry {
	e := signup.Entry{Email: "Eva@Kunde.example", Values: map[signup.Field]string{"family_name": "Muster"}, Agreed: true, Token: w.service.NewToken(f),
		URL: "https://www.hafenkontor.example/brief", IP: "192.0.2.77", Agent: "Browser/1.0", Lang: i18n.German}
	w.now = w.now.Add(10 * time.Second)
	return e
}

func (w *world) take(f signup.Form, e signup.Entry) {
	w.Helper()
	if err := w.service.Take(w.Context(), f, e); err != nil {
		w.Fatal(err)
	}
}

var linked = regexp.MustCompile(`https://post\.example/bestaetigen/([A-Za-z0-9_-]+)`)

// link is the token in the last mail.
func (w *world) link() string {
	w.Helper()
	if len(w.mails) == 0 {
		w.Fatal("no mail")
	}
	found := linked.FindStringSubmatch(w.mails[len(w.mails)-1].Draft.Text)
	if found == nil {
		w.Fatalf("no link in %q", w.mails[len(w.mails)-1].Draft.Text)
	}
	return found[1]
}

func (w *world) consents() []consent.Consent {
	w.Helper()
	list, _, err := w.store.Consents(w.Context(), w.owner, consent.Filter{Limit: 100})
	if err != nil {
		w.Fatal(err)
	}
	return list
}

func (w *world) members() int {
	w.Helper()
	page, err := w.groups.Members(w.Context(), w.owner, w.group.ID, audience.MemberFilter{})
	if err != nil {
		w.Fatal(err)
	}
	return len(page.Members)
}

// From the form over the mail to the group, with everything that proves it.
func TestDoubleOptIn(t *testing.T) {
	w := newWorld(t)
	f := w.form()
	w.take(f, w.entry(f))
	if len(w.mails) != 1 || w.members() != 0 {
		t.Fatalf("%d mails, %d members before the confirmation", len(w.mails), w.members())
	}
	d := w.mails[0].Draft
	for _, words := range []string{"Kaistraße 1", "Ich möchte den Neubau-Brief erhalten.", "7 Tagen"} {
		if !strings.Contains(d.Text, words) {
			t.Errorf("the mail lacks %q: %s", words, d.Text)
		}
	}
	asked := w.now
	w.now = w.now.Add(time.Hour)
	if c, err := w.service.Pending(t.Context(), w.link()); err != nil || c.State != consent.Asked || w.members() != 0 {
		t.Fatalf("looking: %v, %v, %d members", c.State, err, w.members())
	}
	for range 2 { // twice is once
		if _, err := w.service.Confirm(t.Context(), w.link(), "198.51.100.9", "Mail/2"); err != nil {
			t.Fatal(err)
		}
	}
	all := w.consents()
	if len(all) != 1 || w.members() != 1 {
		t.Fatalf("%d consents, %d members", len(all), w.members())
	}
	c := all[0]
	if c.State != consent.Given || c.Basis != consent.DoubleOptIn || c.Address.String() != "Eva@kunde.example" || !c.AskedAt.Equal(asked) || !c.ConfirmedAt.Equal(w.now) ||
		c.Wording != f.Wording || c.Notice != f.Notice || c.FormURL != "https://www.hafenkontor.example/brief" || c.IP != "192.0.2.77" || c.Agent != "Browser/1.0" ||
		c.ConfirmedIP != "198.51.100.9" || c.ConfirmedAgent != "Mail/2" || c.Mail.IsZero() || !c.ExpiresAt.IsZero() || c.Person["family_name"] != "Muster" || c.Version() == "" {
		t.Errorf("%+v", c)
	}
	person, ok, err := w.contacts.Of(t.Context(), w.owner, c.Address)
	if err != nil || !ok || person.FamilyName != "Muster" || person.Origin != audience.OriginForm {
		t.Errorf("%+v %v %v", person, ok, err)
	}
}

// What looks like a program sends nothing, and looks like any other entry from outside.
func TestSuspects(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world, *signup.Entry)
		reason string
	}{
		"trap":     {func(_ *world, e *signup.Entry) { e.Trap = "x" }, signup.SuspectTrap},
		"no token": {func(_ *world, e *signup.Entry) { e.Token = "" }, signup.SuspectToken},
		"forged":   {func(_ *world, e *signup.Entry) { e.Token = strings.Repeat("A", 32) }, signup.SuspectToken},
		"old page": {func(w *world, _ *signup.Entry) { w.now = w.now.Add(24 * time.Hour) }, signup.SuspectToken},
		"fast":     {func(w *world, _ *signup.Entry) { w.now = w.now.Add(-9 * time.Second) }, signup.SuspectFast},
		"flood":    {func(_ *world, e *signup.Entry) { e.Flood = true }, signup.SuspectFlood},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			f := w.form()
			e := w.entry(f)
			c.change(w, &e)
			w.take(f, e)
			all := w.consents()
			if len(w.mails) != 0 || len(all) != 1 || all[0].State != consent.Suspect || all[0].Reason != c.reason {
				t.Fatalf("%d mails, %+v", len(w.mails), all)
			}
			if err := w.service.Release(t.Context(), w.owner, all[0].ID); err != nil || len(w.mails) != 1 {
				t.Fatalf("released: %v, %d mails", err, len(w.mails))
			}
			if _, err := w.service.Confirm(t.Context(), w.link(), "", ""); err != nil || w.members() != 1 {
				t.Errorf("confirmed: %v, %d members", err, w.members())
			}
		})
	}
}

// Nobody's mailbox is filled by what others enter.
func TestAskedSeldom(t *testing.T) {
	w := newWorld(t)
	f := w.form()
	for range 6 {
		w.take(f, w.entry(f))
	}
	if len(w.mails) != 1 {
		t.Errorf("%d mails for a button pressed often", len(w.mails))
	}
	for range 6 {
		w.now = w.now.Add(5 * time.Minute)
		w.take(f, w.entry(f))
	}
	if len(w.mails) != 3 {
		t.Errorf("%d mails within a day", len(w.mails))
	}
	if _, err := w.service.Confirm(t.Context(), w.link(), "", ""); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(48 * time.Hour)
	if w.take(f, w.entry(f)); len(w.mails) != 3 {
		t.Error("who has agreed is asked again")
	}
}

// Links end with their time, cannot be made, and one that is over looks like one that never was.
func TestConfirmLinks(t *testing.T) {
	w := newWorld(t)
	f := w.form()
	w.take(f, w.entry(f))
	good := w.link()
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	bent := slices.Clone(raw)
	bent[20] ^= 1
	for name, token := range map[string]string{"empty": "", "short": good[:20], "bent": base64.RawURLEncoding.EncodeToString(bent)} {
		if _, err := w.service.Confirm(t.Context(), token, "", ""); !fault.IsKind(err, fault.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.now = w.now.Add(7*24*time.Hour + time.Second)
	if _, err := w.service.Confirm(t.Context(), good, "", ""); !fault.IsKind(err, fault.NotFound) || w.members() != 0 {
		t.Errorf("after its time: %v, %d members", err, w.members())
	}
	if err := w.service.Sweep(t.Context()); err != nil || len(w.consents()) != 0 {
		t.Errorf("not forgotten: %v, %d", err, len(w.consents()))
	}
}

// A person who had unsubscribed comes back by confirming; who complained does not.
func TestComingBack(t *testing.T) {
	for reason, want := range map[audience.Reason]audience.Reason{audience.Unsubscribed: "", audience.Complaint: audience.Complaint, audience.Manual: audience.Manual} {
		w := newWorld(t)
		f := w.form()
		eva := message.Address{Local: "eva", Domain: "kunde.example"}
		if _, err := w.list.Suppress(t.Context(), w.owner, audience.Wish{Address: eva, Stream: tenant.Newsletter, Reason: reason}, "system"); err != nil {
			t.Fatal(err)
		}
		w.take(f, w.entry(f))
		if _, err := w.service.Confirm(t.Context(), w.link(), "", ""); err != nil {
			t.Fatal(err)
		}
		if got, err := w.list.Check(t.Context(), w.owner, tenant.Newsletter, eva, w.now); err != nil || got != want {
			t.Errorf("%s: %q, %v", reason, got, err)
		}
	}
}

func TestNetworkIsKeptAsWished(t *testing.T) {
	for kept, want := range map[signup.Network][2]string{signup.Whole: {"192.0.2.77", "Browser/1.0"}, signup.Part: {"192.0.2.0/24", "Browser/1.0"}, signup.None: {"", ""}} {
		w := newWorld(t)
		f := w.form(func(f *signup.Form) { f.Network = kept })
		w.take(f, w.entry(f))
		if _, err := w.service.Confirm(t.Context(), w.link(), "192.0.2.77", "Browser/1.0"); err != nil {
			t.Fatal(err)
		}
		c := w.consents()[0]
		if [2]string{c.IP, c.Agent} != want || [2]string{c.ConfirmedIP, c.ConfirmedAgent} != want {
			t.Errorf("%s: %q %q %q %q", kept, c.IP, c.Agent, c.ConfirmedIP, c.ConfirmedAgent)
		}
	}
}

func TestEntriesAreChecked(t *testing.T) {
	w := newWorld(t)
	f := w.form(func(f *signup.Form) { f.Fields = map[signup.Field]signup.Need{"given_name": signup.Mandatory} })
	e := w.entry(f)
	e.Email, e.Agreed, e.Values = "eva@", false, map[signup.Field]string{"given_name": " "}
	err := fault.As(w.service.Take(t.Context(), f, e))
	if err == nil {
		t.Fatal("taken")
	}
	var fields []string
	for _, one := range append([]*fault.Error{err}, err.Also...) {
		fields = append(fields, one.Field)
	}
	slices.Sort(fields)
	if !slices.Equal(fields, []string{"agree", "email", "given_name"}) {
		t.Errorf("%v", fields)
	}
	e = w.entry(f)
	e.Values["given_name"] = "Eva\r\nBcc: x@y.example"
	if err := w.service.Take(t.Context(), f, e); fault.As(err) == nil || fault.As(err).Field != "given_name" {
		t.Errorf("line feed: %v", err)
	}
	w.refuse = errors.New("disk full")
	e = w.entry(f)
	e.Values["given_name"] = "Eva"
	if err := w.service.Take(t.Context(), f, e); err == nil || len(w.consents()) != 0 {
		t.Errorf("without mail: %v, %d consents", err, len(w.consents()))
	}
}

func TestSaveDemandsWhatTheLawDoes(t *testing.T) {
	for field, change := range map[string]func(*world, *signup.Form){
		"name": func(_ *world, f *signup.Form) { f.Name = "" }, "wording": func(_ *world, f *signup.Form) { f.Wording = " " },
		"notice": func(_ *world, f *signup.Form) { f.Notice = "" }, "from": func(_ *world, f *signup.Form) { f.From = "x@fremd.example" },
		"group": func(_ *world, f *signup.Form) { f.Group = audience.GroupID{1} }, "purpose": func(_ *world, f *signup.Form) { f.Purpose = tenant.Transactional },
		"privacy_url": func(_ *world, f *signup.Form) { f.PrivacyURL = "javascript:alert(1)" }, "origins": func(_ *world, f *signup.Form) { f.Origins = []string{"https://a.example; script-src *"} },
		"days": func(_ *world, f *signup.Form) { f.Days = 400 }, "active": func(w *world, _ *signup.Form) { w.tenants.SetProfile(w.owner, tenant.Profile{}) },
		"fields": func(_ *world, f *signup.Form) { f.Fields["iban"] = signup.Optional }, "language": func(_ *world, f *signup.Form) { f.Lang = "fr" },
	} {
		w := newWorld(t)
		f := w.draft()
		change(w, &f)
		if _, err := w.service.Save(t.Context(), f); fault.As(err) == nil || fault.As(err).Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// A form asks for a time zone where the account has a place for it; what was given is kept as
// evidence and goes to the contact, unless one stands there.
func TestFormsAskForTheTimeZone(t *testing.T) {
	w := newWorld(t)
	asks := func(f *signup.Form) { f.Fields = map[signup.Field]signup.Need{signup.TimeZone: signup.Mandatory} }
	f := w.draft()
	asks(&f)
	if _, err := w.service.Save(t.Context(), f); fault.As(err) == nil || fault.As(err).Field != "fields/time_zone" || fault.As(err).Code != "signup_zone_field" {
		t.Fatalf("an account without a field for it: %v", err)
	}
	if err := w.contacts.SetField(t.Context(), w.owner, audience.Field{Key: "zeitzone", Label: "Zeitzone", Type: audience.ZoneField}); err != nil {
		t.Fatal(err)
	}
	f = w.form(asks)
	for zone, code := range map[string]string{"": "signup_missing", "Mars/Olympus": "signup_zone", "Local": "signup_zone"} {
		e := w.entry(f)
		e.Values = map[signup.Field]string{signup.TimeZone: zone}
		if got := fault.As(w.service.Take(t.Context(), f, e)); got == nil || got.Field != "time_zone" || got.Code != code {
			t.Errorf("zone %q: %v", zone, got)
		}
	}
	kept := audience.Contact{Addresses: []message.Address{{Local: "max", Domain: "kunde.example"}}, Fields: map[string]string{"zeitzone": "Asia/Tokyo"}}
	bare := audience.Contact{Addresses: []message.Address{{Local: "ida", Domain: "kunde.example"}}, Company: "Kunde GmbH"}
	for _, c := range []audience.Contact{kept, bare} {
		if _, err := w.contacts.Create(t.Context(), w.owner, c, audience.OriginOffice, "usr_1"); err != nil {
			t.Fatal(err)
		}
	}
	for who, want := range map[string]string{"neu@kunde.example": "Europe/Athens", "max@kunde.example": "Asia/Tokyo", "ida@kunde.example": "Europe/Athens"} {
		e := w.entry(f)
		e.Email, e.Values = who, map[signup.Field]string{signup.TimeZone: "Europe/Athens"}
		w.take(f, e)
		given, err := w.service.Confirm(t.Context(), w.link(), "198.51.100.9", "Mail/2")
		if err != nil || given.Person["time_zone"] != "Europe/Athens" {
			t.Errorf("%s: evidence %v, %v", who, given.Person, err)
		}
		a, err := message.ParseAddress(who)
		if err != nil {
			t.Fatal(err)
		}
		if c, found, err := w.contacts.Of(t.Context(), w.owner, a); err != nil || !found || c.Fields["zeitzone"] != want {
			t.Errorf("%s lives in %q, not %q: %v", who, c.Fields["zeitzone"], want, err)
		}
	}
}
