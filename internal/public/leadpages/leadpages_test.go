package leadpages_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/ingest/ingesttest"
	"stafette/internal/insight"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/lead/leadform"
	"stafette/internal/lead/leadtest"
	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
	"stafette/internal/public"
	"stafette/internal/public/leadpages"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
)

const home = "https://post.example"

// world is the pages on a real socket over the real services with stores in memory.
type world struct {
	*testing.T
	server *httptest.Server
	leads  *lead.Service
	forms  *leadform.Service
	cases  *leadcase.Service
	store  *leadtest.Store
	owner  tenant.ID
	now    time.Time
	from   string // ClientIP
	log    bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, store: &leadtest.Store{}, now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), from: "192.0.2.1"}
	w.owner = id.New[tenant.Kind](w.now)
	tenants := &tenanttest.Store{}
	if err := tenants.Found(t.Context(), tenant.Founding{Tenant: tenant.Tenant{ID: w.owner, Name: "Portal Muster", State: tenant.Active},
		Domains: []tenant.Domain{{ID: id.New[tenant.DomainKind](w.now), Tenant: w.owner, Name: "portal.example", State: tenant.Verified}}}); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return w.now }
	w.leads = lead.New(lead.Config{Store: w.store, Tenants: tenants, Keeper: keeper, PublicURL: home, Now: now,
		Acceptor: ingest.New(ingest.Config{Store: &ingesttest.Store{}, Tenants: tenants, Keeper: keeper, Now: now})})
	w.forms = leadform.New(leadform.Config{Store: &leadtest.Forms{}, Leads: w.leads, Keeper: keeper, Catalog: catalog, Now: now})
	w.cases = leadcase.New(leadcase.Config{Store: &leadtest.Cases{}, Leads: w.leads, Mail: noMail{}, Keeper: keeper, Now: now})
	a := lead.Advertiser{ID: "4711", Name: "Makler", Emails: []message.Address{{Local: "anfragen", Domain: "makler.example"}}, Profile: lead.ProfileOf("")}
	if err := w.leads.SaveAdvertiser(t.Context(), w.owner, a); err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewServer(leadpages.New(leadpages.Config{
		Forms: w.forms, Leads: w.leads, Cases: w.cases, Catalog: catalog, PublicURL: home, Now: now,
		Reading: public.NewLimiter(40, time.Second, now), Entering: public.NewLimiter(3, time.Minute, now), Telling: public.NewLimiter(15, time.Minute, now),
		ClientIP: func(*http.Request) string { return w.from }, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	}))
	t.Cleanup(w.server.Close)
	return w
}

// noMail knows of no message.
type noMail struct{}

func (noMail) Message(context.Context, tenant.ID, message.ID) (insight.Message, error) {
	return insight.Message{}, fault.New(fault.NotFound, "message_not_found", "")
}

func (noMail) Events(context.Context, tenant.ID, message.ID) ([]event.Event, error) { return nil, nil }

