package leadform_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/ingest/ingesttest"
	"stafette/internal/lead"
	"stafette/internal/lead/leadform"
	"stafette/internal/lead/leadtest"
	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
)

// world is the forms of one tenant over the real leads, with stores in memory.
type world struct {
	*testing.T
	forms    *leadform.Service
	leads    *lead.Service
	accepted *ingesttest.Store
	owner    tenant.ID
	now      time.Time
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
	w := &world{T: t, accepted: &ingesttest.Store{}, now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	w.owner = id.New[tenant.Kind](w.now)
	tenants := &tenanttest.Store{}
	if err := tenants.Found(t.Context(), tenant.Founding{Tenant: tenant.Tenant{ID: w.owner, Name: "Portal", State: tenant.Active},
		Domains: []tenant.Domain{{ID: id.New[tenant.DomainKind](w.now), Tenant: w.owner, Name: "portal.example", State: tenant.Verified}}}); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return w.now }
	w.leads = lead.New(lead.Config{Store: &leadtest.Store{}, Tenants: tenants, Keeper: keeper, Now: now,
		Acceptor: ingest.New(ingest.Config{Store: w.accepted, Tenants: tenants, Keeper: keeper, Now: now})})
	w.forms = leadform.New(leadform.Config{Store: &leadtest.Forms{}, Leads: w.leads, Keeper: keeper, Catalog: catalog, Now: now})
	a := lead.Advertiser{ID: "4711", Name: "Makler Muster", Emails: []message.Address{{Local: "anfragen", Domain: "makler.example"}}, Profile: lead.ProfileOf("")}
	if err := w.leads.SaveAdvertiser(t.Context(), w.owner, a); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) draft() leadform.Form {
	return leadform.Form{Tenant: w.owner, Name: "Haus", Active: true, Advertiser: "4711", Object: openimmo.Object{AdvertiserRef: "MA-1", Title: "Haus"},
		Fields:  map[leadform.Field]leadform.Need{leadform.Email: leadform.Mandatory, "last_name": leadform.Mandatory, leadform.Message: leadform.Optional, leadform.Persons: leadform.Optional, "pets": leadform.Optional},
		Origins: []string{"https://www.makler.example"}, Notice: "Verantwortlich: Portal."}
}

func (w *world) save(f leadform.Form) leadform.Form {
	w.Helper()
	f, err := w.forms.Save(w.Context(), f)
	if err != nil {
		w.Fatal(err)
	}
	return f
}

func code(err error) string {
	if f := fault.As(err); f != nil {
		return f.Code
	}
	return ""
}

func TestSaveAsksWhereAFormMayStand(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		change func(*leadform.Form)
		field  string
	}{
		"name":             {func(f *leadform.Form) { f.Name = " " }, "name"},
		"language":         {func(f *leadform.Form) { f.Lang = "fr" }, "language"},
		"no notice":        {func(f *leadform.Form) { f.Notice = "" }, "notice"},
		"unknown receiver": {func(f *leadform.Form) { f.Advertiser = "x" }, "advertiser"},
		"no object":        {func(f *leadform.Form) { f.Object.AdvertiserRef = "" }, "object"},
		"script":           {func(f *leadform.Form) { f.PrivacyURL = "javascript:alert(1)" }, "privacy_url"},
		"path":             {func(f *leadform.Form) { f.Origins = []string{"https://a.example/x"} }, "origins"},
		"star":             {func(f *leadform.Form) { f.Origins = []string{"https://*.example"} }, "origins"},
		"end of header":    {func(f *leadform.Form) { f.Origins = []string{"https://a.example; script-src *"} }, "origins"},
		"foreign thanks":   {func(f *leadform.Form) { f.Redirect = "https://evil.example/danke" }, "redirect"},
		"no way to answer": {func(f *leadform.Form) { f.Fields[leadform.Email] = leadform.Optional }, "fields"},
		"unknown field":    {func(f *leadform.Form) { f.Fields["iban"] = leadform.Optional }, "fields"},
	} {
		f := w.draft()
		c.change(&f)
		if _, err := w.forms.Save(t.Context(), f); fault.As(err) == nil || fault.As(err).Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := w.draft()
	f.Redirect = "https://www.makler.example/danke?x=1"
	f = w.save(f)
	if got, err := w.forms.Find(t.Context(), f.Key()); err != nil || got.ID != f.ID || got.Redirect != f.Redirect {
		t.Errorf("found %+v, %v", got, err)
	}
	for _, key := range []string{"", "x", f.Key() + "A", strings.Repeat("A", len(f.Key()))} {
		if _, err := w.forms.Find(t.Context(), key); code(err) != leadform.CodeUnknown {
			t.Errorf("key %q: %v", key, err)
		}
	}
}

