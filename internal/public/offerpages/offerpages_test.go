package offerpages_test

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/ingest/ingesttest"
	"stafette/internal/message"
	"stafette/internal/offer"
	"stafette/internal/offer/offertest"
	"stafette/internal/public"
	"stafette/internal/public/offerpages"
	"stafette/internal/seal"
	"stafette/internal/stationery"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
	"stafette/internal/tracking"
)

const home = "https://post.example"

// world is the pages on a real socket over the real room with stores in memory.
type world struct {
	logo *stationery.Logo // of the tenant
	*testing.T
	server *httptest.Server
	offers *offer.Service
	mail   *ingesttest.Store
	seen   *witness
	owner  tenant.ID
	now    time.Time
	offer  offer.Offer
}

// witness is told what is recorded, of a tenant that may know who looks.
type witness struct {
	rules *tracking.Rules
	mu    sync.Mutex
	list  []tracking.Activity
	said  tracking.State
}

func (w *witness) Decide(context.Context, tenant.ID, tenant.Stream, tracking.Level, []message.Address) (tracking.Decision, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.said == tracking.StateWithdrawn {
		return tracking.Decision{Level: tracking.None, Rule: tracking.RuleRecipient}, nil
	}
	return tracking.Decision{Level: tracking.Individual, Rule: tracking.RuleTenant}, nil
}

// Look judges by the program alone, and by the trap.
func (w *witness) Look(_ context.Context, _ tracking.Sent, a tracking.Activity, l tracking.Look) (tracking.Activity, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	signs, agent := w.rules.SignsOf(tracking.Seen{Kind: a.Kind, UserAgent: l.UserAgent, Language: l.Language, Trap: l.Trap})
	if l.Deed {
		signs = nil
	}
	a.Machine = w.rules.Judge(agent, signs)
	w.list = append(w.list, a)
	return a, true, nil
}

func (w *witness) Activities(context.Context, tenant.ID, tracking.Query) ([]tracking.Activity, bool, error) {
	return nil, false, nil
}

func (w *witness) Hear(_ context.Context, c tracking.Consent) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = c.State
	return nil
}

// kinds are the kinds of what was recorded since the last call, those by machines marked.
func (w *witness) kinds() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, a := range w.list {
		text := string(a.Kind)
		if !a.Machine.Counted() {
			text = "machine:" + text
		}
		list = append(list, text)
	}
	w.list = nil
	return strings.Join(list, " ")
}

const browser = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"

