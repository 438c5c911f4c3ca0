package lead_test

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/ingest/ingesttest"
	"stafette/internal/lead"
	"stafette/internal/lead/leadtest"
	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
)

// world is a service over real ingest with stores in memory.
type world struct {
	*testing.T
	service  *lead.Service
	store    *leadtest.Store
	accepted *ingesttest.Store
	keeper   *seal.Keeper
	now      time.Time
	who      ingest.Principal
}

func newWorld(t *testing.T) *world {
	t.Helper()
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, store: &leadtest.Store{}, accepted: &ingesttest.Store{}, keeper: keeper, now: time.Date(2026, 11, 22, 23, 30, 0, 0, time.UTC)}
	tenants := &tenanttest.Store{}
	owner := id.New[tenant.Kind](w.now)
	if err := tenants.Found(t.Context(), tenant.Founding{
		Tenant:  tenant.Tenant{ID: owner, Name: "Portal Muster", State: tenant.Active},
		Domains: []tenant.Domain{{ID: id.New[tenant.DomainKind](w.now), Tenant: owner, Name: "portal.example", State: tenant.Verified}},
	}); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return w.now }
	w.who = ingest.Principal{Tenant: owner, Actor: "key_1", Door: "http"}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	w.service = lead.New(lead.Config{Store: w.store, Tenants: tenants, Keeper: keeper, Now: now, Zone: berlin,
		Acceptor: ingest.New(ingest.Config{Store: w.accepted, Tenants: tenants, Keeper: keeper, Now: now})})
	return w
}

func address(t testing.TB, text string) message.Address {
	t.Helper()
	a, err := message.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (w *world) enquiry() lead.Enquiry {
	return lead.Enquiry{
		Advertiser: lead.AdvertiserRef{ID: "4711", Name: "Makler Muster", Emails: []message.Address{address(w, "anfragen@makler.example"), address(w, "b@makler.example")}},
		Object:     openimmo.Object{PortalID: "P123", AdvertiserRef: "MA-1024", Title: "Haus zum Kauf", URL: "https://portal.example/expose/P123", City: "Dortmund", Marketing: []string{"KAUF"}},
		Prospect: openimmo.Prospect{Salutation: "Frau", FirstName: "Eva", LastName: "Müßter", Email: "eva@example.org", Phone: "+49 231 1",
			Preferred: []openimmo.Channel{openimmo.ByEmail}, Wishes: []openimmo.Wish{openimmo.Viewing}},
		Message: "Guten Tag,\r\nist das <Haus> noch frei? 🏡",
	}
}

func (w *world) submit(e lead.Enquiry) lead.Lead {
	w.Helper()
	r, err := w.service.Submit(w.Context(), w.who, e)
	if err != nil {
		w.Fatal(err)
	}
	return r.Lead
}

// mail is what was handed to ingest for the n-th lead.
func (w *world) mail(n int) []byte {
	w.Helper()
	all := w.accepted.Accepted()
	if len(all) <= n {
		w.Fatalf("%d mails accepted", len(all))
	}
	raw, err := w.keeper.OpenBody(all[n].Sealed, all[n].Message.Salt)
	if err != nil {
		w.Fatal(err)
	}
	return raw
}

func (w *world) part(raw []byte, media string) string {
	w.Helper()
	parts, err := message.Contents(raw)
	if err != nil {
		w.Fatal(err)
	}
	for _, p := range parts {
		if p.ContentType == media {
			return strings.ReplaceAll(string(p.Bytes), "\r\n", "\n")
		}
	}
	w.Fatalf("no %s in %q", media, raw)
	return ""
}

// A lead becomes one mail whose XML says what was asked, and whose words have the labels
// that readers without XML look for.
func TestSubmit(t *testing.T) {
	w := newWorld(t)
	l := w.submit(w.enquiry())
	if l.State != lead.Sent || l.Message.IsZero() || l.XML == ([32]byte{}) {
		t.Errorf("lead %+v", l)
	}
	all := w.accepted.Accepted()
	if len(all) != 1 || all[0].Message.Stream != tenant.Lead || len(all[0].Deliveries) != 2 || all[0].Message.Subject != "Objekt MA-1024 (Haus zum Kauf, Dortmund)" {
		t.Fatalf("accepted %+v", all)
	}
	raw := w.mail(0)
	if err := lead.Gate(raw); err != nil {
		t.Error(err)
	}
	got, _, err := openimmo.Read([]byte(w.part(raw, "application/xml")))
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != l.ID.String() || got.Sender != "Portal Muster" || got.AdvertiserID != "4711" || got.Prospect.LastName != "Müßter" ||
		got.Message != "Guten Tag,\nist das <Haus> noch frei? 🏡" || got.Date.Format(time.DateOnly) != "2026-11-23" {
		t.Errorf("read %+v", got)
	}
	text := w.part(raw, "text/plain")
	for _, want := range []string{"Vorname: Eva\n", "Nachname: Müßter\n", "Telefon: +49 231 1\n", "E-Mail: eva@example.org\n", "Anmerkungen/Fragen des Interessenten:\nGuten Tag,\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("text lacks %q:\n%s", want, text)
		}
	}
	if page := w.part(raw, "text/html"); !strings.Contains(page, "ist das &lt;Haus&gt;") || strings.Contains(page, "ps-kontaktanfrage") {
		t.Errorf("page %s", page)
	}
	for _, want := range []string{"X-Lead-ID: " + l.ID.String(), "Reply-To:", `filename="kontaktanfrage.xml"`, "From: Portal Muster <anfragen@portal.example>"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("mail lacks %q:\n%s", want, raw)
		}
	}
}

