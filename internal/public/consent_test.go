package public_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/message"
	"stafette/internal/public"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// consents knows one token and notes what was said with it.
type consents struct {
	standing tracking.Standing
	said     []string
	broken   error
}

func (c *consents) Open(_ context.Context, token string) (tracking.Standing, error) {
	if token != "gut" {
		return tracking.Standing{}, fault.New(fault.NotFound, tracking.CodeConsentLinkUnknown, "There is no such link.")
	}
	return c.standing, c.broken
}

func (c *consents) Say(_ context.Context, _ string, state tracking.State, wording string) error {
	c.said = append(c.said, string(state)+": "+wording)
	return nil
}

// Tenant implements public.Tenants.
func (*consents) Tenant(_ context.Context, t tenant.ID) (tenant.Tenant, error) {
	return tenant.Tenant{ID: t, Name: "Yoga <am> Kanal", CustomerTone: tenant.Du}, nil
}

func consentPages(t *testing.T) (*consents, func(method, path string, header ...string) (*http.Response, string)) {
	t.Helper()
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	c := &consents{standing: tracking.Standing{
		Bearer:  tracking.Bearer{Address: message.Address{Local: "eva", Domain: "kunde.example"}},
		Consent: tracking.Consent{State: tracking.StateUnknown}, Allowed: tracking.Allowed{Setting: tracking.Setting{Level: tracking.Individual, Basis: tracking.BasisContract}},
		Recorded: []tracking.Activity{
			{Kind: tracking.Clicked, At: start, Title: "Grundriss <b>", Label: "Wohnung 4.2"}, {Kind: tracking.Opened, At: start, Machine: tracking.Machine{Class: tracking.Scanner}},
		},
	}}
	server := httptest.NewServer(public.NewConsents(public.ConsentConfig{Consents: c, Tenants: c, Catalog: catalog, PerMinute: 1000, Now: func() time.Time { return start }}))
	t.Cleanup(server.Close)
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, func(method, path string, header ...string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+tracking.ConsentPath+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(body)
	}
}

func TestConsentPageTellsAndChangesNothing(t *testing.T) {
	c, ask := consentPages(t)
	resp, body := ask(http.MethodGet, "gut", "Accept-Language", "de")
	for _, want := range []string{"Auswertung deiner E-Mails", "Yoga &lt;am&gt; Kanal", "eva@kunde.example", "bisher nicht gefragt", "Rechtsgrundlage: Vertrag", "Auswertung beenden", "Ja, zustimmen", "Grundriss &lt;b&gt;", "maschinell, nicht gewertet"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	h := resp.Header
	if resp.StatusCode != http.StatusOK || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || len(resp.Cookies()) > 0 {
		t.Errorf("%d with %v", resp.StatusCode, h)
	}
	if ask(http.MethodHead, "gut"); len(c.said) > 0 {
		t.Errorf("looking said %v", c.said)
	}
	if resp, _ := ask(http.MethodGet, "gut/withdraw"); resp.StatusCode != http.StatusMethodNotAllowed || len(c.said) > 0 {
		t.Errorf("a link withdraws: %d, %v", resp.StatusCode, c.said)
	}
	c.standing.Consent = tracking.Consent{State: tracking.StateWithdrawn, At: start}
	if _, body := ask(http.MethodGet, "gut?lang=en"); !strings.Contains(body, "Stopped on") || strings.Contains(body, "Stop tracking</button>") || !strings.Contains(body, `lang="en"`) {
		t.Errorf("after withdrawing: %s", body)
	}
}

func TestConsentIsSaidByPost(t *testing.T) {
	c, ask := consentPages(t)
	for path, want := range map[string]string{"gut/withdraw?lang=de": "gut?done=withdrawn&lang=de", "gut/grant?lang=de": "gut?done=granted&lang=de"} {
		resp, _ := ask(http.MethodPost, path, "Sec-Fetch-Site", "same-origin")
		if resp.StatusCode != http.StatusSeeOther || !strings.HasSuffix(resp.Header.Get("Location"), want) {
			t.Errorf("%s: %d to %q", path, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	slices.Sort(c.said)
	if len(c.said) != 2 || !strings.HasPrefix(c.said[0], "granted: Darf Yoga <am> Kanal sehen") || !strings.HasPrefix(c.said[1], "withdrawn: Auswertung durch Yoga <am> Kanal beenden?") {
		t.Errorf("said %q", c.said)
	}
	if _, body := ask(http.MethodGet, "gut?done=granted", "Accept-Language", "de"); !strings.Contains(body, "Danke.") {
		t.Error("nothing is said of what was done")
	}
	// T14: no other site says it for them.
	if resp, _ := ask(http.MethodPost, "gut/grant", "Sec-Fetch-Site", "cross-site"); resp.StatusCode != http.StatusForbidden || len(c.said) != 2 {
		t.Errorf("another site agrees: %d, %v", resp.StatusCode, c.said)
	}
}

func TestConsentPageOfNobody(t *testing.T) {
	c, ask := consentPages(t)
	_, first := ask(http.MethodGet, "schlecht")
	for _, path := range []string{"x", strings.Repeat("A", 4000)} {
		if resp, body := ask(http.MethodGet, path); resp.StatusCode != http.StatusNotFound || body != first {
			t.Errorf("%.20s: %d", path, resp.StatusCode)
		}
	}
	if resp, _ := ask(http.MethodPost, "schlecht/withdraw", "Sec-Fetch-Site", "same-origin"); resp.StatusCode != http.StatusNotFound || len(c.said) > 0 {
		t.Errorf("said with a bad token: %d, %v", resp.StatusCode, c.said)
	}
	c.broken = context.DeadlineExceeded
	if resp, body := ask(http.MethodGet, "gut"); resp.StatusCode != http.StatusServiceUnavailable || strings.Contains(body, "deadline") {
		t.Errorf("broken: %d", resp.StatusCode)
	}
}
