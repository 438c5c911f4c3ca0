package tracking_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

const threeLinks = `<a href="https://a.example/1">eins</a><a href="https://a.example/2">zwei</a><a href="https://a.example/3">drei</a>`

// tokensOf are the tokens of a mail: of its links, of the trap, of the picture.
func tokensOf(body string) (links []string, trap, pixel string) {
	var all []string
	for _, m := range tokenText.FindAllStringSubmatch(body, -1) {
		all = append(all, m[2])
	}
	n := len(all)
	return all[:n-2], all[n-2], all[n-1]
}

func (w *world) open(token string, who tracking.Visitor) {
	w.Helper()
	w.must(w.visits.Open(w.Context(), token, who))
}

func (w *world) follow(token, want string, who tracking.Visitor) {
	w.Helper()
	if have, err := w.visits.Follow(w.Context(), token, who); err != nil || have != want {
		w.Errorf("leads to %q, %v; want %q", have, err, want)
	}
}

func TestPersonOpensAndClicks(t *testing.T) {
	w := newWorld(t)
	w.allow(tracking.Individual, tracking.BasisContract)
	live, cancel := w.hub.Subscribe(w.tenant, 5)
	defer cancel()
	body, kept := w.send(htmlMail(threeLinks), "eva@x.example")
	links, _, pixel := tokensOf(body)
	w.open(pixel, person())
	w.follow(links[1], "https://a.example/2", person())
	if len(w.store.hits) != 2 {
		t.Fatalf("kept %+v", w.store.hits)
	}
	o, c := w.store.hits[0], w.store.hits[1]
	if o.Kind != tracking.Opened || !o.Identified || o.Recipient.String() != "eva@x.example" || o.Delivery != message.Delivery(kept.Message, 1) ||
		o.Machine.Class != tracking.Person || o.Agent != "Firefox" || o.Network != "192.0.2.0/24" || o.Sender != "usr_1" || o.Decision.Level != tracking.Individual {
		t.Errorf("opened: %+v", o)
	}
	if c.Kind != tracking.Clicked || c.Link != 2 || c.Target != "https://a.example/2" || c.Label != "zwei" || c.Machine.Class != tracking.Person {
		t.Errorf("clicked: %+v", c)
	}
	if len(live) != 2 || (<-live).ID != o.ID {
		t.Errorf("%d activities live", len(live))
	}
}

// B3: with several recipients nobody is named.
func TestSomebodyOpened(t *testing.T) {
	w := newWorld(t)
	w.allow(tracking.Individual, tracking.BasisContract)
	body, _ := w.send(htmlMail(threeLinks), "eva@x.example", "max@x.example")
	_, _, pixel := tokensOf(body)
	w.open(pixel, person())
	a := w.store.hits[0]
	if a.Identified || a.Recipient != nil || !a.Delivery.IsZero() || a.Network != "" || a.Decision.Rule != tracking.RuleSeveralRecipients {
		t.Errorf("%+v", a)
	}
}

func TestPseudonymousNamesNobody(t *testing.T) {
	w := newWorld(t)
	w.allow(tracking.Pseudonymous, tracking.BasisContract)
	body, _ := w.send(htmlMail(threeLinks), "eva@x.example")
	_, _, pixel := tokensOf(body)
	w.open(pixel, person())
	if a := w.store.hits[0]; a.Identified || a.Recipient != nil || !a.Delivery.IsZero() || a.Network != "" {
		t.Errorf("%+v", a)
	}
}

// A withdrawal silences mail already sent; pictures and links go on.
func TestWithdrawnAfterwards(t *testing.T) {
	for name, silence := range map[string]func(*world){
		"withdrawn":    func(w *world) { w.say("eva@x.example", tracking.StateWithdrawn) },
		"switched off": func(w *world) { w.allow(tracking.None, "") },
		"stream": func(w *world) {
			w.must(w.decider.SetStream(w.Context(), w.tenant, tracking.StreamLevel{Stream: tenant.Transactional, Level: tracking.None}))
		},
		"basis is consent now": func(w *world) { w.allow(tracking.Individual, tracking.BasisConsent) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.allow(tracking.Individual, tracking.BasisContract)
			body, _ := w.send(htmlMail(threeLinks), "eva@x.example")
			links, _, pixel := tokensOf(body)
			w.open(pixel, person())
			silence(w)
			w.open(pixel, person())
			w.follow(links[0], "https://a.example/1", person())
			if len(w.store.hits) != 1 {
				t.Errorf("kept %d, want only the first", len(w.store.hits))
			}
		})
	}
}