// fill is an entry as a person makes it, some seconds after the page was shown.
func (w *world) fill(f leadform.Form) leadform.Entry {
	token := w.forms.NewToken(f)
	w.now = w.now.Add(20 * time.Second)
	return leadform.Entry{Token: token, Known: true, About: leadform.About{Advertiser: f.Advertiser, Object: f.Object},
		Values: map[leadform.Field]string{leadform.Email: "eva@example.org", "last_name": "Sommer", leadform.Message: "Noch frei?", leadform.Persons: "3", "pets": "no", "income": "to1500"}}
}

// One page is one lead, with everything that was asked and nothing that was not.
func TestTake(t *testing.T) {
	w := newWorld(t)
	f := w.save(w.draft())
	e := w.fill(f)
	first, err := w.forms.Take(t.Context(), f, e)
	if err != nil || first.State != lead.Sent || first.Reason != "" {
		t.Fatalf("taken %+v, %v", first, err)
	}
	again, err := w.forms.Take(t.Context(), f, e)
	if err != nil || again.ID != first.ID || len(w.accepted.Accepted()) != 1 {
		t.Errorf("sent again: %v, %v", again.ID, err)
	}
	e.Values[leadform.Message] = "Etwas anderes"
	if _, err := w.forms.Take(t.Context(), f, e); code(err) != leadform.CodeUsed {
		t.Errorf("the page with another text: %v", err)
	}
	q, raw, err := w.leads.Open(t.Context(), first.Lead)
	if err != nil || q.Message != "Noch frei?\n\nPersonen im Haushalt: 3\nHaustiere: nein" || !strings.Contains(string(raw), "<name>pets</name>") || strings.Contains(string(raw), "1500") {
		t.Errorf("enquiry %q, %v: %s", q.Message, err, raw)
	}
	f.Active = false
	if _, err := w.forms.Take(t.Context(), f, w.fill(f)); code(err) != leadform.CodeInactive {
		t.Errorf("closed: %v", err)
	}
}

func TestTakeNamesTheFieldsAtFault(t *testing.T) {
	w := newWorld(t)
	f := w.save(w.draft())
	for name, c := range map[string]struct {
		field leadform.Field
		value string
		code  string
	}{
		"missing": {"last_name", " ", leadform.CodeMissing}, "long": {"last_name", strings.Repeat("ä", 201), leadform.CodeLong}, "address": {leadform.Email, "eva@", "lead_form_email"},
		"number": {leadform.Persons, "1e3", "lead_form_number"}, "choice": {"pets", "<script>", leadform.CodeValue},
		"header": {"last_name", "Sommer\nBcc: x@y.example", lead.CodeControl}, "separator": {"last_name", "Som\u2028mer", lead.CodeControl}, "message": {leadform.Message, "a\x00b", lead.CodeControl},
	} {
		e := w.fill(f)
		e.Values[c.field] = c.value
		_, err := w.forms.Take(t.Context(), f, e)
		if got := fault.As(err); got == nil || got.Code != c.code || got.Field != string(c.field) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(w.accepted.Accepted()) != 0 {
		t.Error("a refused entry was sent")
	}
}

// What may be spam is kept, not sent and not refused.
func TestSuspicion(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world, leadform.Form, *leadform.Entry)
		want   string
	}{
		"person":          {func(*world, leadform.Form, *leadform.Entry) {}, ""},
		"trap":            {func(_ *world, _ leadform.Form, e *leadform.Entry) { e.Trap = "x" }, leadform.SuspectTrap},
		"fast":            {func(w *world, f leadform.Form, e *leadform.Entry) { e.Token = w.forms.NewToken(f) }, leadform.SuspectFast},
		"forged":          {func(_ *world, _ leadform.Form, e *leadform.Entry) { e.Token = strings.Repeat("A", len(e.Token)) }, leadform.SuspectToken},
		"of another form": {func(w *world, f leadform.Form, e *leadform.Entry) { f.ID[3]++; e.Token = w.forms.NewToken(f) }, leadform.SuspectToken},
		"from nowhere":    {func(_ *world, _ leadform.Form, e *leadform.Entry) { e.Token, e.Known = "", false }, leadform.SuspectToken},
		"plain form":      {func(_ *world, _ leadform.Form, e *leadform.Entry) { e.Token = "" }, ""},
		"flood":           {func(_ *world, _ leadform.Form, e *leadform.Entry) { e.Flood = true }, leadform.SuspectFlood},
		"links": {func(_ *world, _ leadform.Form, e *leadform.Entry) {
			e.Values[leadform.Message] = strings.Repeat("http://a.example ", 4)
		}, leadform.SuspectLinks},
		"same once more": {func(w *world, f leadform.Form, e *leadform.Entry) { w.take(f, w.fill(f)) }, leadform.SuspectRepeat},
		"same another time": {func(w *world, f leadform.Form, e *leadform.Entry) {
			w.take(f, w.fill(f))
			w.now = w.now.Add(25 * time.Hour)
			*e = w.fill(f)
		}, ""},
	} {
		w := newWorld(t)
		f := w.save(w.draft())
		e := w.fill(f)
		c.change(w, f, &e)
		before := len(w.accepted.Accepted())
		r, err := w.forms.Take(t.Context(), f, e)
		if err != nil || r.Reason != c.want || (r.State == lead.Suspect) != (c.want != "") {
			t.Errorf("%s: %+v, %v", name, r.Lead, err)
		}
		if sent := len(w.accepted.Accepted()) - before; (sent == 1) != (c.want == "") {
			t.Errorf("%s: %d mails", name, sent)
		}
	}
}

