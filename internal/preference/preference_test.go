package preference_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/preference"
	"stafette/internal/preference/preferencetest"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// world is one newsletter to Eva.
type world struct {
	*testing.T
	service  *preference.Service
	list     *audience.Service
	store    *preferencetest.Store
	owner    tenant.ID
	delivery message.DeliveryID
	now      time.Time
}

var eva = message.Address{Local: "eva", Domain: "kunde.example"}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, now: start, owner: id.New[tenant.Kind](start), delivery: message.Delivery(message.NewID(start), 1)}
	tenants := &tenanttest.Store{}
	if err := tenants.Found(t.Context(), tenant.Founding{Tenant: tenant.Tenant{ID: w.owner, Name: "Hafen & Kontor", State: tenant.Active}}); err != nil {
		t.Fatal(err)
	}
	w.store = &preferencetest.Store{Store: tenants}
	w.store.Deliver(w.owner, w.delivery, preference.Addressee{Address: eva, Stream: tenant.Newsletter})
	now := func() time.Time { return w.now }
	var err error
	w.list, err = audience.New(audience.Config{Store: &audiencetest.Store{}, Key: []byte(audiencetest.Key), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	w.service = preference.New(preference.Config{Store: w.store, List: w.list, Key: []byte(strings.Repeat("k", 32)), PublicURL: "https://post.example", Now: now})
	return w
}

// token is what follows the path in the link of Eva's mail.
func (w *world) token() string {
	w.Helper()
	token, ok := strings.CutPrefix(w.service.Link(w.owner, w.delivery), "https://post.example"+preference.Path)
	if !ok || len(token) != preference.TokenLength {
		w.Fatalf("link with token %q", token)
	}
	return token
}

// off are the categories that Eva gets none of.
func (w *world) off() string {
	w.Helper()
	var list []string
	for _, stream := range tenant.Streams() {
		reason, err := w.list.Check(w.Context(), w.owner, stream, eva, start)
		if err != nil {
			w.Fatal(err)
		}
		if reason != "" {
			list = append(list, string(stream)+" "+string(reason))
		}
	}
	return strings.Join(list, ", ")
}

func (w *world) choose(want ...tenant.Stream) {
	w.Helper()
	if _, err := w.service.Choose(w.Context(), w.token(), want); err != nil {
		w.Fatal(err)
	}
}

// One click ends the mail's category and nothing else; clicking again changes nothing.
func TestLeave(t *testing.T) {
	w := newWorld(t)
	if w.off() != "" {
		t.Fatalf("suppressed before: %s", w.off())
	}
	for range 3 {
		if _, err := w.service.Leave(t.Context(), w.token()); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.off(); got != "newsletter unsubscribed" {
		t.Errorf("off: %q", got)
	}
	facts := w.store.Facts()
	if len(facts) != 1 || facts[0].Type != event.Unsubscribed || facts[0].Delivery != w.delivery {
		t.Errorf("facts %+v", facts)
	}
}

// What a person decides they can take back; what others decided they cannot.
func TestChoose(t *testing.T) {
	for name, c := range map[string]struct {
		before []audience.Wish
		want   []tenant.Stream
		off    string
	}{
		"all stay":      {nil, []tenant.Stream{tenant.Newsletter, tenant.Reminder}, ""},
		"none":          {nil, nil, "reminder unsubscribed, newsletter unsubscribed"},
		"one":           {nil, []tenant.Stream{tenant.Reminder}, "newsletter unsubscribed"},
		"back":          {[]audience.Wish{{Stream: tenant.Newsletter, Reason: audience.Unsubscribed}}, []tenant.Stream{tenant.Newsletter, tenant.Reminder}, ""},
		"one back":      {[]audience.Wish{{Stream: tenant.Newsletter, Reason: audience.Unsubscribed}}, []tenant.Stream{tenant.Newsletter}, "reminder unsubscribed"},
		"complaint":     {[]audience.Wish{{Stream: tenant.Newsletter, Reason: audience.Complaint}}, []tenant.Stream{tenant.Newsletter, tenant.Reminder}, "newsletter complaint"},
		"of all, back":  {[]audience.Wish{{Reason: audience.Unsubscribed}}, []tenant.Stream{tenant.Newsletter}, "reminder unsubscribed"},
		"by the sender": {[]audience.Wish{{Stream: tenant.Newsletter}}, []tenant.Stream{tenant.Newsletter, tenant.Reminder}, "newsletter manual"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for _, wish := range c.before {
				wish.Address = eva
				if _, err := w.list.Suppress(t.Context(), w.owner, wish, "system"); err != nil {
					t.Fatal(err)
				}
			}
			w.choose(c.want...)
			if got := w.off(); got != c.off {
				t.Errorf("off: %q, want %q", got, c.off)
			}
		})
	}
	w := newWorld(t)
	if _, err := w.service.Choose(t.Context(), w.token(), []tenant.Stream{tenant.System}); !fault.IsKind(err, fault.Invalid) {
		t.Errorf("a category that is not for them to choose: %v", err)
	}
}

// The mail of a link that is of none of the choices can be refused by it all the same.
func TestOwnCategoryIsListed(t *testing.T) {
	w := newWorld(t)
	w.store.Deliver(w.owner, w.delivery, preference.Addressee{Address: eva, Stream: tenant.Lead})
	v, err := w.service.Open(t.Context(), w.token())
	if err != nil || !slices.Equal(v.Listed(), []tenant.Stream{tenant.Lead, tenant.Newsletter, tenant.Reminder}) {
		t.Errorf("%v, %v", v.Listed(), err)
	}
}

// T25: links cannot be made, bent to another delivery or guessed, and all that fail look alike.
func TestForgedLinks(t *testing.T) {
	w := newWorld(t)
	good := w.token()
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	bent := func(at int) string {
		b := slices.Clone(raw)
		b[at] ^= 1
		return base64.RawURLEncoding.EncodeToString(b)
	}
	other := message.Delivery(message.NewID(start), 2)
	strange, _ := strings.CutPrefix(w.service.Link(w.owner, other), "https://post.example"+preference.Path)
	foreign, _ := strings.CutPrefix(w.service.Link(id.New[tenant.Kind](start), w.delivery), "https://post.example"+preference.Path)
	var words string
	for name, token := range map[string]string{
		"empty": "", "short": good[:60], "long": good + "A", "padded": good + "=", "tenant": bent(0), "delivery": bent(16), "mac": bent(47),
		"no such delivery": strange, "of another tenant": foreign,
	} {
		_, err := w.service.Leave(t.Context(), token)
		if !fault.IsKind(err, fault.NotFound) || fault.As(err).Code != preference.CodeUnknown {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if words == "" {
			words = err.Error()
		}
		if err.Error() != words {
			t.Errorf("%s is told apart: %q, %q", name, err, words)
		}
	}
	if w.off() != "" {
		t.Errorf("suppressed by a forged link: %s", w.off())
	}
}

func FuzzOpen(f *testing.F) {
	f.Add("")
	f.Add(strings.Repeat("A", preference.TokenLength))
	s := preference.New(preference.Config{Store: &preferencetest.Store{Store: &tenanttest.Store{}}, Key: []byte(strings.Repeat("k", 32)), Now: time.Now})
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := s.Open(t.Context(), token); !fault.IsKind(err, fault.NotFound) {
			t.Errorf("%q: %v", token, err)
		}
	})
}
