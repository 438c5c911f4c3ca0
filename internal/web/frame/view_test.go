package frame_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"stafette/internal/web/frame"
)

func listing() frame.Listing {
	return frame.Listing{
		Path: "/things", Filters: []string{"q"}, Sort: "time", Descending: true,
		Columns: []frame.Column{{Key: "time", Sortable: true}, {Key: "name", Sortable: true}, {Key: "note", Extra: true}},
	}
}

// A view's addresses keep what the reader chose, drop what nobody could choose, and
// go back to the first page with every change.
func TestViewAddresses(t *testing.T) {
	for query, want := range map[string]string{
		"":                                "/things",
		"?sort=name&after=x":              "/things?sort=name",
		"?sort=note":                      "/things",
		"?sort=-evil&q=%20a%20b%20&x=y":   "/things?q=a+b",
		"?col=note&col=evil&q=%ff":        "/things?col=note",
		"?col=name&col=time&sort=-name":   "/things?col=time&col=name&sort=-name",
		"?after=%3Cscript%3E&sort=--name": "/things",
	} {
		v := frame.ReadView(httptest.NewRequest(http.MethodGet, "/things"+query, nil), listing())
		if got := v.First(); got != want {
			t.Errorf("%q: first page at %s, want %s", query, got, want)
		}
	}
	v := frame.ReadView(httptest.NewRequest(http.MethodGet, "/things?q=a&after=k1", nil), listing())
	for got, want := range map[string]string{
		v.With("after", "k2"):   "/things?after=k2&q=a",
		v.With("sort", "name"):  "/things?q=a&sort=name",
		v.Export("/things.csv"): "/things.csv?q=a",
		v.Plain():               "/things",
		v.Filter("q") + v.After: "ak1",
	} {
		if got != want {
			t.Errorf("address %s, want %s", got, want)
		}
	}
	if !v.Shows("time") || v.Shows("note") || v.Shows("evil") {
		t.Error("shown columns are not those of the start")
	}
}