func (w *world) form(change func(*leadform.Form)) leadform.Form {
	w.Helper()
	f := leadform.Form{Tenant: w.owner, Name: "intern", Active: true, Advertiser: "4711", Object: openimmo.Object{AdvertiserRef: "MA-1", Title: "Haus <b>"},
		Fields:  map[leadform.Field]leadform.Need{leadform.Email: leadform.Mandatory, "last_name": leadform.Mandatory, leadform.Message: leadform.Optional, "pets": leadform.Optional},
		Origins: []string{"https://www.makler.example"}, Notice: "Verantwortlich: <Portal>.\n\nRechte."}
	if change != nil {
		change(&f)
	}
	f, err := w.forms.Save(w.Context(), f)
	if err != nil {
		w.Fatal(err)
	}
	return f
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
	if strings.Contains(string(text), "⟦") || len(resp.Cookies()) > 0 {
		w.Errorf("%s %s: a text is missing or a cookie is set: %s", method, path, text)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

var hidden = regexp.MustCompile(`<input type="hidden" name="t" value="([^"]+)"`)

// fill is what a person sends from a page, some seconds after it was shown.
func (w *world) fill(path string) url.Values {
	w.Helper()
	got := w.ask(http.MethodGet, path, nil)
	token := hidden.FindStringSubmatch(got.body)
	if got.status != 200 || token == nil {
		w.Fatalf("status %d: %s", got.status, got.body)
	}
	w.now = w.now.Add(20 * time.Second)
	return url.Values{"t": {token[1]}, "email": {"eva@example.org"}, "last_name": {"Sommer"}, "message": {"Noch frei?"}, "pets": {"no"}}
}

func (w *world) all() []lead.Lead {
	w.Helper()
	page, err := w.leads.Leads(w.Context(), w.owner, lead.Filter{Suspects: true, Tests: true, Limit: 100})
	if err != nil {
		w.Fatal(err)
	}
	return page.Leads
}

func TestAPersonAsks(t *testing.T) {
	w := newWorld(t)
	f := w.form(nil)
	path := leadpages.FormPath + f.Key()
	page := w.ask(http.MethodGet, path, nil)
	for _, want := range []string{"Haus &lt;b&gt;", "Verantwortlich: &lt;Portal&gt;.", `name="last_name"`, "Portal Muster"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, never := range []string{"intern", "style=", "onload=", "<script>", `name="income"`, "4711", "anfragen@"} {
		if strings.Contains(page.body, never) {
			t.Errorf("the page says %q", never)
		}
	}
	if len(w.all()) != 0 {
		t.Error("looking made a lead")
	}
	values := w.fill(path)
	values.Set("last_name", "")
	values.Set("message", `Noch "frei"? <script>`)
	wrong := w.ask(http.MethodPost, path, values, "Origin", home)
	if wrong.status != 422 || !strings.Contains(wrong.body, "last_name-problem") || !strings.Contains(wrong.body, "Noch &#34;frei&#34;? &lt;script&gt;") || !strings.Contains(wrong.body, `value="eva@example.org"`) ||
		!strings.Contains(wrong.body, `<option value="no" selected`) {
		t.Errorf("status %d, typed text is lost: %s", wrong.status, wrong.body)
	}
	values.Set("last_name", "Sommer")
	for range 2 { // sent twice, kept once
		if got := w.ask(http.MethodPost, path, values, "Origin", home); got.status != 200 || !strings.Contains(got.body, "Vielen Dank") {
			t.Errorf("status %d: %s", got.status, got.body)
		}
	}
	if all := w.all(); len(all) != 1 || all[0].State != lead.Sent || all[0].Object != "MA-1" {
		t.Errorf("leads %+v", all)
	}
	if en := w.ask(http.MethodGet, path+"?lang=en", nil); !strings.Contains(en.body, `lang="en"`) || !strings.Contains(en.body, "Send enquiry") {
		t.Error("not in English")
	}
}

// What may be spam looks sent, and waits.
func TestBotsAreThankedAndHeld(t *testing.T) {
	w := newWorld(t)
	f := w.form(nil)
	path := leadpages.FormPath + f.Key()
	trap := w.fill(path)
	trap.Set("website", "https://spam.example")
	nowhere := w.fill(path)
	nowhere.Del("t")
	for name, v := range map[string]url.Values{"trap": trap, "nowhere": nowhere} {
		if got := w.ask(http.MethodPost, path, v, "Origin", "https://evil.example"); got.status != 200 || got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: status %d, %v", name, got.status, got.header)
		}
	}
	for range 4 { // beyond what one network sends
		v := w.fill(path)
		v.Set("message", w.now.String())
		w.ask(http.MethodPost, path, v, "Origin", home)
	}
	reasons := map[string]int{}
	for _, l := range w.all() {
		reasons[l.Reason]++
	}
	if reasons[leadform.SuspectTrap] != 1 || reasons[leadform.SuspectToken] != 1 || reasons[leadform.SuspectFlood] < 2 {
		t.Errorf("reasons %v", reasons)
	}
}

func TestWhoMayEmbed(t *testing.T) {
	w := newWorld(t)
	f := w.form(func(f *leadform.Form) { f.Redirect = "https://www.makler.example/danke" })
	path := leadpages.FormPath + f.Key()
	policy := func(path string) string {
		return w.ask(http.MethodGet, path, nil).header.Get("Content-Security-Policy")
	}
	if got := policy(path); !strings.HasSuffix(got, "frame-ancestors 'none'") || !strings.Contains(got, "form-action 'self' https://www.makler.example;") {
		t.Errorf("the page: %s", got)
	}
	if got := policy(path + "/embed"); !strings.HasSuffix(got, "frame-ancestors 'self' https://www.makler.example") {
		t.Errorf("embedded: %s", got)
	}
	if got := policy(leadpages.FormPath + "unknown/embed"); !strings.HasSuffix(got, "frame-ancestors 'none'") {
		t.Errorf("unknown: %s", got)
	}
	v := w.fill(path + "/embed")
	v.Del("t") // a plain form of the allowed site
	got := w.ask(http.MethodPost, path, v, "Origin", "https://www.makler.example")
	if got.status != 303 || got.header.Get("Location") != f.Redirect || w.all()[0].State != lead.Sent {
		t.Errorf("plain form: status %d to %q", got.status, got.header.Get("Location"))
	}
	v.Set("message", "anders")
	got = w.ask(http.MethodPost, path, v, "Origin", "https://www.makler.example", "Accept", "application/json")
	if got.status != 200 || got.header.Get("Access-Control-Allow-Origin") != "https://www.makler.example" || !strings.Contains(got.body, `"ok":true`) {
		t.Errorf("script: status %d, %s", got.status, got.body)
	}
	v.Set("email", "x")
	got = w.ask(http.MethodPost, path, v, "Origin", "https://www.makler.example.evil.example", "Accept", "application/json")
	if got.status != 422 || got.header.Get("Access-Control-Allow-Origin") != "" || !strings.Contains(got.body, `"email"`) {
		t.Errorf("foreign script: status %d, %v", got.status, got.header)
	}
}

func TestClosedFormsAndTheirPreview(t *testing.T) {
	w := newWorld(t)
	f := w.form(func(f *leadform.Form) { f.Active = false })
	path := leadpages.FormPath + f.Key()
	if got := w.ask(http.MethodGet, path, nil); got.status != 404 || !strings.Contains(got.body, "geschlossen") {
		t.Errorf("status %d", got.status)
	}
	if got := w.ask(http.MethodGet, path+"/embed?preview="+w.forms.Preview(f), nil); got.status != 200 || !strings.Contains(got.body, "disabled") || hidden.MatchString(got.body) {
		t.Errorf("preview: status %d: %s", got.status, got.body)
	}
	if got := w.ask(http.MethodGet, path+"?preview=x", nil); got.status != 404 {
		t.Errorf("made-up preview: status %d", got.status)
	}
}

func TestSignedForm(t *testing.T) {
	w := newWorld(t)
	f := w.form(func(f *leadform.Form) { f.Signed, f.Advertiser = true, "" })
	about := map[string]string{"advertiser": "4711", "advertiser_ref": "MA-9", "title": "Wohnung"}
	q := url.Values{"sig": {w.forms.Sign(f, about)}}
	for name, v := range about {
		q.Set(name, v)
	}
	path := leadpages.FormPath + f.Key()
	v := w.fill(path + "?" + q.Encode())
	for name := range q {
		v.Set(name, q.Get(name))
	}
	if got := w.ask(http.MethodPost, path, v, "Origin", home); got.status != 200 || w.all()[0].Object != "MA-9" {
		t.Errorf("status %d", got.status)
	}
	v.Set("advertiser_ref", "MA-1")
	if got := w.ask(http.MethodPost, path, v, "Origin", home); got.status != 404 {
		t.Errorf("another object: status %d", got.status)
	}
	if got := w.ask(http.MethodGet, path, nil); got.status != 404 {
		t.Errorf("no object: status %d", got.status)
	}
}

// An entry that cannot be kept comes back whole.
func TestNothingTypedIsLost(t *testing.T) {
	w := newWorld(t)
	path := leadpages.FormPath + w.form(nil).Key()
	v := w.fill(path)
	w.store.Fail = func(method string) error {
		if method == "TakeLead" {
			return io.ErrUnexpectedEOF
		}
		return nil
	}
	if got := w.ask(http.MethodPost, path, v, "Origin", home); got.status != 503 || !strings.Contains(got.body, "Noch frei?") || !strings.Contains(got.body, v.Get("t")) {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	w.store.Fail = nil
	if got := w.ask(http.MethodPost, path, v, "Origin", home); got.status != 200 || len(w.all()) != 1 {
		t.Errorf("status %d, %d leads", got.status, len(w.all()))
	}
	if got := w.ask(http.MethodPost, path, url.Values{"message": {strings.Repeat("x", 200_000)}}); got.status != 400 {
		t.Errorf("too long: status %d", got.status)
	}
	if strings.Contains(w.log.String(), "eva@") {
		t.Error("the log names a prospect")
	}
}

// submit sends a lead to the advertiser.
func (w *world) submit(test bool) lead.Lead {
	w.Helper()
	r, err := w.leads.Submit(w.Context(), ingest.Principal{Tenant: w.owner, Actor: "key_1", Door: "http"}, lead.Enquiry{Test: test,
		Advertiser: lead.AdvertiserRef{ID: "4711"}, Object: openimmo.Object{AdvertiserRef: "MA-1"}, Prospect: openimmo.Prospect{LastName: "Geheim", Email: "geheim@example.org"}})
	if err != nil {
		w.Fatal(err)
	}
	return r.Lead
}

func (w *world) link(l lead.Lead) string { return strings.TrimPrefix(w.leads.LinkOf(l), home) }

var check = regexp.MustCompile(`Prüfcode in der Datei: (\S{9})`)

func TestReceiverConfirms(t *testing.T) {
	w := newWorld(t)
	l := w.submit(true)
	path := w.link(l)
	page := w.ask(http.MethodGet, path, nil)
	if page.status != 200 || page.header.Get("Referrer-Policy") != "no-referrer" || strings.Contains(page.body, "geheim") || strings.Contains(page.body, "Bestätigt am") {
		t.Errorf("status %d: %s", page.status, page.body)
	}
	_, xml, err := w.leads.Open(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	code := check.FindStringSubmatch(string(xml))[1]
	if got := w.ask(http.MethodPost, path, url.Values{"body": {"AAAA-BBBB"}}); got.status != 422 || !strings.Contains(got.body, "gehört zu keinem Teil") {
		t.Errorf("a wrong code: status %d", got.status)
	}
	if got := w.ask(http.MethodPost, path, url.Values{"xml": {code}}); got.status != 200 || !strings.Contains(got.body, "Die XML-Datei kam an") {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	for range 9 {
		w.ask(http.MethodPost, path, url.Values{"body": {"AAAA-BBBB"}})
	}
	w.from = "192.0.2.99"
	if got := w.ask(http.MethodPost, path, url.Values{"body": {"AAAA-BBBB"}}); got.status != 429 {
		t.Errorf("guesses from elsewhere: status %d", got.status)
	}
	if got := w.ask(http.MethodPost, path, url.Values{"none": {"1"}}); got.status != 200 || !strings.Contains(got.body, "Fall 1") {
		t.Errorf("nothing arrived: status %d: %s", got.status, got.body)
	}
}

func TestReceiverReports(t *testing.T) {
	w := newWorld(t)
	path := w.link(w.submit(false))
	if got := w.ask(http.MethodGet, path, nil); got.status != 200 || strings.Contains(got.body, "eheim") {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	if page, _ := w.cases.Cases(t.Context(), w.owner, leadcase.Filter{Limit: 9}); len(page.Cases) != 0 {
		t.Error("looking opened a case")
	}
	if got := w.ask(http.MethodPost, path, url.Values{"text": {"<script>"}}); got.status != 422 || !strings.Contains(got.body, "&lt;script&gt;") {
		t.Errorf("without a kind: status %d", got.status)
	}
	if got := w.ask(http.MethodPost, path, url.Values{"kind": {"no_xml"}, "text": {"Anhang fehlt"}}); got.status != 200 || !strings.Contains(got.body, "Fall 1") {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	all := strings.TrimPrefix(w.leads.LinkOfAdvertiser(w.owner, "4711"), home)
	if got := w.ask(http.MethodPost, all, url.Values{"kind": {"missing"}, "object": {"MA-2"}, "from": {"2026-11-20"}, "to": {"morgen"}}); got.status != 200 || !strings.Contains(got.body, "Fall 2") {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	mine, err := w.cases.CasesOf(t.Context(), w.owner, "4711")
	if err != nil || len(mine) != 2 || mine[0].Object != "MA-2" || mine[0].From.IsZero() || !mine[0].To.IsZero() {
		t.Errorf("cases %+v, %v", mine, err)
	}
}

// T25: what does not hold looks all the same; other methods and too many are refused.
func TestOddRequests(t *testing.T) {
	w := newWorld(t)
	path := w.link(w.submit(false))
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, path[:len(path)-2] + "AA", 404}, {http.MethodGet, lead.ReportPath + "x", 404}, {http.MethodGet, strings.Replace(path, "report", "confirm", 1), 404},
		{http.MethodPut, path, 405}, {http.MethodGet, leadpages.FormPath, 404}, {http.MethodGet, leadpages.FormPath + "..%2f..%2fetc", 404}, {http.MethodHead, path, 200},
		{http.MethodGet, leadpages.FormPath + "embed.js", 200}, {http.MethodGet, leadpages.FormPath + "style.css", 200},
	} {
		if got := w.ask(c.method, c.path, nil); got.status != c.want {
			t.Errorf("%s %s: status %d", c.method, c.path, got.status)
		}
	}
	for range 60 {
		w.ask(http.MethodGet, path, nil)
	}
	if got := w.ask(http.MethodGet, path, nil); got.status != 429 || got.header.Get("Retry-After") == "" {
		t.Errorf("status %d", got.status)
	}
}
