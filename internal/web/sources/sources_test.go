package sources_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/web/webtest"
)

// operator is a desk at which an operator sits.
func operator(t *testing.T) *webtest.Desk {
	t.Helper()
	return webtest.Open(t).SignIn(webtest.Staff)
}

// fields of a sound form for a new source.
func fields() url.Values {
	return url.Values{"name": {"post2"}, "node": {"eins"}, "ip": {"192.0.2.18"}, "ehlo": {"post2.stafette.example"}, "state": {"new"},
		"weight": {"10"}, "valid_until": {"2027-12-01T08:30"}, "pool-massen": {"on"}}
}

// TestASourceIsSetUpChangedAndUndone is the way an operator goes.
func TestASourceIsSetUpChangedAndUndone(t *testing.T) {
	d := operator(t)
	if a := d.Post("/platform/sources/new-source", fields()); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %s", a.StatusCode, a.Text)
	}
	list := d.Get("/platform/sources").Text
	for _, want := range []string{"post2", "192.0.2.18", "192.0.2.17, post2", "Aufwärmphase seit"} {
		if !strings.Contains(list, want) {
			t.Errorf("the list lacks %q", want)
		}
	}
	change := fields()
	change.Set("weight", "55")
	change.Set("version", "1")
	if a := d.Post("/platform/sources/source/post2", change); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d", a.StatusCode)
	}
	text := d.Get("/platform/sources/source/post2").Text
	if !strings.Contains(text, "Gewicht: 10 → 55") || !strings.Contains(text, `value="2027-12-01T08:30"`) {
		t.Error("the history or the date in the reader's zone is missing")
	}
	// Somebody who still has the first version open overwrites nothing.
	change.Set("weight", "1")
	if a := d.Post("/platform/sources/source/post2", change); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, "inzwischen geändert") {
		t.Errorf("status %d for an old version", a.StatusCode)
	}
	undo := url.Values{"thing": {"source"}, "name": {"post2"}, "version": {"2"}}
	if a := d.Post("/platform/sources/restore", undo); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("undo: status %d", a.StatusCode)
	}
	if text := d.Get("/platform/sources/source/post2").Text; !strings.Contains(text, "Gewicht: 55 → 10") {
		t.Error("undo did not bring the weight back")
	}
}

