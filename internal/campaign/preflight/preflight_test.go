package preflight_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/campaign/campaigntest"
	"stafette/internal/campaign/preflight"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

var start = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

type world struct {
	testing.TB
	service   *preflight.Service
	campaigns *campaign.Service
	who       ingest.Principal
	group     audience.GroupID
}

func newWorld(t *testing.T, change func(*preflight.Config)) *world {
	t.Helper()
	now := func() time.Time { return start }
	w := &world{TB: t, who: ingest.Principal{Tenant: id.New[tenant.Kind](start), Actor: "usr_1"}, group: id.New[audience.GroupKind](start)}
	var people []audience.Contact
	for i, name := range []string{"Eva", "", strings.Repeat("x", 3000)} {
		people = append(people, audience.Contact{ID: id.New[audience.ContactKind](start.Add(time.Duration(i) * time.Second)), GivenName: name, Addresses: []message.Address{{Local: "p", Domain: "kunde.example"}}})
	}
	store := &campaigntest.Store{People: func(tenant.ID) []audience.Contact { return people }, Find: func(_ context.Context, t tenant.ID, g audience.GroupID) (audience.Group, error) {
		return audience.Group{ID: g, Tenant: t, Members: 3}, nil
	}}
	w.campaigns = campaign.New(campaign.Config{Store: store, Now: now})
	c := preflight.Config{Store: store, Campaigns: w.campaigns, Now: now}
	if change != nil {
		change(&c)
	}
	w.service = preflight.New(c)
	return w
}

func (w *world) draft(l campaign.Letter) campaign.Campaign {
	w.Helper()
	c, err := w.campaigns.Create(w.Context(), w.who, campaign.Campaign{Name: "Mai", Groups: []audience.GroupID{w.group}, Letter: l})
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func kinds(list []preflight.Finding) string {
	var names []string
	for _, f := range list {
		names = append(names, f.Kind)
	}
	return strings.Join(names, " ")
}

func TestFindings(t *testing.T) {
	const fine = `<p>Impressum</p><a href="{{unsubscribe}}">Ab</a>`
	for name, one := range map[string]struct {
		from, html, want string
	}{
		"fine":            {"a@muster.example", fine, "record"},
		"another's":       {"a@fremd.example", fine, "sender"},
		"nothing":         {"a@muster.example", "<p>x</p>", "leave imprint record"},
		"alt, link":       {"a@muster.example", fine + `<img src="https://a.example/b.png"><a href="http://a.example/">x</a>`, "alt link record"},
		"grey on white":   {"a@muster.example", fine + `<td style="background:#fff"><p style="color:#bbbbbb">leise</p></td>`, "contrast_text record"},
		"large grey":      {"a@muster.example", fine + `<p style="color:#888888;font-size:28px">groß</p>`, "record"},
		"on a picture":    {"a@muster.example", fine + `<td background="x.png"><p style="color:#ffffff">hell</p></td>`, "record"},
		"hidden":          {"a@muster.example", fine + `<style>p{color:#fff}</style>`, "record"},
		"not for Outlook": {"a@muster.example", fine + `<div style="display:flex"></div><!--[if mso]><form></form><![endif]-->`, "client record"},
	} {
		w := newWorld(t, nil)
		list, err := w.service.Findings(t.Context(), w.draft(campaign.Letter{From: one.from, Subject: "x", HTML: one.html, Text: "Impressum {{unsubscribe}}"}))
		if got := kinds(list); err != nil || got != one.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, one.want)
		}
	}
}