// T24, T25: unknown, forged and erased tokens look alike and lead nowhere.
func TestForeignTokens(t *testing.T) {
	w := newWorld(t)
	w.allow(tracking.Individual, tracking.BasisContract)
	body, kept := w.send(htmlMail(threeLinks), "eva@x.example")
	links, trap, pixel := tokensOf(body)
	elsewhere := w.tokens.Make(tracking.Token{Purpose: tracking.ForLink, Tenant: tenant.ID{9}, Message: kept.Message, Number: 1})
	beyond := w.tokens.Make(tracking.Token{Purpose: tracking.ForLink, Tenant: w.tenant, Message: kept.Message, Number: 9})
	for name, token := range map[string]string{"made up": strings.Repeat("A", 70), "pixel": pixel, "other tenant": elsewhere, "no such link": beyond, "trap": trap} {
		if target, err := w.visits.Follow(t.Context(), token, person()); target != "" || !errors.Is(err, tracking.ErrForeign) {
			t.Errorf("%s leads to %q, %v", name, target, err)
		}
	}
	delete(w.store.tracked, kept.Message)
	fresh := tracking.NewVisits(tracking.VisitsConfig{Store: w.store, Tokens: w.tokens, Now: start})
	if _, err := fresh.Follow(t.Context(), links[0], person()); !errors.Is(err, tracking.ErrForeign) {
		t.Errorf("erased: %v", err)
	}
	if err := fresh.Open(t.Context(), pixel, person()); !errors.Is(err, tracking.ErrForeign) {
		t.Errorf("erased: %v", err)
	}
}

// T26: what machines do is told apart, and later evidence reaches what they did before.
func TestMachines(t *testing.T) {
	with := func(change func(*tracking.Visitor)) tracking.Visitor { v := person(); change(&v); return v }
	agent := func(s string) tracking.Visitor { return with(func(v *tracking.Visitor) { v.UserAgent = s }) }
	for name, c := range map[string]struct {
		who    tracking.Visitor
		after  time.Duration // since delivery
		click  bool
		class  tracking.Class
		reason string
	}{
		"person":                {person(), time.Hour, true, tracking.Person, ""},
		"Outlook":               {agent("Mozilla/4.0 (compatible; ms-office; MSOffice 16)"), time.Hour, false, tracking.Person, ""},
		"Gmail":                 {agent("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"), time.Hour, false, tracking.Proxy, ""},
		"Gmail at once":         {agent("Mozilla/5.0 (via ggpht.com GoogleImageProxy)"), time.Second, false, tracking.Scanner, "open_at_once"},
		"Yahoo":                 {agent("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"), time.Hour, false, tracking.Proxy, ""},
		"Apple privacy":         {agent("Mozilla/5.0"), time.Hour, false, tracking.Scanner, "apple_privacy"},
		"HEAD":                  {with(func(v *tracking.Visitor) { v.Head = true }), time.Hour, true, tracking.Scanner, "head"},
		"prefetch":              {with(func(v *tracking.Visitor) { v.Prefetch = true }), time.Hour, true, tracking.Scanner, "prefetch"},
		"clicked in seconds":    {person(), 4 * time.Second, true, tracking.Scanner, "click_at_once"},
		"opened in ten seconds": {person(), 10 * time.Second, false, tracking.Person, ""},
		"Barracuda":             {agent("BarracudaCentral/1.0"), time.Hour, true, tracking.Scanner, "scanner"},
		"no agent":              {agent(""), time.Hour, true, tracking.Scanner, "no_agent"},
		"curl":                  {agent("curl/8.1"), time.Hour, true, tracking.Scanner, "library"},
		"headless":              {agent("Mozilla/5.0 HeadlessChrome/140.0 Safari/537.36"), time.Hour, true, tracking.Scanner, "headless"},
		"no language":           {with(func(v *tracking.Visitor) { v.Language = false }), time.Hour, true, tracking.Person, "no_language"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.allow(tracking.Individual, tracking.BasisContract)
			body, _ := w.send(htmlMail(threeLinks), "eva@x.example")
			links, _, pixel := tokensOf(body)
			w.now = w.now.Add(c.after - time.Minute)
			if c.click {
				w.follow(links[0], "https://a.example/1", c.who)
			} else {
				w.open(pixel, c.who)
			}
			m := w.store.hits[0].Machine
			if m.Class != c.class || c.reason != "" && (len(m.Reasons) == 0 || m.Reasons[len(m.Reasons)-1] != c.reason) || m.Rules < 1 || m.Confidence < 50 {
				t.Errorf("%+v", m)
			}
		})
	}
}

