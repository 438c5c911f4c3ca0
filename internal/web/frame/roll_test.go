package frame_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"stafette/internal/web/frame"
)

type animal struct {
	name string
	legs int
}

func animals() (frame.Roll[animal], []animal) {
	return frame.Roll[animal]{
		Listing: frame.Listing{Path: "/tiere", Filters: []string{"kind"}, Sort: "name"},
		Cells: []frame.Cell[animal]{
			{Column: frame.Column{Key: "name", Title: "Name"}, Text: func(a animal) string { return a.name }},
			{Column: frame.Column{Key: "legs", Title: "Beine"}, Text: func(a animal) string { return strconv.Itoa(a.legs) }, Order: func(a, b animal) int { return a.legs - b.legs }},
			{Column: frame.Column{Key: "action", Title: "Aktion"}},
		},
	}, []animal{{"Spinne", 8}, {"assel", 14}, {"=Huhn", 2}}
}

func TestRoll(t *testing.T) {
	roll, rows := animals()
	for query, want := range map[string]string{
		"": "=Huhn assel Spinne ", "?sort=-name": "Spinne assel =Huhn ", "?sort=legs": "=Huhn Spinne assel ", "?sort=-legs&q=S": "assel Spinne ",
		"?q=14": "assel ", "?q=nichts": "", "?sort=action": "=Huhn assel Spinne ", "?kind=x": "=Huhn assel Spinne ",
	} {
		v, found := roll.Read(httptest.NewRequest(http.MethodGet, "/tiere"+query, nil), rows)
		have := ""
		for _, a := range found {
			have += a.name + " "
		}
		if have != want {
			t.Errorf("%s: have %q, want %q", query, have, want)
		}
		if len(v.Columns) != 3 || v.Columns[2].Sortable || !v.Columns[1].Sortable {
			t.Errorf("columns %+v", v.Columns)
		}
	}
	if rows[0].name != "Spinne" {
		t.Error("the caller's rows were put in order")
	}
}

func TestRollAsAFile(t *testing.T) {
	roll, rows := animals()
	w := httptest.NewRecorder()
	if err := roll.CSV(w, frame.Page{}, "tiere", rows[1:]); err != nil {
		t.Fatal(err)
	}
	if want := "\ufeffName;Beine\nassel;14\n'=Huhn;2\n"; w.Body.String() != want {
		t.Errorf("have %q, want %q", w.Body, want)
	}
}
