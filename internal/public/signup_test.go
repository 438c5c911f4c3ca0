package public_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/audience/consent"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/public"
	"stafette/internal/seal"
	"stafette/internal/signup"
	"stafette/internal/signup/signuptest"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
)

// joiner is a sign-up form on a real socket; it takes the mails itself.
type joiner struct {
	chooser
	store *signuptest.Store
	form  signup.Form
	mails []string
	now   time.Time
	// forms keeps forms, book the people.
	forms *signup.Service
	book  *audience.Contacts
}

// Accept implements ingest.Acceptor.
func (w *joiner) Accept(_ context.Context, _ ingest.Principal, s ingest.Submission) (ingest.Receipt, error) {
	w.mails = append(w.mails, s.Draft.Text)
	return ingest.Receipt{ID: message.NewID(w.now)}, nil
}

// AcceptAll implements ingest.Acceptor.
func (w *joiner) AcceptAll(context.Context, ingest.Principal, []ingest.Submission) []ingest.Result {
	return nil
}

func newJoiner(t *testing.T) *joiner {
	t.Helper()
	w := &joiner{chooser: chooser{T: t, owner: tenant.ID{15: 1}}, now: start}
	tenants := &tenanttest.Store{}
	if err := tenants.Found(t.Context(), tenant.Founding{Tenant: tenant.Tenant{ID: w.owner, Name: "Hafen & Kontor", State: tenant.Active}}); err != nil {
		t.Fatal(err)
	}
	tenants.SetProfile(w.owner, tenant.Profile{Imprint: "Hafen & Kontor GmbH\nKaistraße 1, 20457 Hamburg"})
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
	groups := audience.NewGroups(&audiencetest.Groups{People: people}, people, now)
	g, err := groups.Create(t.Context(), w.owner, audience.Group{Name: "Brief", Kind: audience.Static}, "usr_1")
	if err != nil {
		t.Fatal(err)
	}
	w.store, w.book = &signuptest.Store{Store: tenants}, audience.NewContacts(people, now)
	w.forms = signup.New(signup.Config{Store: w.store, Audience: w.list, Contacts: w.book, Groups: groups, Acceptor: w, ParseMailbox: message.ParseMailbox,
		Usable: func(context.Context, tenant.ID, string) (bool, error) { return true, nil }, Keeper: keeper, Catalog: catalog, PublicURL: "https://post.example", Now: now})
	w.form, err = w.forms.Save(t.Context(), signup.Form{Tenant: w.owner, Name: "Fuß", Title: "Neubau-Brief <b>", Active: true, Group: g.ID, Purpose: tenant.Newsletter,
		From: "Hafen <brief@hafenkontor.example>", Wording: "Ja, <i>gern</i>.", Notice: "Verantwortlich: wir.", Origins: []string{"https://www.hafenkontor.example"}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(public.New(public.Config{Signup: w.forms, Catalog: catalog, Now: now, PerMinute: 1000}))
	t.Cleanup(server.Close)
	w.base = server.URL
	return w
}

var pageToken = regexp.MustCompile(`name="t" value="([^"]*)"`)

// enter fills the form in as a person would who takes ten seconds.
func (w *joiner) enter(path string, values url.Values) (*http.Response, string) {
	w.Helper()
	_, text := w.ask(http.MethodGet, path, "", "", http.Header{"Referer": {"https://www.hafenkontor.example/"}})
	found := pageToken.FindStringSubmatch(text)
	if found == nil {
		w.Fatalf("no form: %s", text)
	}
	w.now = w.now.Add(10 * time.Second)
	values.Set("t", found[1])
	return w.ask(http.MethodPost, path, formKind, values.Encode(), nil)
}

func (w *joiner) consents() []consent.Consent {
	w.Helper()
	list, _, err := w.store.Consents(w.Context(), w.owner, consent.Filter{Limit: 100})
	if err != nil {
		w.Fatal(err)
	}
	return list
}

// The whole way over real sockets: form, mail, page, button.
func TestSignUp(t *testing.T) {
	w := newJoiner(t)
	path := signup.FormPath + w.form.Key()
	res, text := w.ask(http.MethodGet, path, "", "", nil)
	if res.StatusCode != http.StatusOK || strings.Contains(text, "<i>") || strings.Contains(text, "Brief <b>") || strings.Contains(text, "checked") || !strings.Contains(text, "Kaistraße 1") {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	if res, text := w.enter(path, url.Values{"email": {"eva@kunde.example"}, "agree": {"on"}}); res.StatusCode != http.StatusOK || len(w.mails) != 1 {
		t.Fatalf("%d, %d mails: %s", res.StatusCode, len(w.mails), text)
	}
	link := regexp.MustCompile(`https://post\.example(/bestaetigen/\S+)`).FindStringSubmatch(w.mails[0])
	if link == nil {
		t.Fatal(w.mails[0])
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodGet} { // scanners
		w.ask(method, link[1], "", "", nil)
	}
	if c := w.consents()[0]; c.State != consent.Asked {
		t.Errorf("looking made it %s", c.State)
	}
	if res, text := w.ask(http.MethodPost, link[1], formKind, "", http.Header{"User-Agent": {"Mail/3"}}); res.StatusCode != http.StatusOK || !strings.Contains(text, `role="status"`) {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	if c := w.consents()[0]; c.State != consent.Given || c.ConfirmedAgent != "Mail/3" || c.ConfirmedIP != "127.0.0.1" || c.FormURL != "https://post.example"+path {
		t.Errorf("%+v", c)
	}
}

// Wrong fields come back with what was typed; nothing is told about who is signed up.
func TestSignUpRefused(t *testing.T) {
	w := newJoiner(t)
	path := signup.FormPath + w.form.Key()
	res, text := w.enter(path, url.Values{"email": {`eva"><script>`}})
	if res.StatusCode != http.StatusUnprocessableEntity || strings.Contains(text, "<script>") || !strings.Contains(text, `value="eva&#34;`) || strings.Count(text, "aria-invalid") != 2 {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	_, first := w.enter(path, url.Values{"email": {"eva@kunde.example"}, "agree": {"on"}})
	_, again := w.enter(path, url.Values{"email": {"eva@kunde.example"}, "agree": {"on"}})
	_, caught := w.enter(path, url.Values{"email": {"bot@kunde.example"}, "agree": {"on"}, "website": {"x"}})
	if first != again || first != caught {
		t.Error("answers can be told apart")
	}
	if res, _ := w.ask(http.MethodPost, path, formKind, "email=x%40y.example&agree=on", http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("from another site: %d", res.StatusCode)
	}
	if res, _ := w.ask(http.MethodGet, signup.FormPath+"AAAA", "", "", nil); res.StatusCode != http.StatusNotFound {
		t.Errorf("no such form: %d", res.StatusCode)
	}
}

// A form stands in the frames it allows and nowhere else, and the site is on record.
func TestEmbedded(t *testing.T) {
	w := newJoiner(t)
	path := signup.FormPath + w.form.Key()
	res, _ := w.ask(http.MethodGet, path, "", "", nil)
	if !strings.Contains(res.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") || res.Header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("the page: %v", res.Header)
	}
	res, page := w.ask(http.MethodGet, path+"/embed", "", "", nil)
	if !strings.Contains(page, `<html lang="de" class="framed">`) {
		t.Errorf("embedded: %.80s", page)
	}
	if !strings.HasSuffix(res.Header.Get("Content-Security-Policy"), "frame-ancestors 'self' https://www.hafenkontor.example") || res.Header.Get("X-Frame-Options") != "" {
		t.Errorf("embedded: %v", res.Header)
	}
	w.enter(path+"/embed", url.Values{"email": {"eva@kunde.example"}, "agree": {"on"}, "site": {"https://www.hafenkontor.example"}})
	w.enter(path+"/embed", url.Values{"email": {"max@kunde.example"}, "agree": {"on"}, "site": {"https://evil.example"}})
	all := w.consents()
	if len(all) != 2 || all[1].FormURL != "https://www.hafenkontor.example" || all[0].FormURL != "https://post.example"+path {
		t.Errorf("%+v", all)
	}
}

// The time zone is a select that works without script: the account's own stands there, a word
// says which, and what is no zone comes back at its field.
func TestSignUpAsksForTheTimeZone(t *testing.T) {
	w := newJoiner(t)
	if err := w.book.SetField(t.Context(), w.owner, audience.Field{Key: "zeitzone", Label: "Zeitzone", Type: audience.ZoneField}); err != nil {
		t.Fatal(err)
	}
	w.form.Fields = map[signup.Field]signup.Need{signup.TimeZone: signup.Mandatory}
	if _, err := w.forms.Save(t.Context(), w.form); err != nil {
		t.Fatal(err)
	}
	path := signup.FormPath + w.form.Key() + "?lang=de"
	_, text := w.ask(http.MethodGet, path, "", "", nil)
	for _, want := range []string{`<label for="time_zone">`, `<option value="Europe/Berlin" selected>Deutschland (Berlin)</option>`, `<option value="Europe/Athens">Griechenland (Athen)</option>`} {
		if !strings.Contains(text, want) {
			t.Errorf("the form lacks %s", want)
		}
	}
	if strings.Contains(text, `<option value=""`) || strings.Contains(text, "<script") {
		t.Error("a mandatory field may be left empty, or needs a script")
	}
	if res, text := w.enter(path, url.Values{"email": {"eva@kunde.example"}, "agree": {"on"}, "time_zone": {"Mars/Olympus"}}); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, `id="time_zone-wrong"`) || !strings.Contains(text, "Diese Zeitzone gibt es nicht.") {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	if res, text := w.enter(path, url.Values{"email": {"eva@kunde.example"}, "agree": {"on"}, "time_zone": {"Asia/Famagusta"}}); res.StatusCode != http.StatusOK || w.consents()[0].Person["time_zone"] != "Asia/Famagusta" {
		t.Errorf("%d %+v %s", res.StatusCode, w.consents(), text)
	}
	w.form.Fields[signup.TimeZone] = signup.Optional
	if _, err := w.forms.Save(t.Context(), w.form); err != nil {
		t.Fatal(err)
	}
	if _, text := w.ask(http.MethodGet, path, "", "", nil); !strings.Contains(text, `<option value="">Keine Angabe</option>`) {
		t.Error("an optional field cannot be left empty")
	}
}