// Each profile has its bodies.
func TestProfiles(t *testing.T) {
	for body, want := range map[lead.Body][]string{
		lead.Propstack: {`<div id="ps-kontaktanfrage">`, `<span id="client_salutation">ms</span>`, `<span id="client_first_name">Eva</span>`, `<span id="body">Guten Tag,<br>`},
		lead.Lines:     {"Anbieter-Objekt-ID: MA-1024\n", "Telefon-Nummer: +49 231 1\n", "\nAnmerkungen:\n"},
	} {
		t.Run(string(body), func(t *testing.T) {
			w := newWorld(t)
			e := w.enquiry()
			p := lead.ProfileOf("")
			p.Body, p.Format, p.Encoding, p.FileName = body, openimmo.Immowelt, openimmo.Latin1, "objektanfrage.xml"
			if err := w.store.SaveAdvertiser(t.Context(), w.who.Tenant, lead.Advertiser{ID: "4711", Profile: p}); err != nil {
				t.Fatal(err)
			}
			w.submit(e)
			raw := w.mail(0)
			kind := "text/html"
			if body == lead.Lines {
				kind = "text/plain"
				if strings.Contains(string(raw), "text/html") {
					t.Error("lines came with HTML")
				}
			}
			if page := w.part(raw, kind); !slices.ContainsFunc(want, func(s string) bool { return strings.Contains(page, s) }) {
				t.Errorf("lacks %q:\n%s", want, page)
			}
			if xml := w.part(raw, "application/xml"); !strings.Contains(xml, "ISO-8859-1") || !strings.Contains(xml, "<objektanfrage>") || !strings.Contains(string(raw), "objektanfrage.xml") {
				t.Errorf("xml %s", xml)
			}
		})
	}
}

