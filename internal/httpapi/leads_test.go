package httpapi_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"stafette/internal/httpapi"
	"stafette/internal/lead"
	"stafette/internal/lead/openimmo"
)

// leadText is the request that docs and the contract show.
const leadText = `{"advertiser":{"id":"4711","name":"Makler Muster","emails":["anfragen@makler.example"],"format":"openimmo_feedback"},
	"object":{"portal_id":"P123","advertiser_ref":"MA-1024","title":"Haus zum Kauf","url":"https://portal.example/expose/P123","city":"Dortmund","marketing":"KAUF"},
	"prospect":{"salutation":"Frau","first_name":"Eva","last_name":"Muster","email":"eva@example.org","phone":"+49 231 1","preferred":"EMAIL","wish":"BESICHTIGUNG"},
	"message":"Ist es noch frei?","test":false}`

func (w *world) lead(body string) httpapi.TakenLead {
	w.Helper()
	return read[httpapi.TakenLead](w, w.post("/v1/leads", body), 202)
}

func TestTakeLead(t *testing.T) {
	w := newWorld(t)
	taken := w.lead(leadText)
	if taken.State != "sent" || taken.MessageID == nil {
		t.Fatalf("taken %+v", taken)
	}
	one := read[httpapi.Lead](w, w.ask(http.MethodGet, "/v1/leads/"+taken.ID.String(), w.key, nil), 200)
	if one.Enquiry == nil || one.Enquiry.Prospect.LastName != "Muster" || one.Enquiry.Object.Marketing != "KAUF" || one.Enquiry.Advertiser.Emails[0] != "anfragen@makler.example" {
		t.Errorf("read %+v", one)
	}
	xml := w.ask(http.MethodGet, "/v1/leads/"+taken.ID.String()+"/xml", w.key, nil)
	sum := sha256.Sum256([]byte(xml.body))
	got, _, err := openimmo.Read([]byte(xml.body))
	if err != nil || got.ID != taken.ID.String() || one.XML != hex.EncodeToString(sum[:]) {
		t.Errorf("XML %v %+v", err, got)
	}
	mail := w.store.Accepted()[0]
	if mail.Message.ID != *taken.MessageID || mail.Message.Stream != "lead" {
		t.Errorf("mail %+v", mail.Message)
	}
	if p := read[struct{ Data []httpapi.Lead }](w, w.ask(http.MethodGet, "/v1/leads?advertiser=4711&state=sent", w.key, nil), 200); len(p.Data) != 1 || p.Data[0].Enquiry != nil {
		t.Errorf("listed %+v", p)
	}
	w.wantProblem(w.ask(http.MethodPost, "/v1/leads/"+taken.ID.String()+"/retry", w.key, nil), 409, "lead_not_stopped", "")
	if _, err := w.leads.DropLeads(t.Context(), start.Add(time.Hour), 9); err != nil {
		t.Fatal(err)
	}
	w.wantProblem(w.ask(http.MethodGet, "/v1/leads/"+taken.ID.String()+"/xml", w.key, nil), 410, lead.CodeGone, "")
	if one := read[httpapi.Lead](w, w.ask(http.MethodGet, "/v1/leads/"+taken.ID.String(), w.key, nil), 200); one.Enquiry != nil || one.Object != "MA-1024" {
		t.Errorf("after its time: %+v", one)
	}
}

func TestBadLeads(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct{ from, to, code, pointer string }{
		"address":     {"anfragen@makler.example", "anfragen", "address_malformed", "/advertiser/emails/0"},
		"advertiser":  {`"id":"4711",`, ``, "field_missing", "/advertiser/id"},
		"unknown":     {`"test":false`, `"tset":false`, "", "/tset"},
		"line break":  {"Haus zum Kauf", `Haus\r\nBcc: a@b.example`, lead.CodeControl, "/object/title"},
		"separator":   {"Haus zum Kauf", `Haus\u2028`, lead.CodeControl, "/object/title"},
		"channel":     {`"EMAIL"`, `"POST"`, lead.CodeValue, "/prospect/preferred"},
		"no contact":  {`"email":"eva@example.org","phone":"+49 231 1",`, ``, lead.CodeContact, "/prospect/email"},
		"bad address": {"https://portal.example", "javascript:alert(1)//", lead.CodeValue, "/object/url"},
	} {
		t.Run(name, func(t *testing.T) {
			p := read[struct {
				Code   string
				Errors []httpapi.ProblemError
			}](w, w.post("/v1/leads", strings.Replace(leadText, c.from, c.to, 1)), 422)
			if len(p.Errors) == 0 || p.Errors[0].Pointer != c.pointer || c.code != "" && p.Errors[0].Code != c.code {
				t.Errorf("got %+v", p)
			}
		})
	}
	if n := len(w.store.Accepted()); n != 0 {
		t.Errorf("%d mails left", n)
	}
}

// T20: leads are listed, found and repeated by their own tenant alone.
func TestLeadsAreTheTenantsOwn(t *testing.T) {
	w := newWorld(t)
	w.lead(leadText)
	if p := read[struct{ Data []httpapi.Lead }](w, w.ask(http.MethodGet, "/v1/leads?tests=true", w.other, nil), 200); len(p.Data) != 0 {
		t.Errorf("listed %+v", p)
	}
}