// Links are asked, contacts looked at and the filter heard in steps; one contact's data never
// keep the others from being looked at (a poisoned one is counted).
func TestTurn(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/weg":
			http.NotFound(w, r)
		case r.Method == http.MethodHead && r.URL.Path == "/nur-get":
			w.WriteHeader(http.StatusMethodNotAllowed)
		case r.URL.Path == "/weiter":
			http.Redirect(w, r, "/weg", http.StatusFound)
		}
	}))
	t.Cleanup(server.Close)
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w := newWorld(t, func(c *preflight.Config) {
		c.Client, c.Spam = client, &preflight.Spamd{Address: spamd(t, "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 7.5 / 5.0\r\n\r\nGREYLIST,HTML_ONLY\r\n"), Timeout: time.Minute, Dial: new(net.Dialer).DialContext}
	})
	c := w.draft(campaign.Letter{From: "a@muster.example", Subject: "{{given_name}}", HTML: `<a href="` + server.URL + `/weg">a</a><a href="` + server.URL + `/weg">b</a><a href="` + server.URL +
		`/nur-get">c</a><a href="` + server.URL + `/weiter">d</a><a href="{{unsubscribe}}">e</a><a href="mailto:x@y.example">f</a>{{default company "x"}}`})
	if err := w.service.Begin(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if ch, err := w.service.Last(t.Context(), c.Tenant, c.ID); err != nil || ch.Over || ch.Total != 7 {
		t.Errorf("begun: %+v, %v", ch, err)
	}
	if err := w.service.Turn(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	ch, err := w.service.Last(t.Context(), c.Tenant, c.ID)
	if err != nil || !ch.Over || ch.Done != ch.Total || ch.Found.Links != 3 || ch.Found.Skipped != 1 || ch.Found.People != 3 {
		t.Fatalf("done: %+v, %v", ch, err)
	}
	if len(ch.Found.Dead) != 1 || ch.Found.Dead[0].Why != "404" || ch.Found.Empty["given_name"] != 1 || len(ch.Found.Empty) != 1 || len(ch.Found.Who) == 0 {
		t.Errorf("found: %+v", ch.Found)
	}
	if v := ch.Found.Spam; v == nil || !v.Spam || v.Score != 7.5 || v.Limit != 5 || strings.Join(v.Rules, " ") != "GREYLIST HTML_ONLY" {
		t.Errorf("filter: %+v", v)
	}
	if got := kinds(ch.Findings()); got != "link_dead empty spam" {
		t.Errorf("findings %q", got)
	}
	// Of what was changed since, nothing is looked at.
	if err := w.service.Begin(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	c.Letter.Subject = "anders"
	if _, err := w.campaigns.Change(t.Context(), w.who, c); err != nil {
		t.Fatal(err)
	}
	if err := w.service.Turn(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	if ch, err = w.service.Last(t.Context(), c.Tenant, c.ID); err != nil || !ch.Over || ch.Found.Links != 0 {
		t.Errorf("after a change: %+v, %v", ch, err)
	}
}

// spamd answers everybody the same, when the whole mail has come.
func spamd(t *testing.T, answer string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = listener.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			asked, err := io.ReadAll(conn)
			if !errors.Is(err, net.ErrClosed) && strings.HasPrefix(string(asked), "SYMBOLS SPAMC/1.2\r\nContent-length: ") {
				_, _ = io.WriteString(conn, answer)
			}
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

func TestSpamdAnswers(t *testing.T) {
	for answer, fine := range map[string]bool{
		"":                               false,
		"SPAMD/1.1 76 EX_BAD\n":          false,
		"SPAMD/1.1 0 EX_OK\r\n\r\nA\r\n": false,
		"SPAMD/1.1 0 EX_OK\r\nSpam: True ; NaN / 5.0\r\n\r\n":                        false,
		"SPAMD/1.1 0 EX_OK\r\nSpam: False ; -1.2 / 15\r\n\r\n":                       true,
		"RSPAMD/1.3 0 EX_OK\r\nContent-length: 3\r\nSpam: False ; 2 / 15\r\n\r\nA,B": true,
	} {
		s := &preflight.Spamd{Address: spamd(t, answer), Timeout: time.Minute, Dial: new(net.Dialer).DialContext}
		if v, err := s.Judge(t.Context(), []byte("Subject: x\r\n\r\nx")); (err == nil) != fine || v.Spam {
			t.Errorf("%q: %+v, %v", answer, v, err)
		}
	}
}

// Whoever reaches the limit is spam, whatever the word before it says.
func TestSpamAtTheLimit(t *testing.T) {
	for figures, spam := range map[string]bool{"False ; 14.99 / 15.00": false, "False ; 15.00 / 15.00": true, "False ; 20 / 15": true, "True ; 1 / 15": true, "False ; 3 / 0": false} {
		s := &preflight.Spamd{Address: spamd(t, "SPAMD/1.1 0 EX_OK\r\nSpam: "+figures+"\r\n\r\n"), Timeout: time.Minute, Dial: new(net.Dialer).DialContext}
		if v, err := s.Judge(t.Context(), []byte("Subject: x\r\n\r\nx")); err != nil || v.Spam != spam {
			t.Errorf("%s: %+v, %v", figures, v, err)
		}
	}
}

// The letter of a step of a series is found by its identifier, and nobody lacks what an event
// will bring.
func TestChecksOfLettersThatAreNoMailings(t *testing.T) {
	var step campaign.Campaign
	w := newWorld(t, func(c *preflight.Config) {
		c.Find = func(_ context.Context, _ tenant.ID, number campaign.ID) (campaign.Campaign, error) {
			if number != step.ID {
				t.Errorf("asked for %s", number)
			}
			return step, nil
		}
	})
	step = campaign.Campaign{ID: id.New[campaign.Kind](start), Tenant: w.who.Tenant, Groups: []audience.GroupID{w.group}, Events: true, State: campaign.Sent,
		Letter: campaign.Letter{From: "a@muster.example", Subject: "{{event.order}}", Text: "{{given_name}} {{event.sum}}"}}
	if err := errors.Join(w.service.Begin(t.Context(), step), w.service.Turn(t.Context(), start)); err != nil {
		t.Fatal(err)
	}
	ch, err := w.service.Last(t.Context(), step.Tenant, step.ID)
	if err != nil || !ch.Over || ch.Found.People != 3 || len(ch.Found.Empty) != 1 || ch.Found.Empty["given_name"] != 1 {
		t.Errorf("found %+v, %v", ch, err)
	}
}

// A letter that was checked is checked anew when it is changed; one that never was is not, and
// what a script saves is only told as changed.
func TestFollowChangedLetters(t *testing.T) {
	letter := func(subject string) campaign.Letter {
		return campaign.Letter{From: "a@muster.example", Subject: subject, Text: "x"}
	}
	for name, given := range map[string]struct {
		checked, begin bool
		after          string
		sameID         bool
		state          string // of the check of the letter after it
	}{
		"by a person":             {true, true, "Neu", false, "again"},
		"by a person, same place": {true, true, "Neu", true, "again"},
		"by a script":             {true, false, "Neu", false, "stale"},
		"by a script, same place": {true, false, "Neu", true, "stale"},
		"only made otherwise":     {true, true, "Alt", false, "done"},
		"not at all":              {true, true, "Alt", true, "done"},
		"never checked":           {false, true, "Neu", false, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			var c campaign.Campaign
			w := newWorld(t, func(conf *preflight.Config) {
				conf.Find = func(context.Context, tenant.ID, campaign.ID) (campaign.Campaign, error) { return c, nil }
			})
			c = campaign.Campaign{ID: id.New[campaign.Kind](start), Tenant: w.who.Tenant, Groups: []audience.GroupID{w.group}, Letter: letter("Alt")}
			if given.checked {
				if err := errors.Join(w.service.Begin(t.Context(), c), w.service.Turn(t.Context(), start)); err != nil {
					t.Fatal(err)
				}
			}
			known, err := w.service.Known(t.Context(), map[string]campaign.Campaign{"hallo": c})
			if err != nil || (len(known) == 1) != given.checked {
				t.Fatalf("known: %+v, %v", known, err)
			}
			if c.Letter = letter(given.after); !given.sameID {
				c.ID = id.New[campaign.Kind](start)
			}
			w.service.Follow(t.Context(), known, map[string]campaign.Campaign{"hallo": c, "neu": {ID: id.New[campaign.Kind](start), Tenant: c.Tenant}}, given.begin)
			last, err := w.service.Last(t.Context(), c.Tenant, c.ID)
			state := "none"
			switch {
			case last.At.IsZero():
			case last.Hash != campaign.Print(c):
				state = "stale"
			case last.Over:
				state = "done"
			case last.Found.Again:
				state = "again"
			}
			if err != nil || state != given.state {
				t.Errorf("the check is %q, not %q: %+v, %v", state, given.state, last, err)
			}
		})
	}
}