func TestBeforeDelivery(t *testing.T) {
	w := newWorld(t)
	w.allow(tracking.Individual, tracking.BasisContract)
	body, kept := w.send(htmlMail(threeLinks), "eva@x.example")
	w.store.recipients[kept.Message][0].DeliveredAt = time.Time{}
	_, _, pixel := tokensOf(body)
	w.open(pixel, person())
	w.store.recipients[kept.Message][0].DeliveredAt = w.now
	w.now = w.now.Add(time.Hour)
	w.open(pixel, person())
	if a, b := w.store.hits[0].Machine, w.store.hits[1].Machine; a.Class != tracking.Scanner || b.Class != tracking.Person {
		t.Errorf("before %+v, after %+v", a, b)
	}
}

// A scanner that follows every link shows itself at the third, and the trap shows all.
func TestLaterEvidence(t *testing.T) {
	scanner := person()
	scanner.IP = netip.MustParseAddr("2001:db8:1::7")
	for name, which := range map[string][]int{"every link": {0, 1, 2}, "trap": {0, 3}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.allow(tracking.Individual, tracking.BasisContract)
			body, _ := w.send(htmlMail(threeLinks), "eva@x.example")
			links, trap, pixel := tokensOf(body)
			w.open(pixel, person()) // somebody else
			w.open(pixel, scanner)
			for _, i := range which {
				w.now = w.now.Add(time.Second)
				_, _ = w.visits.Follow(t.Context(), append(links, trap)[i], scanner)
			}
			for i, a := range w.store.hits {
				if want := map[bool]tracking.Class{true: tracking.Person, false: tracking.Scanner}[i == 0]; a.Machine.Class != want {
					t.Errorf("%d: %s is %+v", i, a.Kind, a.Machine)
				}
			}
			// A minute later the same client is nobody's scanner any more by that alone.
			w.now = w.now.Add(2 * time.Minute)
			w.open(pixel, scanner)
			if a := w.store.hits[len(w.store.hits)-1]; a.Machine.Class != tracking.Person {
				t.Errorf("later: %+v", a.Machine)
			}
		})
	}
}

func TestRerate(t *testing.T) {
	w := newWorld(t)
	w.allow(tracking.Individual, tracking.BasisContract)
	body, _ := w.send(htmlMail(threeLinks), "eva@x.example")
	_, _, pixel := tokensOf(body)
	who := person()
	who.UserAgent = "Mozilla/5.0"
	w.open(pixel, who)
	w.store.hits[0].Machine = tracking.Machine{Class: tracking.Person, Confidence: 60, Reasons: w.store.hits[0].Machine.Reasons}
	if n, err := w.visits.Rerate(t.Context(), w.tenant); n != 1 || err != nil {
		t.Fatalf("judged %d, %v", n, err)
	}
	if m := w.store.hits[0].Machine; m.Class != tracking.Scanner || m.Rules != 2 {
		t.Errorf("%+v", m)
	}
}

// Whoever has a token cannot fill the store with it.
func TestFloodOfOneClient(t *testing.T) {
	w := newWorld(t)
	w.allow(tracking.Individual, tracking.BasisContract)
	body, _ := w.send(htmlMail(threeLinks), "eva@x.example")
	_, _, pixel := tokensOf(body)
	for range 500 {
		w.open(pixel, person())
	}
	if n := len(w.store.hits); n != 100 {
		t.Errorf("%d kept", n)
	}
}

func TestRulesAreWhole(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "no toml": "=", "agent without text": "version = 1\n[[agent]]\nname = \"x\""} {
		if _, err := tracking.ParseRules([]byte(text)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestHub(t *testing.T) {
	h := tracking.NewHub()
	mine, cancel := h.Subscribe(tenant.ID{1}, 1)
	other, cancelOther := h.Subscribe(tenant.ID{2}, 1)
	for range 2 { // the second finds no room
		h.Publish(tracking.Activity{Tenant: tenant.ID{1}, Kind: tracking.Opened})
	}
	if a := <-mine; a.Kind != tracking.Opened || len(mine)+len(other) > 0 {
		t.Errorf("%+v, %d and %d more", a, len(mine), len(other))
	}
	cancel()
	cancel()
	h.Close()
	_, open := <-other
	late, cancelLate := h.Subscribe(tenant.ID{1}, 1)
	if _, too := <-late; open || too {
		t.Error("a closed hub goes on")
	}
	cancelOther()
	cancelLate()
}