func newWorld(t *testing.T) *world {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	must(err)
	catalog, err := i18n.Load()
	must(err)
	rules, err := tracking.LoadRules()
	must(err)
	w := &world{logo: &stationery.Logo{}, T: t, mail: &ingesttest.Store{}, seen: &witness{rules: rules}, now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	now := func() time.Time { return w.now }
	w.owner = id.New[tenant.Kind](w.now)
	tenants := &tenanttest.Store{}
	must(tenants.Found(t.Context(), tenant.Founding{Tenant: tenant.Tenant{ID: w.owner, Name: "Hafenkontor <b>", State: tenant.Active, CustomerTone: tenant.Sie},
		Domains: []tenant.Domain{{ID: id.New[tenant.DomainKind](w.now), Tenant: w.owner, Name: "hafenkontor.example", State: tenant.Verified}}}))
	tenants.SetProfile(w.owner, tenant.Profile{Imprint: "Hafenkontor GmbH\nKai 1, Hamburg"})
	w.offers, err = offer.New(offer.Config{Store: &offertest.Store{}, Tenants: tenants, Brands: brands{w.logo}, Keeper: keeper, Catalog: catalog, PublicURL: home, Now: now,
		Watch:    offer.Watch{Decider: w.seen, Looks: w.seen, Activities: w.seen, Consents: w.seen},
		Acceptor: ingest.New(ingest.Config{Store: w.mail, Tenants: tenants, Keeper: keeper, Now: now})})
	must(err)
	w.server = httptest.NewServer(offerpages.New(offerpages.Config{Offers: w.offers, Catalog: catalog, Now: now,
		Reading: public.NewLimiter(200, time.Second, now), Telling: public.NewLimiter(50, time.Minute, now), Guessing: public.NewLimiter(3, time.Minute, now),
		ClientIP: func(*http.Request) string { return "192.0.2.7" }}))
	t.Cleanup(w.server.Close)
	w.offer, err = w.offers.Create(t.Context(), w.owner, "usr_1", offer.Content{
		Title: "Speicherblock <script>alert(1)</script>", Text: "Eins.\n\nZwei <img src=x onerror=alert(1)>", From: "Angebote <info@hafenkontor.example>",
		Units: []offer.Unit{{ID: "u1", Name: "4.1", Price: "412.000 €"}}, Links: []offer.Link{{ID: "l1", Label: "Rundgang", URL: "https://rundgang.example/?a=1"}},
		Legal: offer.Legal{Gate: true, Notice: "Widerrufsrecht\n\nVierzehn Tage.", Boxes: []offer.Box{
			{Kind: offer.BoxNotice, Text: "Gelesen", Needed: true}, {Kind: offer.BoxEarlyStart, Text: "Früher", Needed: true}, {Kind: offer.BoxPermission, Text: "Gern"}}},
	})
	must(err)
	var picture bytes.Buffer
	must(png.Encode(&picture, image.NewGray(image.Rect(0, 0, 9, 9))))
	for _, u := range []offer.Upload{
		{Kind: offer.Picture, Title: "Ansicht", Name: "a.png", Data: picture.Bytes()}, {Kind: offer.Expose, Name: "Exposé \"7\".pdf", Data: []byte("%PDF-1.4 expose\n%%EOF")},
		{Kind: offer.FloorPlan, Name: "Grundriss.pdf", Data: []byte("%PDF-1.4 plan\n%%EOF")},
	} {
		_, err = w.offers.AddFile(t.Context(), w.owner, w.offer.ID, u)
		must(err)
	}
	w.offer, err = w.offers.Publish(t.Context(), w.owner, w.offer.ID, "usr_1")
	must(err)
	return w
}

// send makes the offer to somebody and returns the path of the page.
func (w *world) send(change func(*offer.Letter)) (offer.Recipient, string) {
	w.Helper()
	l := offer.Letter{Subject: "Ihr Angebot", Text: "Hier: {link}", To: []message.Mailbox{{Name: "Eva Sommer", Address: message.Address{Local: "eva", Domain: "kunde.example"}}}}
	if change != nil {
		change(&l)
	}
	list, err := w.offers.Send(w.Context(), ingest.Principal{Tenant: w.owner, Actor: "usr_1"}, w.offer.ID, l)
	if err != nil {
		w.Fatal(err)
	}
	return list[0], strings.TrimPrefix(w.offers.LinkOf(list[0]), home)
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (w *world) ask(method, path string, values url.Values, header ...string) answer {
	w.Helper()
	var body io.Reader
	if values != nil {
		body = strings.NewReader(values.Encode())
	}
	r, err := http.NewRequestWithContext(w.Context(), method, w.server.URL+path, body)
	if err != nil {
		w.Fatal(err)
	}
	if values != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept-Language", "de")
	r.Header.Set("User-Agent", browser)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	if strings.Contains(string(text), "⟦") || len(resp.Cookies()) > 0 || strings.Contains(string(text), "<script") || strings.Contains(string(text), "onerror=alert(1)>") && !strings.Contains(string(text), "&lt;img") {
		w.Errorf("%s %s: a text is missing, a cookie is set or something runs: %s", method, path, text)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

func (w *world) want(a answer, status int, texts ...string) {
	w.Helper()
	if a.status != status {
		w.Errorf("status %d, want %d: %s", a.status, status, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			w.Errorf("the page lacks %q: %s", text, a.body)
		}
	}
}

func (w *world) file(k offer.FileKind) string {
	for _, f := range w.offer.Content.Files {
		if f.Kind == k {
			return f.ID
		}
	}
	return ""
}

// A person opens, reads, confirms, downloads and likes; the wording comes by mail at once.
func TestARecipientConfirms(t *testing.T) {
	w := newWorld(t)
	r, page := w.send(nil)
	a := w.ask("GET", page, nil)
	w.want(a, 200, "Eva Sommer", "Hafenkontor &lt;b&gt;", "Speicherblock &lt;script&gt;", "Kai 1, Hamburg", "Exposé öffnen", "Vertrag widerrufen", `alt="Ansicht"`)
	if strings.Contains(a.body, "checked") {
		t.Error("a box is ticked beforehand")
	}
	if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "script-src") {
		t.Errorf("policy %q", csp)
	}
	expose := page + "/f/" + w.file(offer.Expose)
	if got := w.ask("GET", expose, nil); got.status != 303 || strings.Contains(got.body, "%PDF") {
		t.Errorf("the gate is open: %d", got.status)
	}
	w.want(w.ask("GET", page+"/notice", nil), 200, "Vierzehn Tage.")
	wording := w.offer.Content.Legal.Hash().String()
	w.want(w.ask("POST", page+"/confirm", url.Values{"wording": {wording}, "box": {"notice"}}), 422, "Dieses Kästchen ist nötig")
	w.want(w.ask("POST", page+"/confirm", url.Values{"wording": {strings.Repeat("0", 64)}, "box": {"notice", "early"}}), 422, "Wortlaut hat sich")
	if n := len(w.mail.Accepted()); n != 1 {
		t.Fatalf("%d mails before the confirmation", n)
	}
	for range 2 { // a second click is the same confirmation
		if got := w.ask("POST", page+"/confirm", url.Values{"wording": {wording}, "box": {"notice", "early"}}); got.status != 303 {
			t.Fatalf("status %d: %s", got.status, got.body)
		}
	}
	mails := w.mail.Accepted()
	if len(mails) != 2 || mails[1].Message.Subject != "Ihre Bestätigung zu „"+w.offer.Content.Title+"“" || len(mails[1].Message.Digests) != 1 || mails[1].Deliveries[0].Recipient.String() != "eva@kunde.example" {
		t.Fatalf("%d mails, %+v", len(mails), mails[len(mails)-1].Message)
	}
	got := w.ask("GET", expose, nil)
	w.want(got, 200, "%PDF-1.4 expose")
	if d := got.header.Get("Content-Disposition"); !strings.HasPrefix(d, "attachment") || got.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(got.header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("served as %q, %v", d, got.header)
	}
	if got := w.ask("POST", page+"/like/u1", url.Values{"on": {"1"}}); got.status != 303 {
		t.Errorf("like: %d", got.status)
	}
	w.want(w.ask("GET", page, nil), 200, `aria-pressed="true"`, "Bestätigt am")
	acts, err := w.offers.Acts(t.Context(), w.owner, w.offer.ID, r.ID)
	if err != nil || len(acts) != 1 || acts[0].Detail.Wording.String() != wording || acts[0].Detail.Boxes[2].Ticked || acts[0].Detail.Network != "192.0.2.0/24" {
		t.Fatalf("acts %+v, %v", acts, err)
	}
	if pdf := w.ask("GET", page+"/receipt/"+acts[0].ID.String(), nil); pdf.status != 200 || !strings.HasPrefix(pdf.body, "%PDF") {
		t.Errorf("receipt: %d", pdf.status)
	}
	want := "page_visited withdrawal_notice_opened withdrawal_notice_confirmed expose_downloaded unit_liked page_visited"
	if have := w.seen.kinds(); have != want {
		t.Errorf("recorded %s, want %s", have, want)
	}
}

// T24–T27: looking changes nothing and proves nothing; machines do not count; what is made
// up, changed or foreign opens nothing, all alike.
func TestLinks(t *testing.T) {
	w := newWorld(t)
	r, page := w.send(nil)
	if a := w.ask("HEAD", page, nil); a.status != 200 || a.body != "" {
		t.Errorf("HEAD: %d %q", a.status, a.body)
	}
	w.ask("GET", page, nil, "Sec-Purpose", "prefetch")
	for _, path := range []string{page, page + "/notice", page + "/f/" + w.file(offer.FloorPlan), page + "/withdraw"} {
		w.want(w.ask("GET", path, nil, "User-Agent", "SafeLinks scanner"), 200)
	}
	if have := w.seen.kinds(); have != "machine:page_visited machine:withdrawal_notice_opened machine:floorplan_downloaded" {
		t.Errorf("recorded %s", have)
	}
	w.want(w.ask("GET", page, nil), 200, `<a hidden href="`+page+`/p"`)
	w.want(w.ask("GET", page+"/p", nil), 404)
	if have := w.seen.kinds(); have != "page_visited machine:page_visited" {
		t.Errorf("who follows the unseen link is %s", have)
	}
	if acts, err := w.offers.Acts(t.Context(), w.owner, w.offer.ID, r.ID); err != nil || len(acts) != 0 {
		t.Errorf("%d acts by looking, %v", len(acts), err)
	}
	if a := w.ask("GET", page+"/l/l1?to=https://evil.example", nil); a.status != 302 || a.header.Get("Location") != "https://rundgang.example/?a=1" {
		t.Errorf("link: %d %s", a.status, a.header.Get("Location"))
	}
	unknown := w.ask("GET", "/o/"+strings.Repeat("A", len(page)-3), nil)
	w.want(unknown, 404, "Dieser Link gilt nicht")
	for i := 3; i < len(page); i += 7 {
		flipped := []byte(page)
		flipped[i] = 'A' + (flipped[i]-'A'+1)%26
		if a := w.ask("GET", string(flipped), nil); a.status != unknown.status || a.body != unknown.body {
			t.Errorf("byte %d changed: %d", i, a.status)
		}
	}
	for _, path := range []string{"/like/u1", "/confirm", "/withdraw", "/unlock"} {
		if a := w.ask("POST", page+path, url.Values{"on": {"1"}}, "Sec-Fetch-Site", "cross-site"); a.status != 403 {
			t.Errorf("%s from another site: %d", path, a.status)
		}
	}
	for _, path := range []string{"/like/u1", "/confirm", "/unwatch"} {
		if a := w.ask("GET", page+path, nil); a.status != 405 {
			t.Errorf("GET %s: %d", path, a.status)
		}
	}
	w.want(w.ask("POST", page+"/like/u9", url.Values{"on": {"1"}}), 404)
	w.want(w.ask("GET", page+"/f/..%2f..%2fetc", nil), 404)
}

// § 356a BGB: two steps, a receipt at once, always there.
func TestAContractIsWithdrawnFrom(t *testing.T) {
	w := newWorld(t)
	r, page := w.send(nil)
	if err := w.offers.End(t.Context(), w.owner, w.offer.ID); err != nil {
		t.Fatal(err)
	}
	w.want(w.ask("GET", page, nil), 410, "Dieses Angebot ist beendet", "Vertrag widerrufen")
	w.want(w.ask("GET", page+"/f/"+w.file(offer.FloorPlan), nil), 410)
	w.want(w.ask("GET", page+"/withdraw", nil), 200, "1 von 2", "eva@kunde.example")
	form := url.Values{"name": {"Eva Sommer"}, "contract": {"Maklervertrag"}, "email": {"eva\r\nBcc: x@y.example"}}
	w.want(w.ask("POST", page+"/withdraw", form), 422)
	form.Set("email", "eva@privat.example")
	w.want(w.ask("POST", page+"/withdraw", form), 200, "2 von 2", "Hiermit widerrufe ich, Eva Sommer, den Vertrag Maklervertrag.")
	if n := len(w.mail.Accepted()); n != 1 {
		t.Fatalf("%d mails before the second step", n)
	}
	form.Set("step", "confirm")
	w.want(w.ask("POST", page+"/withdraw", form), 200, "Ihr Widerruf ist eingegangen", "eva@privat.example")
	mails := w.mail.Accepted()
	if len(mails) != 2 || mails[1].Deliveries[0].Recipient.String() != "eva@privat.example" || mails[1].Message.Stream != tenant.Transactional {
		t.Fatalf("%d mails", len(mails))
	}
	open, err := w.offers.Withdrawals(t.Context(), w.owner)
	if err != nil || len(open) != 1 || open[0].Recipient != r.ID || open[0].Receipt != mails[1].Message.ID {
		t.Fatalf("withdrawals %+v, %v", open, err)
	}
	if err := w.offers.Handle(t.Context(), r, open[0].ID, "usr_1"); err != nil {
		t.Fatal(err)
	}
	if open, err = w.offers.Withdrawals(t.Context(), w.owner); err != nil || len(open) != 0 {
		t.Errorf("still open: %v, %v", open, err)
	}
}

func TestPasswordExpiryAndRevocation(t *testing.T) {
	w := newWorld(t)
	r, page := w.send(func(l *offer.Letter) { l.Password, l.Expires = "fleet-7-hafen", 24*time.Hour })
	locked := w.ask("GET", page, nil)
	w.want(locked, 200, "geschützt")
	if strings.Contains(locked.body, "Speicherblock") || strings.Contains(locked.body, "Eva") {
		t.Error("the page tells before the password")
	}
	w.want(w.ask("GET", page+"/f/"+w.file(offer.FloorPlan), nil), 403)
	if a := w.ask("GET", page+"/withdraw", nil); strings.Contains(a.body, "eva@kunde.example") {
		t.Error("the address is told before the password")
	}
	w.want(w.ask("POST", page+"/unlock", url.Values{"password": {"falsch"}}), 403, "Das Passwort stimmt nicht")
	a := w.ask("POST", page+"/unlock", url.Values{"password": {"fleet-7-hafen"}})
	target := a.header.Get("Location")
	if a.status != 303 || !strings.HasPrefix(target, page+"?k=") {
		t.Fatalf("%d %s", a.status, target)
	}
	w.want(w.ask("GET", target, nil), 200, "Speicherblock", "?k=")
	w.want(w.ask("GET", target+"x", nil), 200, "geschützt")
	w.ask("POST", page+"/unlock", url.Values{"password": {"falsch"}})
	if a := w.ask("POST", page+"/unlock", url.Values{"password": {"fleet-7-hafen"}}); a.status != 429 {
		t.Errorf("guessing goes on: %d", a.status)
	}
	w.now = w.now.Add(13 * time.Hour)
	w.want(w.ask("GET", target, nil), 200, "geschützt")
	w.now = w.now.Add(12 * time.Hour)
	w.want(w.ask("GET", target, nil), 410)
	_, other := w.send(nil)
	w.want(w.ask("GET", other, nil), 200)
	list, err := w.offers.Recipients(t.Context(), w.owner, w.offer.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.offers.Revoke(t.Context(), w.owner, w.offer.ID, list[0].ID); err != nil || list[0].ID == r.ID {
		t.Fatal(err)
	}
	w.want(w.ask("GET", other, nil), 410)
}

// The draft is seen by its preview alone, and nothing can be done there.
func TestPreview(t *testing.T) {
	w := newWorld(t)
	path := w.offers.PreviewOf(w.offer)
	a := w.ask("GET", path, nil)
	w.want(a, 200, "Speicherblock", "disabled")
	if !strings.Contains(a.header.Get("Content-Security-Policy"), "frame-ancestors 'self'") {
		t.Errorf("policy %s", a.header.Get("Content-Security-Policy"))
	}
	w.want(w.ask("GET", path+"/f/"+w.file(offer.Picture), nil), 200)
	w.want(w.ask("GET", path[:len(path)-2]+"AA", nil), 404)
	w.now = w.now.Add(time.Hour)
	w.want(w.ask("GET", path, nil), 404)
	if have := w.seen.kinds(); have != "" {
		t.Errorf("recorded %s", have)
	}
}

// Who ends the recording is not recorded any more, and the page works all the same.
func TestRecordingIsEnded(t *testing.T) {
	w := newWorld(t)
	_, page := w.send(nil)
	w.want(w.ask("GET", page, nil), 200, "Auswertung beenden")
	if a := w.ask("POST", page+"/unwatch", url.Values{}); a.status != 303 || w.seen.said != tracking.StateWithdrawn {
		t.Fatalf("%d, said %s", a.status, w.seen.said)
	}
	if a := w.ask("GET", page, nil); a.status != 200 || strings.Contains(a.body, "Auswertung beenden") {
		t.Errorf("status %d: %s", a.status, a.body)
	}
}