// T3: what mail or XML cannot carry is refused by name, and nothing is kept.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*lead.Enquiry)
		field  string
	}{
		"no number":         {func(e *lead.Enquiry) { e.Advertiser.ID = "" }, "advertiser/id"},
		"no address":        {func(e *lead.Enquiry) { e.Advertiser.Emails = nil }, "advertiser/emails"},
		"no object":         {func(e *lead.Enquiry) { e.Object.PortalID, e.Object.AdvertiserRef = "", "" }, "object/advertiser_ref"},
		"nobody to answer":  {func(e *lead.Enquiry) { e.Prospect.Email, e.Prospect.Phone = "", "" }, "prospect/email"},
		"line break":        {func(e *lead.Enquiry) { e.Object.Title = "a\r\nBcc: x@y.example" }, "object/title"},
		"line separator":    {func(e *lead.Enquiry) { e.Prospect.LastName = "a\u2028b" }, "prospect/last_name"},
		"control character": {func(e *lead.Enquiry) { e.Message = "a\vb" }, "message"},
		"not UTF-8":         {func(e *lead.Enquiry) { e.Prospect.FirstName = "\xff" }, "prospect/first_name"},
		"long":              {func(e *lead.Enquiry) { e.Message = strings.Repeat("ä", 10_001) }, "message"},
		"channel":           {func(e *lead.Enquiry) { e.Prospect.Preferred = []openimmo.Channel{"POST"} }, "prospect/preferred"},
		"script":            {func(e *lead.Enquiry) { e.Object.URL = "javascript:alert(1)" }, "object/url"},
		"format":            {func(e *lead.Enquiry) { e.Advertiser.Format = "csv" }, "advertiser/format"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			e := w.enquiry()
			c.change(&e)
			_, err := w.service.Submit(t.Context(), w.who, e)
			if f := fault.As(err); f == nil || f.Kind != fault.Invalid || f.Field != c.field {
				t.Errorf("got %v, want a refusal of %s", err, c.field)
			}
			if page, _ := w.store.Leads(t.Context(), w.who.Tenant, lead.Filter{Limit: 9, Tests: true}); len(page.Leads) != 0 {
				t.Error("it was kept")
			}
		})
	}
	w := newWorld(t)
	e := w.enquiry()
	e.Message = strings.Repeat("ä", 10_000)
	w.submit(e)
}

// The same key makes one lead, and the same key for something else is a conflict.
func TestIdempotency(t *testing.T) {
	w := newWorld(t)
	e := w.enquiry()
	e.Idempotency, e.RequestHash = "k", [32]byte{1}
	first := w.submit(e)
	again, err := w.service.Submit(t.Context(), w.who, e)
	if err != nil || !again.Replayed || again.ID != first.ID || len(w.accepted.Accepted()) != 1 {
		t.Errorf("again %+v, %v", again, err)
	}
	e.RequestHash = [32]byte{2}
	if _, err := w.service.Submit(t.Context(), w.who, e); fault.As(err) == nil || fault.As(err).Code != lead.CodeConflict {
		t.Errorf("misuse: %v", err)
	}
	w.now = w.now.Add(25 * time.Hour)
	if l := w.submit(e); l.ID == first.ID {
		t.Error("the key lasts for more than a day")
	}
}

// What was kept is sent, once, whatever failed after that.
func TestResume(t *testing.T) {
	for name, method := range map[string]string{"before the mail": "Accept", "after the mail": "SettleLead"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			broken := func(m string) error {
				if m == method {
					return errors.New("down")
				}
				return nil
			}
			w.store.Fail, w.accepted.Fail = broken, broken
			if l := w.submit(w.enquiry()); method == "Accept" && l.State != lead.Taken {
				t.Errorf("state %s", l.State)
			}
			w.store.Fail, w.accepted.Fail = nil, nil
			if err := w.service.Resume(t.Context(), w.now.Add(time.Second)); err != nil {
				t.Fatal(err)
			}
			if page, _ := w.store.Leads(t.Context(), w.who.Tenant, lead.Filter{Limit: 1}); page.Leads[0].State != lead.Taken {
				t.Error("a lead was taken from whoever has it in hand")
			}
			if err := w.service.Resume(t.Context(), w.now.Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			page, _ := w.store.Leads(t.Context(), w.who.Tenant, lead.Filter{Limit: 1})
			if l := page.Leads[0]; l.State != lead.Sent || len(w.accepted.Accepted()) != 1 || l.Message != w.accepted.Accepted()[0].Message.ID {
				t.Errorf("%+v after %d mails", l, len(w.accepted.Accepted()))
			}
		})
	}
}

