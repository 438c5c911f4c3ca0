package lead_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/lead"
	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/tenant"
)

func (w *world) code(err error) string {
	if f := fault.As(err); f != nil {
		return f.Code
	}
	return ""
}

// What may be spam is kept and waits; released it goes out once, as any other.
func TestSuspectsWaitForAPerson(t *testing.T) {
	w := newWorld(t)
	e := w.enquiry()
	e.Suspicion, e.RequestHash = "form_trap", [32]byte{5}
	l := w.submit(e)
	if l.State != lead.Suspect || l.Reason != "form_trap" || len(w.accepted.Accepted()) != 0 {
		t.Fatalf("lead %+v", l)
	}
	w.now = w.now.Add(time.Hour)
	if err := w.service.Resume(t.Context(), w.now); err != nil || len(w.accepted.Accepted()) != 0 {
		t.Fatalf("resumed: %v", err)
	}
	if twin, err := w.service.HasTwin(t.Context(), l.Tenant, "4711", [32]byte{5}, l.TakenAt); err != nil || !twin {
		t.Errorf("twin %v, %v", twin, err)
	}
	list, err := lead.Waiting{Store: w.store}.Todos(t.Context(), l.Tenant, w.now)
	if err != nil || len(list) != 1 || list[0].Kind != "leads_suspect" || !list[0].Since.Equal(l.TakenAt) {
		t.Errorf("to do %+v, %v", list, err)
	}
	got, err := w.service.Release(t.Context(), l.Tenant, l.ID)
	if err != nil || got.State != lead.Sent || len(w.accepted.Accepted()) != 1 {
		t.Errorf("released %+v, %v", got, err)
	}
	for name, do := range map[string]func() (lead.Lead, error){
		"release": func() (lead.Lead, error) { return w.service.Release(t.Context(), l.Tenant, l.ID) },
		"discard": func() (lead.Lead, error) { return w.service.Discard(t.Context(), l.Tenant, l.ID) },
	} {
		if _, err := do(); w.code(err) != lead.CodeNotSuspect {
			t.Errorf("%s again: %v", name, err)
		}
	}
	if len(w.accepted.Accepted()) != 1 {
		t.Error("it went twice")
	}
}

