package httpapi_test

import (
	"archive/zip"
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/consent"
	"stafette/internal/audience/intake"
	"stafette/internal/diagnosis"
	"stafette/internal/httpapi"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/signup"
	"stafette/internal/signup/signuptest"
	"stafette/internal/tenant"
)

// optins makes sign-up forms and consents over stores in memory.
func (w *world) optins(keeper *seal.Keeper, list *audience.Service, c *httpapi.Config, told *diagnosis.Service, catalog *i18n.Catalog) {
	now := func() time.Time { return start }
	w.consents = &signuptest.Store{Store: w.tenants}
	forms := signup.New(signup.Config{
		Store: w.consents, Audience: list, Contacts: c.Contacts, Groups: c.Groups, Acceptor: c.Acceptor, ParseMailbox: message.ParseMailbox,
		Usable: func(_ context.Context, t tenant.ID, domain string) (bool, error) {
			return t == w.tenant && domain == "muster.example", nil
		},
		Keeper: keeper, Catalog: catalog, PublicURL: "https://post.example", Now: now,
	})
	c.Optins = httpapi.Optins{Book: &consent.Book{Store: w.consents, Hasher: list, Now: now}, Forms: forms,
		Evidence: signup.Evidence{Service: forms, Prover: told, Mail: w.reader, Bodies: w.reader, Zone: time.UTC}}
}

const paper = `{"address":"Eva@Kunde.example","purpose":"newsletter","basis":"written","wording":"Ja, ich will.","evidence":"Ordner 7"}`

// paperConsent is one of the world's tenant.
func (w *world) paperConsent() httpapi.ConsentRecord {
	w.Helper()
	return read[httpapi.ConsentRecord](w, w.post("/v1/consents", paper), 201)
}

func TestConsentsOverTheAPI(t *testing.T) {
	w := newWorld(t)
	w.wantProblem(w.post("/v1/consents", `{"address":"eva","purpose":"newsletter","basis":"written"}`), 422, "address_malformed", "/address")
	w.wantProblem(w.post("/v1/consents", `{"address":"eva@kunde.example","purpose":"newsletter","basis":"double_opt_in"}`), 422, "consent_basis", "/basis")
	w.wantProblem(w.post("/v1/consents", `{"address":"eva@kunde.example","purpose":"newsletter","basis":"existing_customer","sale":"R-1","goods":"Wohnungen"}`), 422, "consent_missing", "/no_objection")
	w.wantProblem(w.post("/v1/consents", strings.Replace(paper, `{`, `{"group_id":"`+w.group().ID.String()+`",`, 1)), 422, "group_not_found", "/group_id")
	c := w.paperConsent()
	if c.State != consent.Given || c.WordingVersion == "" || c.Address == nil || *c.Address != "Eva@kunde.example" || !strings.HasPrefix(c.Actor, "key_") {
		t.Errorf("%+v", c)
	}
	type listing struct {
		Data []httpapi.ConsentRecord `json:"data"`
		Next *string                 `json:"next"`
	}
	second := w.paperConsent()
	l := read[listing](w, w.get("/v1/consents?address=eva%40kunde.example&limit=1&state=given"), 200)
	if len(l.Data) != 1 || l.Next == nil {
		t.Fatalf("%+v", l)
	}
	first := l.Data[0].ID // both are of the same millisecond: either may be
	if l = read[listing](w, w.get("/v1/consents?address=Eva%40kunde.example&limit=1&after="+*l.Next), 200); len(l.Data) != 1 || l.Data[0].ID == first || l.Data[0].ID != c.ID && l.Data[0].ID != second.ID {
		t.Errorf("%+v", l)
	}
	if l = read[listing](w, w.ask(http.MethodGet, "/v1/consents", w.other, nil), 200); len(l.Data) != 0 {
		t.Errorf("foreign consents: %+v", l)
	}
	w.wantProblem(w.get("/v1/consents?after=x"), 422, "id_malformed", "")

	path := "/v1/consents/" + c.ID.String()
	file := w.get(path + "/evidence")
	pack, err := zip.NewReader(strings.NewReader(file.body), int64(len(file.body)))
	if err != nil || file.header.Get("Content-Type") != "application/zip" || !slices.ContainsFunc(pack.File, func(f *zip.File) bool { return f.Name == "consent.json" }) {
		t.Errorf("%v %v", file.header, err)
	}
	ended := read[httpapi.ConsentRecord](w, w.post(path+"/withdraw", ""), 200)
	if ended.State != consent.Withdrawn || ended.Way != "api" || ended.WithdrawnAt == nil {
		t.Errorf("%+v", ended)
	}
	if s := w.get("/v1/suppressions"); !strings.Contains(s.body, `"unsubscribed"`) {
		t.Errorf("withdrawn, and written to: %s", s.body)
	}
	w.wantProblem(w.post(path+"/withdraw", ""), 409, "consent_state", "")
}

// signupDraft is a form that takes no entries yet: the world's tenant has no imprint.
func (w *world) signupDraft(change ...string) string {
	w.Helper()
	return strings.NewReplacer(append(change, "GROUP", w.storedGroup())...).Replace(
		`{"name":"Fußzeile","title":"Brief","group_id":"GROUP","purpose":"newsletter","from":"Muster <info@muster.example>","fields":{"family_name":"optional"},"wording":"Ja.","notice":"Wir.","origins":["https://muster.example"]}`)
}

func (w *world) signupForm() httpapi.SignupForm {
	w.Helper()
	return read[httpapi.SignupForm](w, w.post("/v1/signup-forms", w.signupDraft()), 201)
}

