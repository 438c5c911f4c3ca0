package demo

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"stafette/internal/tracking"
)

// Each reader fetches what its kind fetches, and nothing from anywhere else.
func TestReaders(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Method+" "+r.URL.Path)
		http.Redirect(w, r, "https://elsewhere.example/", http.StatusFound)
	}))
	t.Cleanup(server.Close)
	page := fmt.Sprintf(`<a href="%[1]s/l/1">Grundriss</a> <a href='%[1]s/l/2'>Umgebung</a><a href="https://elsewhere.example/">x</a><p><a href="%[1]s/tracking/t">Ende</a></p>
<a href="%[1]s/l/3" rel="nofollow" aria-hidden="true" tabindex="-1" style="display:none"></a><img src="%[1]s/o/1" width="1"><img src="https://elsewhere.example/p.gif">`, server.URL)
	r := newReaders(slog.New(slog.NewTextHandler(t.Output(), nil)))
	t.Cleanup(func() { _ = r.close() })
	for who, want := range map[reader][]string{
		person:      {"GET /o/1", "GET /l/1"},
		gmail:       {"GET /o/1"},
		apple:       {"GET /o/1"},
		scanner:     {"HEAD /l/1", "GET /l/1", "HEAD /l/2", "GET /l/2", "HEAD /tracking/t", "GET /tracking/t", "HEAD /l/3", "GET /l/3"},
		"safelinks": {"GET /l/1", "GET /l/2", "GET /tracking/t", "GET /l/3"},
		"mimecast":  {"GET /o/1", "GET /l/1", "GET /l/2", "GET /tracking/t", "GET /l/3"},
		"barracuda": {"HEAD /l/1", "GET /l/1", "HEAD /l/2", "GET /l/2", "HEAD /tracking/t", "GET /tracking/t", "HEAD /l/3", "GET /l/3"},
	} {
		seen = nil
		if err := r.read(t.Context(), who, page); err != nil || !slices.Equal(seen, want) {
			t.Errorf("%s fetched %v, %v", who, seen, err)
		}
	}
	if err := r.fetch(t.Context(), http.MethodGet, "http://192.0.2.1/", "x", false); err == nil || !strings.Contains(err.Error(), "not on this machine") {
		t.Errorf("another machine: %v", err)
	}
}

// Gateways that name themselves are told by their name, in both languages; the other one
// calls itself a browser, and has to show by what it does.
func TestGatewaysAreKnown(t *testing.T) {
	rules, err := tracking.LoadRules()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range gatewaysKnown() {
		if a := rules.Agent(g.agent); g.agent != "" && (a.Sign != "scanner" || !strings.EqualFold(a.Name, string(g.who))) {
			t.Errorf("%s is taken for %+v", g.who, a)
		}
		for _, lang := range []string{"de", "en"} {
			if key := "read." + string(g.who); translate(lang, key) == key {
				t.Errorf("%s has no name in %s", g.who, lang)
			}
		}
		if readerOf(string(g.who)+"@posteo.example") != g.who {
			t.Errorf("nobody reads the mailbox of %s", g.who)
		}
	}
}