func (w *world) take(f leadform.Form, e leadform.Entry) {
	w.Helper()
	if _, err := w.forms.Take(w.Context(), f, e); err != nil {
		w.Fatal(err)
	}
}

func TestOldPagesAskForAnotherTry(t *testing.T) {
	w := newWorld(t)
	f := w.save(w.draft())
	e := w.fill(f)
	w.now = w.now.Add(leadform.TokenLasts)
	if _, err := w.forms.Take(t.Context(), f, e); code(err) != leadform.CodeStale {
		t.Errorf("stale: %v", err)
	}
}

// T25: whose object it is about cannot be made up.
func TestSignedParameters(t *testing.T) {
	w := newWorld(t)
	f := w.draft()
	f.Signed = true
	f = w.save(f)
	values := map[string]string{"advertiser": "4711", "advertiser_ref": "MA-7", "title": "Haus & Hof", "object_city": "Köln"}
	good := w.forms.Sign(f, values)
	about, err := w.forms.About(f, values, strings.ToUpper(good))
	if err != nil || about.Advertiser != "4711" || about.Object.AdvertiserRef != "MA-7" || about.Object.City != "Köln" {
		t.Errorf("about %+v, %v", about, err)
	}
	for name, change := range map[string]func(map[string]string) string{
		"another advertiser": func(v map[string]string) string { v["advertiser"] = "1"; return good },
		"moved": func(v map[string]string) string {
			v["advertiser_ref"] = "MA-7\ntitle=Haus & Hof"
			delete(v, "title")
			return good
		},
		"no signature":    func(map[string]string) string { return "" },
		"of another form": func(v map[string]string) string { g := f; g.ID[0]++; return w.forms.Sign(g, v) },
		"no object":       func(v map[string]string) string { delete(v, "advertiser_ref"); return w.forms.Sign(f, v) },
	} {
		v := map[string]string{}
		for k, s := range values {
			v[k] = s
		}
		if _, err := w.forms.About(f, v, change(v)); code(err) != leadform.CodeUnsigned {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzTake(f *testing.F) {
	f.Add("", "eva@example.org", "Hallo")
	f.Fuzz(func(t *testing.T, token, email, text string) {
		w := newWorld(t)
		form := w.save(w.draft())
		e := w.fill(form)
		e.Token, e.Values[leadform.Email], e.Values[leadform.Message] = token, email, text
		r, err := w.forms.Take(t.Context(), form, e)
		if err != nil && fault.As(err) == nil {
			t.Fatal(err)
		}
		if err == nil && token != "" && r.State != lead.Suspect {
			t.Errorf("token %q was made up and believed", token)
		}
	})
}