// TestARefusedFormComesBack with each problem at its field and what was typed.
func TestARefusedFormComesBack(t *testing.T) {
	d := operator(t)
	form := fields()
	form.Set("ip", "192.0.2.99")
	form.Set("ehlo", "<script>")
	a := d.Post("/platform/sources/new-source", form)
	if a.StatusCode != http.StatusUnprocessableEntity {
		t.Fatalf("status %d", a.StatusCode)
	}
	for _, want := range []string{`id="ip-problem"`, "Der Rechner hat diese Adresse nicht", `id="ehlo-problem"`, `value="192.0.2.99"`, "2 Angaben"} {
		if !strings.Contains(a.Text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(a.Text, "<script>") {
		t.Error("typed words are run")
	}
}

func TestPools(t *testing.T) {
	d := operator(t)
	form := url.Values{"name": {"eilig"}, "member-192.0.2.17": {"on"}, "weight-192.0.2.17": {"30"}, "member-neu": {"on"}}
	if a := d.Post("/platform/sources/new-pool", form); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %s", a.StatusCode, a.Text)
	}
	if text := d.Get("/platform/sources").Text; !strings.Contains(text, "192.0.2.17 (Gewicht 30), neu") {
		t.Error("the pool is not listed with its weights")
	}
	if a := d.Post("/platform/sources/pool/eilig/remove", url.Values{"version": {"1"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("remove: status %d", a.StatusCode)
	}
	if a := d.Post("/platform/sources/pool/massen/remove", url.Values{"version": {"0"}}); a.StatusCode != http.StatusConflict {
		t.Errorf("a pool in use: status %d", a.StatusCode)
	}
	if a := d.Post("/platform/sources/assign", url.Values{"tenant": {"nobody"}, "pool": {"massen"}}); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, `id="tenant-problem"`) {
		t.Errorf("an unknown tenant: status %d", a.StatusCode)
	}
	if a := d.Post("/platform/sources/assign", url.Values{"stream": {"newsletter"}, "end": {"1"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("end of an assignment: status %d", a.StatusCode)
	}
}

// TestThingsToDoAreDone: alarms end, tasks are ticked off and opened again, and the
// name servers are asked when somebody wants it.
func TestThingsToDoAreDone(t *testing.T) {
	d := operator(t)
	text := d.Get("/platform").Text
	if !strings.Contains(text, "T-Online nimmt von 192.0.2.17 nichts an") || !strings.Contains(text, "https://postmaster.t-online.de/") {
		t.Error("the staff's first page does not tell of the alarm with its way out")
	}
	task := url.Values{"source": {"neu"}, "task": {"snds"}}
	for path, form := range map[string]url.Values{
		"/platform/sources/alarm": {"source": {"192.0.2.17"}, "provider": {"tonline"}},
		"/platform/sources/task":  task, "/platform/sources/check": {},
	} {
		if a := d.Post(path, form); a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: status %d", path, a.StatusCode)
		}
	}
	if text = d.Get("/platform/sources").Text; strings.Contains(text, "T-Online nimmt von") || !strings.Contains(text, "Eine Aufgabe erledigt") || d.World.Outlets().Checks != 1 {
		t.Error("what was done does not show")
	}
	task.Set("open", "1")
	d.Post("/platform/sources/task", task)
	if text = d.Get("/platform/sources").Text; strings.Contains(text, "Eine Aufgabe erledigt") {
		t.Error("the task is not open again")
	}
	for _, odd := range []url.Values{{"source": {"neu"}, "task": {"yahoo"}}, {"task": {"x"}}} {
		if a := d.Post("/platform/sources/task", odd); a.StatusCode != http.StatusNotFound {
			t.Errorf("%v: status %d", odd, a.StatusCode)
		}
	}
}

func TestWarmUp(t *testing.T) {
	d := operator(t)
	text := d.Get("/platform/warm-up").Text
	for _, want := range []string{"GMX", "Tag 7 von 18", "260 von 800", "mx.kunde.example", "<rect"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for step, want := range map[string]string{"pause": "Angehalten bei Tag 7 von 18", "resume": "Tag 7 von 18", "skip": "Tag 8 von 18", "finish": "Wieder aufnehmen"} {
		d := operator(t)
		if step == "resume" {
			d.Post("/platform/warm-up", url.Values{"source": {"neu"}, "provider": {"gmx"}, "step": {"pause"}})
		}
		if a := d.Post("/platform/warm-up", url.Values{"source": {"neu"}, "provider": {"gmx"}, "step": {step}}); a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: status %d", step, a.StatusCode)
		}
		if text := d.Get("/platform/warm-up").Text; !strings.Contains(text, want) {
			t.Errorf("after %s the page lacks %q", step, want)
		}
	}
}

// TestForeignWordsStayWords: what providers and name servers say is shown, not run.
func TestForeignWordsStayWords(t *testing.T) {
	d := operator(t)
	for _, path := range []string{"/platform", "/platform/sources", "/platform/sources/source/192.0.2.17"} {
		if text := d.Get(path).Text; strings.Contains(text, "NOWL <x>") || strings.Contains(text, "dyn.example <x>") {
			t.Errorf("%s: foreign words unescaped", path)
		}
	}
}

// TestTheBoardIsNarrowedSortedAndExported: one search for all its tables.
func TestTheBoardIsNarrowedSortedAndExported(t *testing.T) {
	d := operator(t)
	for address, want := range map[string][]string{
		"/platform/sources/sources.csv?sort=-weight":  {"\ufeffAbsender-IP-Adresse;Adresse", "192.0.2.17"},
		"/platform/sources/sources.csv?state=new":     {"neu;2001:4860:17::24"},
		"/platform/sources/pools.csv?q=massen":        {"massen;192.0.2.17"},
		"/platform/sources/assignments.csv":           {";massen", d.World.Tenant.Name},
		"/platform/sources/todo.csv?q=554":            {"554 IP=192.0.2.17 - NOWL"},
		"/platform/sources?q=massen&sort=-source":     {"massen"},
		"/platform/sources?state=retired&q=gibtnicht": {"Nichts passt zu diesem Filter."},
	} {
		webtest.Expect(t, d.Get(address), http.StatusOK, want...)
	}
	if text := d.Get("/platform/sources/sources.csv?state=new").Text; strings.Contains(text, "192.0.2.17;") {
		t.Errorf("a source in use is new: %s", text)
	}
}
