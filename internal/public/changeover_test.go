package public_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/changeover/affected"
	"stafette/internal/changeover/announce"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/public"
)

// announcer knows one token and notes what was done with it.
type announcer struct {
	view    announce.View
	changed []string
}

func (a *announcer) open(token string) error {
	if token != "gut" {
		return fault.New(fault.NotFound, "changeover_link_unknown", "There is no such link.")
	}
	return nil
}

func (a *announcer) Open(_ context.Context, token string) (announce.View, error) {
	return a.view, a.open(token)
}

func (a *announcer) Hear(_ context.Context, token string, v affected.Answer) error {
	a.changed = append(a.changed, "answer "+string(v))
	return a.open(token)
}

func (a *announcer) Order(_ context.Context, token string) error {
	a.changed = append(a.changed, "test")
	return a.open(token)
}

func (a *announcer) Enter(_ context.Context, token, text string) (announce.Entered, error) {
	a.changed = append(a.changed, "codes "+text)
	return announce.Entered{Body: 1}, a.open(token)
}

func (a *announcer) Questions(_ context.Context, c, _ string) (announce.View, announce.Announcement, error) {
	return a.view, announce.Announcement{AskedAt: start}, a.open(c)
}

func changeoverPages(t *testing.T, perMinute int) (*announcer, func(method, path string, form url.Values, header ...string) (*http.Response, string)) {
	t.Helper()
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	a := &announcer{view: announce.View{Days: 42,
		Customer: affected.Customer{Name: "Lund <script>alert(1)</script>", Tests: []affected.Test{{Source: "neu-a", SentAt: start}}},
		Plan:     changeover.Changeover{CutoverAt: start, OverlapUntil: start.Add(42 * 24 * time.Hour), UpdatedAt: start}, Portal: "Hafenkontor", CanTest: true,
		New: []announce.Address{{Source: "neu-a", IP: "192.0.2.18", EHLO: "neu-a.mail.example"}}, Contact: "it@hafenkontor.example", Unconcerned: []string{"onOffice"},
	}}
	server := httptest.NewServer(public.NewChangeovers(public.ChangeoverConfig{Announcer: a, Catalog: catalog, PerMinute: perMinute, Now: func() time.Time { return start }}))
	t.Cleanup(server.Close)
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return a, func(method, path string, form url.Values, header ...string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer, string(text)
	}
}

// Mail scanners follow every link: a link may not confirm anything.
func TestLookingAtCustomersPageChangesNothing(t *testing.T) {
	a, ask := changeoverPages(t, 100)
	for _, path := range []string{"gut", "gut?answer=added&done=answered", "gut/answer?answer=added", "gut/test", "gut/codes?codes=x"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			ask(method, announce.Path+path, nil)
		}
	}
	if len(a.changed) > 0 {
		t.Errorf("looking did %v", a.changed)
	}
	answer, text := ask(http.MethodGet, announce.Path+"gut", nil)
	if answer.StatusCode != http.StatusOK || strings.Contains(text, "<script") || !strings.Contains(text, "192.0.2.18 (neu-a.mail.example)") {
		t.Errorf("status %d: %s", answer.StatusCode, text)
	}
	if h := answer.Header; h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" || !strings.Contains(h.Get("Content-Security-Policy"), "form-action 'self'") || h.Get("Set-Cookie") != "" {
		t.Errorf("header %v", h)
	}
	if _, text = ask(http.MethodGet, announce.Path+"gut?lang=en", nil); !strings.Contains(text, "New sending addresses of Hafenkontor") {
		t.Error("not in English")
	}
}

func TestButtonsOfCustomersPage(t *testing.T) {
	a, ask := changeoverPages(t, 100)
	answer, _ := ask(http.MethodPost, announce.Path+"gut/answer?lang=en", url.Values{"answer": {"added"}})
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != announce.Path+"gut?done=answered&lang=en" {
		t.Errorf("status %d to %s", answer.StatusCode, answer.Header.Get("Location"))
	}
	ask(http.MethodPost, announce.Path+"gut/test", nil)
	if _, text := ask(http.MethodPost, announce.Path+"gut/codes", url.Values{"codes": {"AB12"}}); !strings.Contains(text, "kam an, die XML-Datei ist noch nicht bestätigt") {
		t.Errorf("codes: %s", text)
	}
	if got := strings.Join(a.changed, "|"); got != "answer added|test|codes AB12" {
		t.Errorf("did %q", got)
	}
	if answer, _ = ask(http.MethodPost, announce.Path+"schlecht/answer", url.Values{"answer": {"added"}}); answer.StatusCode != http.StatusNotFound {
		t.Errorf("status %d for a link that is none", answer.StatusCode)
	}
	// Another site cannot press the buttons for somebody.
	if answer, _ = ask(http.MethodPost, announce.Path+"gut/answer", url.Values{"answer": {"added"}}, "Sec-Fetch-Site", "cross-site"); answer.StatusCode != http.StatusForbidden {
		t.Errorf("status %d from another site", answer.StatusCode)
	}
	a.changed = nil
	if answer, _ = ask(http.MethodPost, announce.Path+"gut/codes", url.Values{"codes": {strings.Repeat("x", 1<<20)}}); len(a.changed) > 0 && len(a.changed[0]) > 1<<16 {
		t.Errorf("a megabyte was read, status %d", answer.StatusCode)
	}
}

func TestGuessingLinksIsSlow(t *testing.T) {
	_, ask := changeoverPages(t, 3)
	for range 3 {
		if answer, _ := ask(http.MethodGet, announce.Path+"geraten", nil); answer.StatusCode != http.StatusNotFound {
			t.Fatalf("status %d", answer.StatusCode)
		}
	}
	if answer, _ := ask(http.MethodGet, announce.Path+"gut", nil); answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") == "" {
		t.Errorf("status %d", answer.StatusCode)
	}
}

func TestQuestionsAnswerFromThePlan(t *testing.T) {
	_, ask := changeoverPages(t, 100)
	answer, text := ask(http.MethodGet, announce.FAQPath+"gut/x", nil)
	for _, want := range []string{"Muss ich etwas tun?", "19.11.2026", "innerhalb von 42 Tagen", "nichts tun: onOffice.", "192.0.2.18"} {
		if answer.StatusCode != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("status %d, page lacks %q", answer.StatusCode, want)
		}
	}
	if answer, _ = ask(http.MethodGet, announce.FAQPath+"nie/x", nil); answer.StatusCode != http.StatusNotFound {
		t.Errorf("status %d before it is announced", answer.StatusCode)
	}
}
