package demo

import (
	"encoding/csv"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"

	"stafette/internal/approval"
	"stafette/internal/message"
)

// Lists that a visitor imports name only mailboxes of this world, and only those rows are
// wrong that are meant to be.
func TestSampleListsStayInTheirWorld(t *testing.T) {
	w, _ := start(t, Options{})
	wrong := map[string]int{"tag-der-offenen-tuer.csv": 2} // no domain, and none at all
	files, err := fs.ReadDir(assets, "assets/lists")
	if err != nil || len(files) == 0 {
		t.Fatalf("no lists: %v", err)
	}
	for _, f := range files {
		answer, body := get(t, w.MailboxURL()+ListsPath+f.Name())
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", f.Name(), answer.Status)
		}
		r := csv.NewReader(strings.NewReader(body))
		r.Comma = ';'
		rows, err := r.ReadAll()
		if err != nil || len(rows) < 2 || rows[0][0] != "E-Mail" {
			t.Errorf("%s cannot be read: %v", f.Name(), err)
			continue
		}
		refused := 0
		for _, row := range rows[1:] {
			a, err := message.ParseAddress(row[0])
			if err != nil {
				refused++
			} else if !slices.ContainsFunc(w.post.providers, func(p provider) bool { return p.takes(a.Domain) }) {
				t.Errorf("%s: nobody takes mail for %s", f.Name(), row[0])
			}
		}
		if refused != wrong[f.Name()] {
			t.Errorf("%s has %d wrong rows, want %d", f.Name(), refused, wrong[f.Name()])
		}
	}
}

// What the businesses say of their groups is something a reviewer gets to see.
func TestSamplesCanBeSubmitted(t *testing.T) {
	samples, err := Samples()
	if err != nil {
		t.Fatal(err)
	}
	decided := map[approval.Decision]string{}
	for _, s := range samples {
		if err := s.Said.Check(); err != nil {
			t.Errorf("%s: %v", s.Group.Name, err)
		}
		if lines := strings.Count(s.Rows, "\n") - 1; lines != s.Said.Sources[0].Count {
			t.Errorf("%s says %d, its list has %d", s.Group.Name, s.Said.Sources[0].Count, lines)
		}
		decided[s.Decision] = s.Domain
	}
	if decided[approval.DecideQuestion] != studioDomain || decided[approval.DecideReject] != wineDomain {
		t.Errorf("decided: %v", decided)
	}
}