func TestDiscardedAndErasedSuspectsHaveNoContent(t *testing.T) {
	w := newWorld(t)
	e := w.enquiry()
	e.Suspicion = "form_fast"
	first, second := w.submit(e), w.submit(e)
	got, err := w.service.Discard(t.Context(), first.Tenant, first.ID)
	if err != nil || got.State != lead.Discarded || got.Sealed != nil {
		t.Errorf("discarded %+v, %v", got, err)
	}
	who := privacy.Person{Tenant: second.Tenant, Addresses: []message.Address{address(t, "eva@example.org")}}
	h := lead.Prospects{Service: w.service}
	if n, err := h.Count(t.Context(), who); err != nil || n != 1 {
		t.Errorf("%d leads of the person, %v", n, err)
	}
	if err := h.Erase(t.Context(), who, func(int64) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got, err = w.service.Lead(t.Context(), second.Tenant, second.ID); err != nil || got.State != lead.Discarded || got.Sealed != nil {
		t.Errorf("erased %+v, %v", got, err)
	}
	if list, err := (lead.Waiting{Store: w.store}).Todos(t.Context(), second.Tenant, w.now); err != nil || len(list) != 0 {
		t.Errorf("to do %+v, %v", list, err)
	}
}

// The codes of a test lead prove which part arrived; both make the advertiser verified.
func TestConfirm(t *testing.T) {
	w := newWorld(t)
	e := w.enquiry()
	e.Test = true
	l := w.submit(e)
	xml, err := openXML(w, l)
	if err != nil {
		t.Fatal(err)
	}
	inside := after(xml, "Prüfcode in der Datei: ")
	body := after(w.part(w.mail(0), "text/plain"), "Prüfcode im Text: ")
	if _, err := w.service.Confirm(t.Context(), l, []string{inside, "AAAA-AAAA"}, false); w.code(err) != lead.CodeCode {
		t.Errorf("a wrong code: %v", err)
	}
	if p, err := w.service.Proven(t.Context(), l.Tenant, l.ID); err != nil || p != (lead.Proven{}) {
		t.Errorf("proven by a wrong code: %+v, %v", p, err)
	}
	p, err := w.service.Confirm(t.Context(), l, []string{" " + strings.ToLower(body), ""}, true)
	if err != nil || p.Body.IsZero() || !p.XML.IsZero() || p.CRM.IsZero() {
		t.Errorf("the text: %+v, %v", p, err)
	}
	w.now = w.now.Add(time.Hour)
	p, err = w.service.Confirm(t.Context(), l, []string{inside}, false)
	if err != nil || p.XML.IsZero() || !p.Body.Before(p.XML) {
		t.Errorf("the file: %+v, %v", p, err)
	}
	if a, err := w.service.Advertiser(t.Context(), l.Tenant, "4711"); err != nil || !a.Profile.VerifiedOn.Equal(w.now) {
		t.Errorf("verified on %v, %v", a.Profile.VerifiedOn, err)
	}
	real := w.submit(w.enquiry())
	if p, err := w.service.Confirm(t.Context(), real, nil, true); err != nil || p != (lead.Proven{}) {
		t.Errorf("a real lead is proven: %+v, %v", p, err)
	}
}

func openXML(w *world, l lead.Lead) (string, error) {
	_, raw, err := w.service.Open(w.Context(), l)
	return string(raw), err
}

// after is the code that follows words.
func after(text, words string) string {
	_, rest, _ := strings.Cut(text, words)
	return rest[:9]
}

// linked is the world with links in its mails.
func linked(t *testing.T) (*world, *lead.Service) {
	w := newWorld(t)
	return w, lead.New(lead.Config{Store: w.store, Keeper: w.keeper, PublicURL: "https://post.example", Now: func() time.Time { return w.now }})
}

// T25: a link cannot be made up, altered, used on another page or after its time; what
// does not hold is refused in the same way.
func TestLinksOfReceiversAreCapabilities(t *testing.T) {
	w, s := linked(t)
	l := w.submit(w.enquiry())
	e := w.enquiry()
	e.Test = true
	test := w.submit(e)
	token := func(url, path string) string { return strings.TrimPrefix(url, "https://post.example"+path) }
	report, confirm, all := token(s.LinkOf(l), lead.ReportPath), token(s.LinkOf(test), lead.ConfirmPath), token(s.LinkOfAdvertiser(l.Tenant, "4711"), lead.ReportPath)
	if v, err := s.Reporting(t.Context(), report); err != nil || v.Lead == nil || v.Lead.ID != l.ID || v.Advertiser != "4711" || v.Tenant != l.Tenant {
		t.Errorf("report %+v, %v", v, err)
	}
	if v, err := s.Confirming(t.Context(), confirm); err != nil || v.Lead.ID != test.ID {
		t.Errorf("confirm %+v, %v", v, err)
	}
	if v, err := s.Reporting(t.Context(), all); err != nil || v.Lead != nil || v.Advertiser != "4711" {
		t.Errorf("of the advertiser %+v, %v", v, err)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(report)
	for i := range raw {
		bad := append([]byte(nil), raw...)
		bad[i] ^= 1
		if _, err := s.Reporting(t.Context(), base64.RawURLEncoding.EncodeToString(bad)); w.code(err) != lead.CodeLink {
			t.Fatalf("byte %d altered: %v", i, err)
		}
	}
	for name, text := range map[string]string{"of another page": confirm, "empty": "", "long": strings.Repeat("A", 5000), "padded": report + "=",
		"of nobody": token(s.LinkOfAdvertiser(l.Tenant, "x"), lead.ReportPath), "of another tenant": token(s.LinkOfAdvertiser(id.New[tenant.Kind](w.now), "4711"), lead.ReportPath)} {
		if _, err := s.Reporting(t.Context(), text); w.code(err) != lead.CodeLink {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Confirming(t.Context(), report); w.code(err) != lead.CodeLink {
		t.Errorf("a report confirms: %v", err)
	}
	w.now = w.now.Add(lead.Kept + time.Minute)
	if _, err := s.Reporting(t.Context(), report); w.code(err) != lead.CodeLink {
		t.Errorf("after its time: %v", err)
	}
	if newWorld(t).service.LinkOf(l) != "" {
		t.Error("a link without an address")
	}
}

func FuzzReporting(f *testing.F) {
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		_, s := linked(t)
		if _, err := s.Reporting(t.Context(), token); err == nil {
			t.Errorf("%q was made up and holds", token)
		}
	})
}

// T3: further facts stand in the XML, and nothing in them ends a line.
func TestExtra(t *testing.T) {
	w := newWorld(t)
	e := w.enquiry()
	e.Extra = []openimmo.Extra{{Name: "persons", Value: "3"}}
	if xml, err := openXML(w, w.submit(e)); err != nil || !strings.Contains(xml, "<name>persons</name>") || !strings.Contains(xml, "<wert>3</wert>") {
		t.Errorf("%v: %s", err, xml)
	}
	e.Extra[0].Value = "3\r\nBcc: x@y.example"
	if _, err := w.service.Submit(t.Context(), w.who, e); w.code(err) != lead.CodeControl {
		t.Errorf("a line break: %v", err)
	}
}
