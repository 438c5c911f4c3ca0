package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"stafette/internal/httpapi"
)

// template is the identifier of a new template of w.tenant.
func (w *world) template() string {
	w.Helper()
	name := fmt.Sprintf("Vorlage %d", len(read[listedTemplates](w, w.get("/v1/templates"), 200).Data))
	return read[httpapi.TemplateVersion](w, w.post("/v1/templates", `{"name":"`+name+`","subject":"x","html":"x"}`), 201).ID.String()
}

type listedTemplates struct{ Data []httpapi.TemplateRecord }

// A template is made, sent by its name, changed and deleted; whatever does not fit is told
// at its field before anything is stored.
func TestTemplateFromMakingToSending(t *testing.T) {
	w := newWorld(t)
	made := read[httpapi.TemplateVersion](w, w.post("/v1/templates", `{"name":"Auftrag","subject":"Auftrag {{order.number}}","html":"<p>{{name}}</p>","text":"{{name}}"}`), 201)
	if made.Version != 1 || strings.Join(made.Variables, " ") != "name order.number" || made.Language != "de" {
		t.Errorf("made %+v", made)
	}
	w.wantProblem(w.post("/v1/templates", `{"name":"AUFTRAG","subject":"x","html":"x"}`), 409, "template_name_taken", "/name")
	w.wantProblem(w.post("/v1/templates", `{"name":"b","subject":"x","html":"{{#loop x}}{{/loop}}"}`), 422, "template_helper", "/html")
	w.wantProblem(w.post("/v1/templates", `{"name":"b","subject":"x","html":"x","mjml":"y"}`), 422, "template_mode", "/html")
	w.wantProblem(w.post("/v1/templates", `{"name":"b","subject":"x","blocks":{"version":1,"blocks":[{"kind":"text","script":"x"}]}}`), 422, "block_kind_unknown", "/blocks")
	w.wantProblem(w.post("/v1/templates", `{"name":"b","subject":"x","blocks":{"version":1,"blocks":[{"kind":"picture","picture":"https://a.example/b.png"},{"kind":"footer"}]}}`), 422, "block_alt_missing", "/blocks/0/alt")

	send := func(rest string) answer {
		return w.post("/v1/messages", `{"from":"info@muster.example","to":["eva@kunde.example"],`+rest+`}`)
	}
	read[httpapi.Accepted](w, send(`"template":"auftrag","data":{"name":"Eva <b>","order":{"number":7}}`), 202)
	if got := w.store.Accepted()[len(w.store.Accepted())-1].Message.Subject; got != "Auftrag 7" {
		t.Errorf("subject %q", got)
	}
	before := len(w.store.Accepted())
	w.wantProblem(send(`"template":"auftrag","data":{"name":"Eva","order":{}}`), 422, "template_data_missing", "/data/order/number")
	w.wantProblem(send(`"template":"auftrag","data":{"name":"Eva","order":{"number":1},"nmae":1}`), 422, "template_data_unknown", "/data/nmae")
	w.wantProblem(send(`"template":"auftrag","data":{"name":"Eva","order":{"number":"1\r\nBcc: x@example.org"}}`), 422, "header_has_line_break", "/data/order/number")
	w.wantProblem(send(`"template":"nirgends"`), 422, "template_not_found", "/template")
	w.wantProblem(send(`"template":"auftrag","subject":"x"`), 422, "template_and_content", "/template")
	w.wantProblem(send(`"subject":"x","text":"x","data":{"a":1}`), 422, "template_and_content", "/data")
	batch := w.post("/v1/messages/batch", `{"messages":[{"from":"info@muster.example","to":["eva@kunde.example"],"template":"auftrag","data":{"name":"a","order":{"number":1}}},
		{"from":"info@muster.example","to":["eva@kunde.example"],"template":"auftrag","data":{}}]}`)
	if !strings.Contains(batch.body, "/messages/1/data/name") || !strings.Contains(batch.body, `"status":202`) {
		t.Errorf("batch %s", batch.body)
	}
	if n := len(w.store.Accepted()) - before; n != 1 {
		t.Errorf("%d messages were stored, 1 was right", n)
	}

	one := "/v1/templates/" + made.ID.String()
	put := func(key, body string) answer {
		return w.ask(http.MethodPut, one, key, strings.NewReader(body), "Content-Type", "application/json")
	}
	saved := read[httpapi.TemplateVersion](w, put(w.key, `{"version":1,"language":"en","subject":"Order","html":"<p>"}`), 200)
	if saved.Version != 2 || strings.Join(saved.Languages, " ") != "de en" {
		t.Errorf("saved %+v", saved)
	}
	w.wantProblem(put(w.key, `{"version":1,"subject":"Order","html":"<p>"}`), 409, "template_changed", "")
	w.wantProblem(put(w.other, `{"subject":"Order","html":"<p>"}`), 404, "template_not_found", "")
	if got := read[httpapi.TemplateVersion](w, w.get(one+"?language=en"), 200); got.Subject != "Order" {
		t.Errorf("read %+v", got)
	}
	if list := read[listedTemplates](w, w.ask(http.MethodGet, "/v1/templates", w.other, nil), 200); len(list.Data) != 0 {
		t.Errorf("another tenant sees %d templates", len(list.Data))
	}
	if a := w.ask(http.MethodDelete, one, w.key, nil); a.status != 204 {
		t.Errorf("deleted: %d %s", a.status, a.body)
	}
	w.wantProblem(w.get(one), 404, "template_not_found", "")
}
