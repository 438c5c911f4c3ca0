package tracking_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/tracking/trackingtest"
)

// office is settings, consents and weaving over one shelf.
type office struct {
	*testing.T
	shelf    *trackingtest.Shelf
	settings tracking.Settings
	consents *tracking.Consents
	tokens   *tracking.Tokens
	tenant   tenant.ID
	now      time.Time
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{T: t, shelf: &trackingtest.Shelf{}, now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	o.tenant = id.New[tenant.Kind](o.now)
	clock := func() time.Time { return o.now }
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	o.must(err)
	o.tokens, err = tracking.NewTokens(keeper.MACKey("tracking tokens"))
	o.must(err)
	o.settings = tracking.Settings{Store: o.shelf, Decider: tracking.NewDecider(tracking.DeciderConfig{Store: o.shelf, Now: clock}), Now: clock}
	o.consents = tracking.NewConsents(tracking.ConsentsConfig{Store: o.shelf, Settings: o.settings, Activities: o.shelf, Tokens: o.tokens, Keeper: keeper, PublicURL: "https://post.example/", Now: clock})
	return o
}

func (o *office) must(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

func (o *office) allow(l tracking.Level) {
	o.Helper()
	_, err := o.settings.Set(o.Context(), tracking.Allowed{Setting: tracking.Setting{Tenant: o.tenant, Level: l, Basis: tracking.BasisContract, Justification: "Abruf des Exposés.", By: "usr_1"}})
	o.must(err)
}

var eva = message.Address{Local: "eva", Domain: "kunde.example"}

// Mail that tells of one person says where they withdraw: in a line of its own, or where the
// sender put a link for it; no other mail does.
func TestMailLeadsToWhereItsReaderWithdraws(t *testing.T) {
	const own = `<a data-stafette-track="consent" href="https://hafenkontor.example/datenschutz">Nicht mehr auswerten</a>`
	several := []message.Address{eva, {Local: "karl", Domain: "kunde.example"}}
	for name, c := range map[string]struct {
		level         tracking.Level
		html          string
		to            []message.Address
		links, footer int
	}{
		"per person":           {tracking.Individual, "<p>Guten Tag</p>", several[:1], 1, 1},
		"under a code":         {tracking.Pseudonymous, "<p>Guten Tag</p>", several[:1], 1, 1},
		"a link of the sender": {tracking.Individual, own, several[:1], 1, 0},
		"several recipients":   {tracking.Individual, own, several, 0, 0},
		"figures only":         {tracking.Aggregate, own, several[:1], 0, 0},
		"off":                  {tracking.None, own, several[:1], 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.allow(c.level)
			m := message.NewID(o.now)
			w := tracking.NewWeaver(tracking.WeaverConfig{Decider: o.settings.Decider, Tokens: o.tokens, PublicURL: "https://post.example", Withdrawal: true})
			body, _, err := w.Weave(context.Background(), tracking.Mail{Tenant: o.tenant, Message: m, Stream: tenant.Transactional, Recipients: c.to,
				Body: []byte("From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + c.html)})
			o.must(err)
			text := string(body)
			url := o.tokens.ConsentURL("https://post.example", o.tenant, message.Delivery(m, 1))
			if n := strings.Count(text, url); n != c.links || strings.Count(text, "Stop tracking me") != c.footer {
				t.Errorf("%d links, want %d and %d footers: %s", n, c.links, c.footer, text)
			}
			if c.links == 0 && strings.Contains(c.html, own) && !strings.Contains(text, "https://hafenkontor.example/datenschutz") {
				t.Errorf("the sender's own link is gone: %s", text)
			}
		})
	}
}

// A link is a capability for one person and says the same to whoever makes one up.
func TestConsentLinks(t *testing.T) {
	o := newOffice(t)
	m := message.NewID(o.now)
	o.shelf.Put(tracking.Tracked{Tenant: o.tenant, Message: m}, tracking.Recipient{Delivery: message.Delivery(m, 1), Address: eva})
	token := func(url string) string { return url[strings.LastIndex(url, "/")+1:] }
	good := map[string]string{
		"of an address": token(o.consents.URL(o.tenant, eva)),
		"of a delivery": token(o.tokens.ConsentURL("https://post.example", o.tenant, message.Delivery(m, 1))),
	}
	for name, text := range good {
		v, err := o.consents.Open(t.Context(), text)
		if err != nil || v.Address != eva || v.Tenant != o.tenant || v.Consent.State != tracking.StateUnknown {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
		if strings.Contains(text, "eva") {
			t.Errorf("%s names the person: %s", name, text)
		}
	}
	other := id.New[tenant.Kind](o.now)
	bad := map[string]string{
		"empty": "", "cut": good["of an address"][:40], "longer": good["of an address"] + "A", "endless": strings.Repeat("A", 4000),
		"of no delivery": token(o.tokens.ConsentURL("", o.tenant, message.Delivery(m, 2))), "of another tenant": token(o.tokens.ConsentURL("", other, message.Delivery(m, 1))),
		"of a picture": o.tokens.Make(tracking.Token{Purpose: tracking.ForPixel, Tenant: o.tenant, Message: m, Number: 1}),
	}
	for name, text := range good {
		for i := range text {
			flipped := []byte(text)
			if flipped[i] == 'A' {
				flipped[i] = 'B'
			} else {
				flipped[i] = 'A'
			}
			bad[name+", flipped"] = string(flipped)
			for name, text := range bad {
				_, err := o.consents.Open(t.Context(), text)
				if f := fault.As(err); f == nil || f.Kind != fault.NotFound || f.Code != tracking.CodeConsentLinkUnknown {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
	}
	if err := o.consents.Say(t.Context(), "x", tracking.StateWithdrawn, ""); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("said by nobody: %v", err)
	}
	if err := o.consents.Say(t.Context(), good["of a delivery"], tracking.StateUnknown, ""); !fault.IsKind(err, fault.Invalid) {
		t.Errorf("unsaid: %v", err)
	}
}

// What is the same is not written again, and a refused setting changes nothing.
func TestSettingsAreKeptOnce(t *testing.T) {
	o := newOffice(t)
	o.allow(tracking.Individual)
	o.now = o.now.Add(time.Hour)
	o.allow(tracking.Individual)
	_, err := o.settings.Set(t.Context(), tracking.Allowed{Setting: tracking.Setting{Tenant: o.tenant, Level: tracking.Individual}})
	if f := fault.As(err); f == nil || f.Code != tracking.CodeBasisMissing || len(f.Also) != 1 {
		t.Errorf("without a basis: %v", err)
	}
	list, _, err := o.settings.History(t.Context(), o.tenant)
	if err != nil || len(list) != 1 || !list[0].At.Equal(o.now.Add(-time.Hour)) {
		t.Errorf("history %+v, %v", list, err)
	}
	a, err := o.settings.Allowed(t.Context(), o.tenant)
	o.must(err)
	to := tracking.Allowed{Setting: tracking.Setting{Level: tracking.Individual}, Streams: map[tenant.Stream]tracking.Level{tenant.Newsletter: tracking.None}}
	changes := a.Changes(to)
	if len(changes) != 1 || changes[0].Stream != tenant.Newsletter || !changes[0].Stricter() || a.On(tenant.Newsletter) != tracking.Individual {
		t.Errorf("changes %+v", changes)
	}
}
