package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"stafette/internal/httpapi"
)

const formText = `{"name":"Haus","active":true,"advertiser_id":"4711","object":{"advertiser_ref":"MA-1024","title":"Haus"},"fields":{"email":"mandatory","message":"optional"},"notice":"Verantwortlich: wir."}`

func (w *world) leadForm() httpapi.LeadForm {
	w.Helper()
	w.lead(leadText) // the advertiser is known by it
	return read[httpapi.LeadForm](w, w.post("/v1/lead-forms", formText), 201)
}

func (w *world) leadCase() httpapi.LeadCase {
	w.Helper()
	return read[httpapi.LeadCase](w, w.post("/v1/lead-cases", `{"kind":"no_xml","lead_id":"`+w.lead(leadText).ID.String()+`","text":"ohne Datei"}`), 201)
}

func TestLeadFormsOverTheAPI(t *testing.T) {
	w := newWorld(t)
	made := w.leadForm()
	one := read[httpapi.LeadForm](w, w.ask(http.MethodGet, "/v1/lead-forms/"+made.ID.String(), w.key, nil), 200)
	if one.Key == "" || one.Key != made.Key || one.Object == nil || one.Object.AdvertiserRef != "MA-1024" || one.Fields["email"] != "mandatory" || !one.Active {
		t.Errorf("form %+v", one)
	}
	bad := strings.NewReplacer("4711", "gibtsnicht", `"email":"mandatory"`, `"email":"optional"`).Replace(formText)
	a := w.post("/v1/lead-forms", bad)
	w.wantProblem(a, 422, "lead_emails_missing", "/advertiser_id")
	if !strings.Contains(a.body, "/fields") {
		t.Errorf("the second mistake is not told: %s", a.body)
	}
	put := func(key, body string) answer {
		return w.ask(http.MethodPut, "/v1/lead-forms/"+made.ID.String(), key, strings.NewReader(body), "Content-Type", "application/json")
	}
	w.wantProblem(put(w.key, bad), 422, "lead_emails_missing", "/advertiser_id")
	w.wantProblem(put(w.other, formText), 404, "lead_form_not_found", "")
	other := strings.NewReplacer(`"name":"Haus"`, `"name":"Villa"`, `"title":"Haus"`, `"portal_id":"P9","marketing":"KAUF"`, `"active":true,`, ``).Replace(formText)
	changed := read[httpapi.LeadForm](w, put(w.key, other), 200)
	if changed.Name != "Villa" || changed.Active || changed.Key != made.Key || !changed.CreatedAt.Equal(made.CreatedAt) || changed.Object.PortalID != "P9" || changed.Object.Marketing != "KAUF" || changed.Object.Title != "" {
		t.Errorf("changed %+v", changed)
	}
	if a := w.ask(http.MethodGet, "/v1/lead-forms", w.other, nil); a.status != 200 || strings.Contains(a.body, made.ID.String()) {
		t.Errorf("another's list: %s", a.body)
	}
	if a := w.ask(http.MethodDelete, "/v1/lead-forms/"+made.ID.String(), w.key, nil); a.status != 204 {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
	if a := w.ask(http.MethodGet, "/v1/lead-forms", w.key, nil); strings.Contains(a.body, made.ID.String()) {
		t.Errorf("still there: %s", a.body)
	}
}

func TestLeadCasesOverTheAPI(t *testing.T) {
	w := newWorld(t)
	made := w.leadCase()
	if made.Number != 1 || made.State != "open" || made.Lead == nil || made.Advertiser != "4711" || made.ByAdvertiser {
		t.Fatalf("case %+v", made)
	}
	one := read[httpapi.LeadCase](w, w.ask(http.MethodGet, "/v1/lead-cases/"+made.ID.String(), w.key, nil), 200)
	if one.Evidence == nil || !one.Evidence.XMLValid || len(one.Notes) != 1 || one.Notes[0].Text != "ohne Datei" || one.Notes[0].By == "" {
		t.Errorf("read %+v", one)
	}
	w.wantProblem(w.post("/v1/lead-cases", `{"kind":"missing","advertiser_id":"gibtsnicht"}`), 422, "advertiser_not_found", "/advertiser_id")
	w.wantProblem(w.post("/v1/lead-cases", `{"kind":"missing","lead_id":"lead_unknown"}`), 404, "lead_not_found", "")
	if a := w.ask(http.MethodGet, "/v1/lead-cases?state=open", w.other, nil); a.status != 200 || strings.Contains(a.body, made.ID.String()) {
		t.Errorf("another's list: %s", a.body)
	}
	end := `{"outcome":"receiver","text":"Adresse eingetragen"}`
	closed := read[httpapi.LeadCase](w, w.post("/v1/lead-cases/"+made.ID.String()+"/close", end), 200)
	if closed.State != "closed" || closed.Outcome != "receiver" || closed.ClosedAt == nil || len(closed.Notes) != 2 {
		t.Errorf("closed %+v", closed)
	}
	w.wantProblem(w.post("/v1/lead-cases/"+made.ID.String()+"/close", end), 409, "lead_case_closed", "")
	if a := w.ask(http.MethodGet, "/v1/lead-cases?state=closed&kind=no_xml&advertiser=4711", w.key, nil); !strings.Contains(a.body, made.ID.String()) {
		t.Errorf("closed ones: %s", a.body)
	}
}
