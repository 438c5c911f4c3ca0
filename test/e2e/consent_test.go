package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// tracked is what the API says of a message's tracking, and of what its recipients did.
type told struct {
	Tracking *struct{ Level, Rule string } `json:"tracking"`
}

type activity struct {
	Type       string  `json:"type"`
	Recipient  *string `json:"recipient"`
	Identified *bool   `json:"identified"`
	Machine    *bool   `json:"machine"`
	Activity   *struct{ Target string }
}

// put demands that a PUT succeeds.
func (s *stafette) put(t *testing.T, path, body string) {
	t.Helper()
	if a := s.request(t, http.MethodPut, path, []byte(body)); a.status != http.StatusOK {
		t.Fatalf("PUT %s %s: %s", path, body, a)
	}
}

// activities are those among the facts of a message.
func (s *stafette) activities(t *testing.T, id string) []activity {
	t.Helper()
	a := s.request(t, http.MethodGet, "/v1/messages/"+id+"/events", nil)
	if a.status != http.StatusOK {
		t.Fatalf("events: %s", a)
	}
	var list []activity
	for _, e := range decode[struct{ Data []activity }](t, a.body).Data {
		if e.Machine != nil {
			list = append(list, e)
		}
	}
	return list
}

// visit fetches what stands at the path of an address, as a recipient's browser does, and
// follows nothing.
func (s *stafette) visit(t *testing.T, method, address string, header ...string) answer {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.httpAddr+u.RequestURI(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	r.Header.Set("Accept-Language", "de")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return answer{status: resp.StatusCode, header: resp.Header}
}

// woven are the addresses that tracking put into a mail, as its recipient reads it.
func (s *stafette) woven(t *testing.T, id string) (pixel, link, consent string) {
	t.Helper()
	a := s.request(t, http.MethodGet, "/v1/messages/"+id+"/mime", nil)
	if a.status != http.StatusOK {
		t.Fatalf("content: %s", a)
	}
	text := strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(string(a.body))
	find := func(path string) string {
		return regexp.MustCompile(`[a-z]+://[^"\s]*` + path + `[A-Za-z0-9_-]{70}`).FindString(text)
	}
	return find("/i/"), find("/l/"), find("/tracking/")
}

// TestTrackingConsentMatrix goes through what tenant, stream, message and recipient say, at
// sending and at the hit: level, rule, what is in the mail, and whether a hit is kept; and
// it withdraws afterwards, which silences what was sent before (issue 7, B1 to B5, I10).
func TestTrackingConsentMatrix(t *testing.T) {
	t.Parallel()
	const html = `<p>Guten Tag</p><p><a href="https://muster.example/expose?id=7">Zum Exposé</a></p>`
	const eva, karl = "eva@kunde.example", "karl@kunde.example"
	individual := func(basis string) string {
		return fmt.Sprintf(`{"level":"individual","basis":%q,"justification":"Nachweis der Provision. Ohne ihn kein Entgelt."}`, basis)
	}
	many := func() []string {
		var list []string
		for i := range 10 {
			list = append(list, fmt.Sprintf("p%d@kunde.example", i))
		}
		return list
	}()
	s := install(t, "")
	for i, c := range []struct {
		name           string
		tenant, stream string // settings; "": as they come, and none
		on             string // stream of the mail
		wish, consent  string
		to             []string
		level, rule    string // "" both: nothing is said, as nobody asked
		kept           bool   // a hit becomes an activity
		named          bool
	}{
		{name: "a tenant begins with counts, and one is no count", to: []string{eva}},
		{name: "asked for more than the tenant has a basis for", wish: "individual", to: []string{eva}, level: "none", rule: "basis"},
		{name: "counts of ten", tenant: `{"level":"aggregate"}`, wish: "individual", to: many, level: "aggregate", rule: "tenant"},
		{name: "per person on contract", tenant: individual("contract"), to: []string{eva}, level: "individual", rule: "tenant", kept: true, named: true},
		{name: "per person where nobody was asked", tenant: individual("consent"), to: []string{eva}, level: "none", rule: "recipient"},
		{name: "per person where somebody agreed", tenant: individual("consent"), consent: "granted", to: []string{eva}, level: "individual", rule: "tenant", kept: true, named: true},
		{name: "somebody withdrew", tenant: individual("contract"), consent: "withdrawn", to: []string{eva}, level: "none", rule: "recipient"},
		{name: "the message says no", tenant: individual("contract"), wish: "none", to: []string{eva}, level: "none", rule: "message"},
		{name: "the message says less", tenant: individual("contract"), wish: "pseudonymous", to: []string{eva}, level: "pseudonymous", rule: "message", kept: true},
		{name: "the stream says less", tenant: individual("contract"), stream: `"newsletter":"pseudonymous"`, on: "newsletter", to: []string{eva}, level: "pseudonymous", rule: "stream", kept: true},
		{name: "the stream says no", tenant: individual("contract"), stream: `"newsletter":"none"`, on: "newsletter", to: []string{eva}},
		{name: "the tenant says no", tenant: `{"level":"none"}`, wish: "individual", to: []string{eva}, level: "none", rule: "tenant"},
		{name: "nobody can say which of two", tenant: individual("contract"), to: []string{eva, karl}, level: "pseudonymous", rule: "several_recipients", kept: true},
		{name: "one of two withdrew", tenant: individual("contract"), consent: "withdrawn", to: []string{eva, karl}, level: "none", rule: "recipient"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Everybody is somebody else in each case: what was said stays said.
			own := func(address string) string { return fmt.Sprintf("%d.%s", i, address) }
			var to []string
			for _, one := range c.to {
				to = append(to, own(one))
			}
			if c.tenant != "" {
				s.put(t, "/v1/settings/tracking", strings.TrimSuffix(c.tenant, "}")+`,"streams":{`+c.stream+`}}`)
			}
			if c.consent != "" {
				s.put(t, "/v1/contacts/"+own(eva)+"/tracking-consent", `{"state":"`+c.consent+`"}`)
			}
			mail := map[string]any{"from": "info@" + senderDomain, "to": to, "subject": "Exposé", "html": html}
			if c.on != "" {
				mail["stream"] = c.on
				mail["headers"] = map[string]string{"List-Unsubscribe": "<https://muster.example/abmelden>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
			}
			if c.wish != "" {
				mail["tracking"] = c.wish
			}
			m := s.send(t, mail)
			s.judge(t, m.ID, own(eva), c.level, c.rule, c.kept, c.named)
		})
	}
}

// judge compares what was decided about a message, woven into it and kept of its hits with
// what is wanted, and then withdraws.
func (s *stafette) judge(t *testing.T, id, eva, level, rule string, kept, named bool) {
	t.Helper()
	said := decode[told](t, s.request(t, http.MethodGet, "/v1/messages/"+id, nil).body).Tracking
	if said == nil && level != "" || said != nil && (said.Level != level || said.Rule != rule) {
		t.Errorf("decided %+v, want %s by %s", said, level, rule)
	}
	pixel, link, consent := s.woven(t, id)
	if in := level != "" && level != "none"; (pixel != "") != in || (link != "") != in || (consent != "") != (kept && named || level == "pseudonymous" && rule != "several_recipients") {
		t.Fatalf("woven %q, %q, %q at %q", pixel, link, consent, level)
	}
	if pixel == "" {
		return
	}
	if a := s.visit(t, http.MethodGet, pixel); a.status != http.StatusOK || a.header.Get("Content-Type") != "image/gif" {
		t.Errorf("picture: %d %v", a.status, a.header)
	}
	if a := s.visit(t, http.MethodGet, link); a.status != http.StatusFound || a.header.Get("Location") != "https://muster.example/expose?id=7" {
		t.Errorf("link: %d to %q", a.status, a.header.Get("Location"))
	}
	list := s.activities(t, id)
	if kept != (len(list) == 2) {
		t.Fatalf("kept %+v", list)
	}
	for _, one := range list {
		if *one.Identified != named || (one.Recipient != nil) != named {
			t.Errorf("kept %+v, named %v", one, named)
		}
	}
	if consent == "" {
		return
	}
	// Whoever follows the link changes nothing; whoever presses the button silences mail that
	// is already there, which works as before.
	if a := s.visit(t, http.MethodGet, consent); a.status != http.StatusOK {
		t.Errorf("page of consent: %d", a.status)
	}
	if s.visit(t, http.MethodGet, pixel); len(s.activities(t, id)) != 3 {
		t.Error("looking at the page of consent withdraws")
	}
	if a := s.visit(t, http.MethodPost, consent+"/withdraw", "Sec-Fetch-Site", "same-origin"); a.status != http.StatusSeeOther {
		t.Errorf("withdrawing: %d", a.status)
	}
	for _, address := range []string{pixel, link} {
		if a := s.visit(t, http.MethodGet, address); a.status >= 400 {
			t.Errorf("after the withdrawal %s answers %d", address, a.status)
		}
	}
	if n := len(s.activities(t, id)); n != 3 {
		t.Errorf("%d activities after the withdrawal", n)
	}
	var said2 struct{ State, Actor string }
	if err := json.Unmarshal(s.request(t, http.MethodGet, "/v1/contacts/"+eva+"/tracking-consent", nil).body, &said2); err != nil || said2.State != "withdrawn" || said2.Actor != "recipient" {
		t.Errorf("recorded %+v, %v", said2, err)
	}
}