// A lead whose mail is refused stops with its reason, and goes on when that is put right.
func TestStopped(t *testing.T) {
	w := newWorld(t)
	if err := w.store.SaveLeadSettings(t.Context(), w.who.Tenant, lead.Settings{From: "anfragen@fremd.example"}); err != nil {
		t.Fatal(err)
	}
	l := w.submit(w.enquiry())
	if l.State != lead.Stopped || l.Reason == "" || len(w.accepted.Accepted()) != 0 {
		t.Fatalf("lead %+v", l)
	}
	if err := w.store.SaveLeadSettings(t.Context(), w.who.Tenant, lead.Settings{Portal: "Anders", From: "leads@portal.example"}); err != nil {
		t.Fatal(err)
	}
	again, err := w.service.Again(t.Context(), w.who.Tenant, l.ID)
	if err != nil || again.State != lead.Sent || again.Reason != "" || !strings.Contains(string(w.mail(0)), "leads@portal.example") {
		t.Errorf("again %+v, %v", again, err)
	}
	if _, err := w.service.Again(t.Context(), w.who.Tenant, l.ID); fault.As(err) == nil || fault.As(err).Kind != fault.Conflict {
		t.Errorf("a third time: %v", err)
	}
	other := id.New[tenant.Kind](w.now)
	if _, err := w.service.Again(t.Context(), other, l.ID); fault.As(err) == nil || fault.As(err).Kind != fault.NotFound {
		t.Errorf("by another tenant: %v", err)
	}
}

// The two codes of a test lead prove which part of it arrived.
func TestCodes(t *testing.T) {
	w := newWorld(t)
	e := w.enquiry()
	e.Test = true
	l := w.submit(e)
	raw := w.mail(0)
	x, _, err := openimmo.Read([]byte(w.part(raw, "application/xml")))
	if err != nil || len(x.Extra) != 1 {
		t.Fatal(x, err)
	}
	body := regexp.MustCompile(`Prüfcode im Text: (\S+)\.`).FindStringSubmatch(w.part(raw, "text/plain"))[1]
	_, inside, _ := strings.Cut(x.Message, "Prüfcode in der Datei: ")
	if strings.Contains(w.part(raw, "text/plain"), inside) || inside == body {
		t.Error("the words tell the code of the XML")
	}
	for entered, want := range map[string]lead.Proof{
		body: {Body: true}, inside: {XML: true}, " " + strings.ToLower(strings.ReplaceAll(inside, "-", " ")): {XML: true}, "": {}, "ABCD-2345": {},
	} {
		if got := w.service.Prove(l, entered); got != want {
			t.Errorf("%q proves %+v", entered, got)
		}
	}
	if !strings.HasSuffix(w.accepted.Accepted()[0].Message.Subject, "Test-Kontaktanfrage") || w.accepted.Accepted()[0].Message.Tags[0] != lead.TestTag {
		t.Error("not marked as a test")
	}
}

func TestGate(t *testing.T) {
	w := newWorld(t)
	w.submit(w.enquiry())
	good := string(w.mail(0))
	const head = "From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
	part := func(media, text string) string {
		return "--x\r\nContent-Type: " + media + "\r\n\r\n" + text + "\r\n"
	}
	xml := w.part([]byte(good), "application/xml")
	for name, c := range map[string]struct{ raw, code string }{
		"good":                 {good, ""},
		"under another type":   {head + part("text/plain", "Hallo") + part("application/octet-stream", xml) + "--x--\r\n", ""},
		"none":                 {head + part("text/plain", "Hallo") + "--x--\r\n", lead.CodeXMLMissing},
		"in the words":         {"From: a@b.example\r\n\r\nHallo <openimmo_feedback>\r\n", lead.CodeXMLMissing},
		"no mail":              {"", lead.CodeXMLMissing},
		"two":                  {head + part("application/xml", xml) + part("text/plain", xml) + "--x--\r\n", lead.CodeXMLMany},
		"torn":                 {head + part("application/xml", xml[:len(xml)/2]) + "--x--\r\n", lead.CodeXMLBroken},
		"something else":       {head + part("application/xml", "<rss/>") + "--x--\r\n", lead.CodeXMLBroken},
		"does not validate":    {head + part("application/xml", strings.Replace(xml, "<bevorzugt>EMAIL", "<bevorzugt>POST", 1)) + "--x--\r\n", lead.CodeXMLBroken},
		"one that only claims": {head + part("text/xml", "Hallo") + part("application/xml", xml) + "--x--\r\n", lead.CodeXMLMany},
	} {
		t.Run(name, func(t *testing.T) {
			code := ""
			if f := fault.As(lead.Gate([]byte(c.raw))); f != nil {
				code = f.Code
			}
			if code != c.code {
				t.Errorf("got %q, want %q", code, c.code)
			}
		})
	}
}

