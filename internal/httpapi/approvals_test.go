package httpapi_test

import (
	"crypto/rand"
	"net/http"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/httpapi"
)

const submission = `{"sources":[{"kind":"double_opt_in","form_url":"https://muster.example/anmelden","description":"Anmeldung mit Bestätigung per E-Mail"}],
	"contact":{"name":"J. Petersen","email":"j@muster.example"}}`

// group makes a group of the world's tenant.
func (w *world) group() audience.Group {
	w.Helper()
	g, err := audience.NewGroups(w.groups, &audiencetest.Contacts{}, func() time.Time { return start }).Create(w.Context(), w.tenant, audience.Group{Name: rand.Text(), Kind: audience.Static}, "usr_1")
	if err != nil {
		w.Fatal(err)
	}
	return g
}

func TestApprovalOverTheAPI(t *testing.T) {
	w := newWorld(t)
	path := "/v1/groups/" + w.group().ID.String() + "/approval"
	post := func(path, key, body string) answer {
		return w.ask(http.MethodPost, path, key, strings.NewReader(body), "Content-Type", "application/json")
	}
	if a := read[httpapi.ApprovalStatus](w, w.ask(http.MethodGet, path, w.key, nil), 200); a.State != "required" {
		t.Errorf("%+v", a)
	}
	w.wantProblem(post(path, w.key, strings.Replace(submission, "/anmelden", "", 1)), 422, "approval_form_home", "/sources/0/form_url")
	if a := read[httpapi.ApprovalStatus](w, post(path, w.key, submission), 200); a.State != "in_review" || a.Due == nil {
		t.Errorf("%+v", a)
	}
	w.wantProblem(post(path, w.key, submission), 409, "approval_step", "")
	w.wantProblem(w.ask(http.MethodGet, "/v1/platform/reviews", w.key, nil), 403, "platform_only", "")
	list := read[struct {
		Data []httpapi.Review `json:"data"`
	}](w, w.ask(http.MethodGet, "/v1/platform/reviews", w.staff, nil), 200)
	if len(list.Data) != 1 || list.Data[0].Tenant != w.tenant {
		t.Fatalf("%+v", list)
	}
	decide := "/v1/platform/reviews/" + list.Data[0].ID.String() + "/decision"
	w.wantProblem(post(decide, w.key, `{"decision":"approve","reason":"Alles in Ordnung."}`), 403, "platform_only", "")
	w.wantProblem(post(decide, w.staff, `{"decision":"approve","reason":"ja"}`), 422, "approval_reason", "/reason")
	read[httpapi.Review](w, post(decide, w.staff, `{"decision":"question","reason":"Welcher Wortlaut gilt seit wann?"}`), 200)
	if a := read[httpapi.ApprovalStatus](w, w.ask(http.MethodGet, path, w.key, nil), 200); a.State != "question" || a.Question != "Welcher Wortlaut gilt seit wann?" || a.Due != nil {
		t.Errorf("%+v", a)
	}
	read[httpapi.ApprovalStatus](w, post(path+"/answer", w.key, `{"text":"Seit März: „Ja, bitte.“"}`), 200)
	read[httpapi.Review](w, post(decide, w.staff, `{"decision":"approve","reason":"Anmeldung mit Bestätigung belegt."}`), 200)
	if a := read[httpapi.ApprovalStatus](w, w.ask(http.MethodGet, path, w.key, nil), 200); a.State != "approved" || a.Reason == "" {
		t.Errorf("%+v", a)
	}
}
