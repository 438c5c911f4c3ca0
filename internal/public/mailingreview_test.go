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

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/public"
	"stafette/internal/stationery"
)

// reviewer knows one token and notes what was answered.
type reviewer struct {
	view campaign.Shown
	said string
}

func (v *reviewer) OpenReview(_ context.Context, token string) (campaign.Shown, error) {
	if token != "gut" {
		return campaign.Shown{}, fault.New(fault.NotFound, campaign.CodeReviewUnknown, "There is no such page.")
	}
	return v.view, nil
}

func (v *reviewer) CommentLink(_ context.Context, token, name, text string) error {
	if text == "" {
		return fault.Field("comment", campaign.CodeValue, "A comment.")
	}
	v.said = token + " " + name + " sagt " + text
	return nil
}

func (v *reviewer) AnswerLink(_ context.Context, token, name string, approve bool, note string) error {
	if name == "" {
		return fault.Field("name", campaign.CodeValue, "A name.")
	}
	v.said = token + " " + name + " " + note
	if approve {
		v.said += " ja"
	}
	return nil
}

// A link shows the mail in a sandbox and changes nothing; the button does, under a name, from
// the page alone.
func TestReviewPage(t *testing.T) {
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	v := &reviewer{view: campaign.Shown{Review: campaign.Review{Name: "Kunz", State: campaign.ReviewOpen, ExpiresAt: now.Add(time.Hour)}, Sender: "Muster <b>", Title: "Mai", Letters: []campaign.ShownLetter{
		{Version: campaign.VersionA, From: "news@muster.example", Mail: stationery.Rendered{Subject: "Neues", HTML: "<script>alert(1)</script>Guten Tag", Text: "Nur <Text>"}},
		{Version: campaign.VersionB, From: "eva@muster.example", Mail: stationery.Rendered{Subject: "Anderes <b>", HTML: "Moin"}}}}}
	server := httptest.NewServer(public.NewReviews(public.ReviewConfig{Reviewer: v, Catalog: catalog, PerMinute: 1000, Now: func() time.Time { return now }}))
	t.Cleanup(server.Close)
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ask := func(method, path string, form url.Values, site string) (int, string, http.Header) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+campaign.ReviewPath+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", site)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body), answer.Header
	}
	status, body, _ := ask("GET", "gut", nil, "cross-site")
	if status != 200 || !strings.Contains(body, "Muster &lt;b&gt;") || !strings.Contains(body, "sandbox") || strings.Contains(body, "<script>") || v.said != "" {
		t.Errorf("page: %d\n%s", status, body)
	}
	if status, _, h := ask("GET", "gut/mail?version=b", nil, "same-origin"); status != 200 || !strings.HasSuffix(h.Get("Content-Security-Policy"), "sandbox") || !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("mail: %d %v", status, h)
	}
	for path, wants := range map[string][]string{
		"gut": {"Fassung A", "Fassung B", "eva@muster.example", "Anderes &lt;b&gt;", "/mail?version=a", "/mail?version=b"}, "gut?view=phone": {"mail phone", "/mail?version=b"},
		"gut?view=text": {"Nur &lt;Text&gt;", "Der Text wird beim Senden"}, "gut?view=%3Cscript%3E": {"/mail?version=a"}, "gut/mail?version=b": {"Moin"},
	} {
		_, body, _ := ask("GET", path, nil, "none")
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q:\n%s", path, want, body)
			}
		}
	}
	if status, _, _ := ask("GET", "gut/mail?version=c", nil, "none"); status != 404 {
		t.Errorf("a version there is not: %d", status)
	}
	if status, _, _ := ask("GET", "schlecht", nil, "none"); status != 404 {
		t.Errorf("made up: %d", status)
	}
	v.view.Comments = []campaign.Comment{{Author: "Kunz <i>", Text: "Preis <b>fehlt"}}
	word := url.Values{"name": {"Kunz"}, "comment": {"Wo?"}}
	if status, _, _ := ask("POST", "gut/comment", word, "cross-site"); status != 403 || v.said != "" {
		t.Errorf("comment from another site: %d, %q", status, v.said)
	}
	if status, body, _ := ask("POST", "gut/comment", url.Values{"name": {"Kunz"}}, "same-origin"); status != 422 || !strings.Contains(body, "comment-wrong") || !strings.Contains(body, "Preis &lt;b&gt;fehlt") {
		t.Errorf("without words: %d\n%s", status, body)
	}
	if status, _, _ := ask("POST", "gut/comment", word, "same-origin"); status != 303 || v.said != "gut Kunz sagt Wo?" {
		t.Errorf("commented: %d, %q", status, v.said)
	}
	v.said = ""
	yes := url.Values{"answer": {"approve"}, "name": {"Kunz"}, "note": {"Gern"}}
	if status, _, _ := ask("POST", "gut", yes, "cross-site"); status != 403 || v.said != "" {
		t.Errorf("from another site: %d, %q", status, v.said)
	}
	if status, body, _ := ask("POST", "gut", url.Values{"answer": {"approve"}, "note": {"<i>"}}, "same-origin"); status != 422 || !strings.Contains(body, "&lt;i&gt;") || v.said != "" {
		t.Errorf("without a name: %d\n%s", status, body)
	}
	if status, _, _ := ask("POST", "gut", yes, "same-origin"); status != 303 || v.said != "gut Kunz Gern ja" {
		t.Errorf("approved: %d, %q", status, v.said)
	}
	v.view.Changed, v.view.Closed = true, true
	if _, body, _ := ask("GET", "gut", nil, "none"); strings.Contains(body, "<form") || strings.Contains(body, "iframe") {
		t.Errorf("changed since:\n%s", body)
	}
}
