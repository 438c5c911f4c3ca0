package e2e

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stafette/internal/id"
	"stafette/internal/seal"
	"stafette/internal/store"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// books are the tables of an installation, beside the program that uses them.
func books(t *testing.T, data string) *store.Store {
	t.Helper()
	keeper, err := seal.Load(filepath.Join(data, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Config{DataDir: data, Now: time.Now, HashKey: keeper.MACKey("suppressions")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

var trackedToken = regexp.MustCompile(`/([il])/[A-Za-z0-9_-]{70}`)

// fetch asks as a browser does and follows nothing.
func (s *stafette) fetch(t *testing.T, path string) *http.Response {
	t.Helper()
	r, err := s.tryFetch(t, path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *stafette) tryFetch(t *testing.T, path string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.httpAddr+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	r.Header.Set("Accept-Language", "de")
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer, answer.Body.Close()
}

// TestTrackedMail: a mail is woven, delivered, opened and clicked; a withdrawal silences
// it; and of a burst that the program does not survive, nothing it answered is lost.
func TestTrackedMail(t *testing.T) {
	t.Parallel()
	address := ownAddress(t)
	openSink(t, address)
	data := filepath.Join(t.TempDir(), "data")
	s := installAt(t, data, towards(address))
	b := books(t, data)
	owner, err := id.Parse[tenant.Kind](s.setup.TenantID)
	if err != nil {
		t.Fatal(err)
	}
	const eva = "eva@" + recipientDomain
	set := tracking.Setting{Tenant: owner, Level: tracking.Individual, Basis: tracking.BasisContract, Justification: "Provisionsnachweis", By: "usr_1", At: time.Now()}
	if err := b.PutTrackingSetting(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	m := s.send(t, map[string]any{"from": "info@" + senderDomain, "to": []string{eva}, "subject": "Exposé",
		"html": `<p>Guten Tag</p><a href="https://makler.example/expose?x=1&amp;y=2">Exposé</a>`, "tracking": "individual"})
	s.settled(t, m.ID)
	if a := s.request(t, http.MethodGet, "/v1/messages/"+m.ID, nil); !strings.Contains(string(a.body), `"tracking":{"level":"individual","rule":"tenant"}`) {
		t.Error(a)
	}
	raw := strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(string(s.request(t, http.MethodGet, "/v1/messages/"+m.ID+"/mime", nil).body))
	tokens := trackedToken.FindAllString(raw, -1)
	if len(tokens) != 3 {
		t.Fatalf("tokens %q in %s", tokens, raw)
	}
	link, pixel := tokens[0], tokens[2]
	if a := s.fetch(t, pixel); a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "image/gif" {
		t.Errorf("pixel: %d %v", a.StatusCode, a.Header)
	}
	if a := s.fetch(t, link); a.StatusCode != http.StatusFound || a.Header.Get("Location") != "https://makler.example/expose?x=1&y=2" {
		t.Errorf("link: %d %v", a.StatusCode, a.Header)
	}
	if a := s.fetch(t, forged(link)); a.StatusCode != http.StatusNotFound {
		t.Errorf("forged link: %d", a.StatusCode)
	}
	kept := func() int {
		t.Helper()
		// Who asks the program sees all it has answered, and with that lets it be rows, which
		// alone another process sees.
		if a := s.request(t, http.MethodGet, "/v1/messages/"+m.ID+"/events", nil); a.status != http.StatusOK {
			t.Fatal(a)
		}
		list, _, err := b.Activities(t.Context(), owner, tracking.Query{Limit: tracking.MaxPage})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			if !a.Identified || a.Recipient == nil || a.Recipient.String() != eva || a.Title != "Exposé" {
				t.Errorf("kept %+v", a)
			}
		}
		return len(list)
	}
	if n := kept(); n != 2 {
		t.Errorf("%d activities", n)
	}
	say := func(state tracking.State) {
		t.Helper()
		local, domain, _ := strings.Cut(eva, "@")
		c := tracking.Consent{Tenant: owner, State: state, At: time.Now()}
		c.Address.Local, c.Address.Domain = local, domain
		if err := b.PutTrackingConsent(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	say(tracking.StateWithdrawn)
	if a := s.fetch(t, link); a.StatusCode != http.StatusFound || kept() != 2 {
		t.Errorf("after the withdrawal: %d, %d activities", a.StatusCode, kept())
	}
	say(tracking.StateUnknown)
	s.killedInBurst(t, pixel, kept)
}

// forged is a capability of which one letter of the MAC is another one. It is never the last,
// which has few values: a letter put in its place may be the one that stood there.
func forged(link string) string {
	at := len(link) - 10
	letter := "A"
	if link[at] == 'A' {
		letter = "B"
	}
	return link[:at] + letter + link[at+1:]
}

// killedInBurst lets many clients open a mail at once, kills the program among them and
// counts.
func (s *stafette) killedInBurst(t *testing.T, pixel string, kept func() int) {
	t.Helper()
	before := kept()
	var answered atomic.Int64
	var all sync.WaitGroup
	var once sync.Once
	for range 8 {
		all.Go(func() {
			for range 20 {
				r, err := s.tryFetch(t, pixel)
				if err != nil || r.StatusCode != http.StatusOK {
					return
				}
				if answered.Add(1) > 50 {
					once.Do(s.kill)
				}
			}
		})
	}
	all.Wait()
	s.start(t)
	// One client is recorded a hundred times at most in a burst.
	if have, want := kept()-before, int(min(answered.Load(), 90)); have < want {
		t.Errorf("%d hits were answered, %d kept", want, have)
	}
	if a := s.fetch(t, pixel); a.StatusCode != http.StatusOK {
		t.Errorf("after the restart: %s", fmt.Sprint(a.Status))
	}
}