// The content is gone for good after its time; the lead stays.
func TestDrop(t *testing.T) {
	w := newWorld(t)
	l := w.submit(w.enquiry())
	e, xml, err := w.service.Open(t.Context(), l)
	if err != nil || e.Prospect.LastName != "Müßter" || len(xml) == 0 {
		t.Fatal(e, err)
	}
	if n, err := w.store.DropLeads(context.Background(), w.now.Add(time.Second), 10); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	l, err = w.store.Lead(t.Context(), w.who.Tenant, l.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.service.Open(t.Context(), l); fault.As(err) == nil || fault.As(err).Code != lead.CodeGone {
		t.Errorf("opened: %v", err)
	}
}

// What is set of an advertiser and of the sender is checked by name.
func TestSettings(t *testing.T) {
	w := newWorld(t)
	good := lead.Advertiser{ID: "1", Emails: []message.Address{address(t, "a@makler.example")}, Profile: lead.ProfileOf("propstack")}
	for name, c := range map[string]struct {
		change func(*lead.Advertiser)
		field  string
	}{
		"good":      {func(*lead.Advertiser) {}, ""},
		"emails":    {func(a *lead.Advertiser) { a.Emails = nil }, "emails"},
		"name":      {func(a *lead.Advertiser) { a.Name = "a\nb" }, "name"},
		"software":  {func(a *lead.Advertiser) { a.Profile.Software = "x" }, "software"},
		"format":    {func(a *lead.Advertiser) { a.Profile.Format = "csv" }, "format"},
		"encoding":  {func(a *lead.Advertiser) { a.Profile.Encoding = "EBCDIC" }, "encoding"},
		"body":      {func(a *lead.Advertiser) { a.Profile.Body = "x" }, "body"},
		"file name": {func(a *lead.Advertiser) { a.Profile.FileName = "../x.xml" }, "filename"},
		"no suffix": {func(a *lead.Advertiser) { a.Profile.FileName = "x" }, "filename"},
	} {
		a := good
		c.change(&a)
		field := ""
		if f := fault.As(w.service.SaveAdvertiser(t.Context(), w.who.Tenant, a)); f != nil {
			field = f.Field
		}
		if field != c.field {
			t.Errorf("%s: refused for %q", name, field)
		}
	}
	for from, ok := range map[string]bool{"": true, "leads@portal.example": true, "Portal <leads@portal.example>": true, "x@fremd.example": false, "x": false} {
		err := w.service.SaveSettings(t.Context(), w.who.Tenant, lead.Settings{From: from})
		if f := fault.As(err); (err == nil) != ok || err != nil && f.Field != "from" {
			t.Errorf("%q: %v", from, err)
		}
	}
}

// Erasing a person reaches the leads the person sent, and no others.
func TestErasure(t *testing.T) {
	w := newWorld(t)
	mine := w.submit(w.enquiry())
	e := w.enquiry()
	e.Prospect.Email = "max@example.org"
	others := w.submit(e)
	p := privacy.Person{Tenant: w.who.Tenant, Addresses: []message.Address{address(t, "EVA@example.org")}}
	holder := lead.Prospects{Service: w.service}
	if n, err := holder.Count(t.Context(), p); err != nil || n != 1 {
		t.Errorf("counted %d, %v", n, err)
	}
	erased := int64(0)
	for range 2 { // a job that was cut short begins anew
		if err := holder.Erase(t.Context(), p, func(n int64) error { erased += n; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	l, err := w.store.Lead(t.Context(), w.who.Tenant, mine.ID)
	if err != nil || erased != 1 || l.Sealed != nil || l.XML == ([32]byte{}) {
		t.Errorf("%d erased, lead %+v, %v", erased, l, err)
	}
	if l, err = w.store.Lead(t.Context(), w.who.Tenant, others.ID); err != nil || len(l.Sealed) == 0 {
		t.Errorf("another's lead is gone: %v", err)
	}
}