func TestSignupFormsOverTheAPI(t *testing.T) {
	w := newWorld(t)
	w.wantProblem(w.post("/v1/signup-forms", w.signupDraft("GROUP", "grp_x")), 422, "signup_group", "/group_id")
	w.wantProblem(w.post("/v1/signup-forms", w.signupDraft(`"name"`, `"active":true,"name"`)), 422, "signup_imprint", "/active")
	w.wantProblem(w.post("/v1/signup-forms", w.signupDraft("info@muster", "info@fremd")), 422, "signup_from", "/from")
	f := w.signupForm()
	if f.Days != 7 || f.Fields["family_name"] != "optional" || f.Fields["company"] != "hidden" || !strings.HasPrefix(f.URL, "https://post.example/anmelden/") {
		t.Errorf("%+v", f)
	}
	path := "/v1/signup-forms/" + f.ID.String()
	w.tenants.SetProfile(w.tenant, tenant.Profile{Imprint: "Muster GmbH\nKai 1, 20457 Hamburg"})
	put := w.ask(http.MethodPut, path, w.key, strings.NewReader(w.signupDraft(`"name"`, `"active":true,"days":3,"name"`)), "Content-Type", "application/json")
	if g := read[httpapi.SignupForm](w, put, 200); !g.Active || g.Days != 3 || g.ID != f.ID || g.URL != f.URL {
		t.Errorf("%+v", g)
	}
	if a := w.get("/v1/signup-forms"); !strings.Contains(a.body, f.ID.String()) {
		t.Error(a.body)
	}
	if a := w.ask(http.MethodGet, "/v1/signup-forms", w.other, nil); a.status != 200 || strings.Contains(a.body, "sgn_") {
		t.Error(a.body)
	}
	if a := w.ask(http.MethodDelete, path, w.key, nil); a.status != 204 {
		t.Error(a.status, a.body)
	}
	w.wantProblem(w.get(path), 404, "signup_form_not_found", "")
}

// startImport imports a list into a new group of the world's tenant.
func (w *world) startImport(query, list string) httpapi.ImportRecord {
	w.Helper()
	a := w.ask(http.MethodPost, "/v1/groups/"+w.storedGroup()+"/imports?"+query, w.key, strings.NewReader(list), "Content-Type", "text/csv")
	return read[httpapi.ImportRecord](w, a, 202)
}

func TestImportsOverTheAPI(t *testing.T) {
	w := newWorld(t)
	const list = "\ufeffE-Mail;Vorname\r\nanna@a.example;Ännchen\r\nkeine;X\r\nben@b.example;Ben\r\nBEN@b.example;Ben\r\n"
	group := w.storedGroup()
	post := func(query string) answer {
		return w.ask(http.MethodPost, "/v1/groups/"+group+"/imports?"+query, w.key, strings.NewReader(list), "Content-Type", "text/csv")
	}
	for range intake.MaxOpen + 1 { // a list that is refused is not kept
		w.wantProblem(post("source="), 422, "import_source_missing", "/query/source")
	}
	w.wantProblem(post("source=Messe&columns=given_name,company"), 422, "import_no_address", "/query/columns")
	i := w.startImport("source=Messe+2026&name=messe.csv&tags=messe", list)
	if i.State != intake.Running || i.Rows != 4 || !slices.Equal(i.Columns, []string{"email", "given_name"}) || i.Name != "messe.csv" {
		t.Fatalf("%+v", i)
	}
	path := "/v1/imports/" + i.ID.String()
	w.wantProblem(w.post(path+"/undo", ""), 409, "import_not_revocable", "")
	w.importAll()
	done := read[httpapi.ImportRecord](w, w.get(path), 200)
	if done.State != intake.Done || done.Created != 2 || done.Refused != 1 || done.Known+done.Twice != 1 || done.Done != 4 || !done.Undoable {
		t.Errorf("%+v", done)
	}
	faults := read[struct {
		Data []httpapi.ImportFault `json:"data"`
	}](w, w.get(path+"/faults"), 200)
	if len(faults.Data) != 1 || faults.Data[0].Line != 3 || faults.Data[0].Value != "keine" {
		t.Errorf("%+v", faults)
	}
	if a := w.get("/v1/groups/" + i.GroupID.String() + "/imports"); !strings.Contains(a.body, i.ID.String()) {
		t.Error(a.body)
	}
	if back := read[httpapi.ImportRecord](w, w.post(path+"/undo", ""), 200); back.State != intake.Undoing {
		t.Errorf("%+v", back)
	}
	w.importAll()
	if back := read[httpapi.ImportRecord](w, w.get(path), 200); back.State != intake.Undone || back.Undoable {
		t.Errorf("%+v", back)
	}
	stopped := w.startImport("source=Messe", list)
	if a := read[httpapi.ImportRecord](w, w.post("/v1/imports/"+stopped.ID.String()+"/cancel", ""), 200); a.State != intake.Cancelled {
		t.Errorf("%+v", a)
	}
}

// importAll does what the background would.
func (w *world) importAll() {
	w.Helper()
	for n := 1; n > 0; {
		var err error
		if n, err = w.imports.Turn(w.Context()); err != nil {
			w.Fatal(err)
		}
	}
}

// A list over the limit is refused while it comes in, and nothing of it is kept.
func TestImportIsBounded(t *testing.T) {
	w := newWorld(t, func(c *httpapi.Config, _ *ingest.Config) { c.Limits.Roll = 100_000 })
	a := w.ask(http.MethodPost, "/v1/groups/"+w.storedGroup()+"/imports?source=Messe", w.key, bytes.NewReader(bytes.Repeat([]byte("a@b.example\n"), 20_000)))
	w.wantProblem(a, 413, "request_too_large", "")
}
