package delivery_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"stafette/internal/delivery"
	"stafette/internal/dkim"
	"stafette/internal/dns"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
)

// published is a name system of TXT records.
type published map[string][]string

func (p published) MX(context.Context, string) ([]dns.MX, error)        { return nil, dns.ErrNoDomain }
func (p published) Addrs(context.Context, string) ([]netip.Addr, error) { return nil, dns.ErrNoDomain }
func (p published) TXT(_ context.Context, name string) ([]string, error) {
	if list := p[name]; list != nil {
		return list, nil
	}
	return nil, dns.ErrNoDomain
}

// TestSignaturesOutliveRotation (T36): mail signed before and after the keys change
// verifies, to a foreign verifier, and nothing is signed by keys nobody can look up.
func TestSignaturesOutliveRotation(t *testing.T) {
	keeper, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now() // the verifier's clock cannot be set
	clock := func() time.Time { return now }
	store, zone := &tenanttest.Store{}, published{}
	registry := tenant.NewRegistry(tenant.RegistryConfig{
		Store: store, Keeper: keeper, Now: clock, Resolver: func() dns.Resolver { return zone },
		MakeKey: func(a tenant.Algorithm) ([]byte, string, error) { return dkim.GenerateKey(dkim.Algorithm(a)) },
	})
	signer := delivery.NewSigner(delivery.SignerConfig{Keys: store.DKIMKeys, Keeper: keeper, Now: clock})
	d, err := registry.Add(t.Context(), tenantA, "muster.example", "")
	if err != nil {
		t.Fatal(err)
	}
	const mail = "From: a@muster.example\r\nTo: b@kunde.example\r\nSubject: x\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@muster.example>\r\n\r\nText\r\n"
	sign := func() string {
		t.Helper()
		now = now.Add(2 * time.Second)
		fields, err := signer.Sign(t.Context(), entryOf(message.NewID(now), 1, d.Name), []byte(mail))
		if err != nil || len(fields) == 0 {
			t.Fatalf("signed with %q, %v", fields, err)
		}
		return string(fields) + mail
	}
	verifies := func(what, signed, selector string) {
		t.Helper()
		list, err := msgauth.VerifyWithOptions(strings.NewReader(signed), &msgauth.VerifyOptions{LookupTXT: func(name string) ([]string, error) { return zone[name], nil }})
		if err != nil || len(list) != 2 || strings.Count(signed, "s="+selector) != 2 {
			t.Fatalf("%s: %d signatures, %v\n%s", what, len(list), err, signed)
		}
		for _, v := range list {
			if v.Err != nil {
				t.Errorf("%s: %v", what, v.Err)
			}
		}
	}
	publish := func(s tenant.DomainSetup, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range s.Records {
			if f.Purpose == tenant.ForDKIM || f.Purpose == tenant.ForNextDKIM {
				zone[f.Name] = []string{f.Value}
			}
		}
	}
	publish(registry.Setup(t.Context(), tenantA, d.ID))
	before := sign()
	verifies("before", before, "stf1")
	rotated, err := registry.Rotate(t.Context(), tenantA, d.ID, "")
	verifies("while the new keys wait", sign(), "stf1")
	publish(rotated, err)
	if _, err := registry.Check(t.Context(), tenantA, d.ID, ""); err != nil {
		t.Fatal(err)
	}
	// Another node, which does not remember the old keys for a minute.
	signer = delivery.NewSigner(delivery.SignerConfig{Keys: store.DKIMKeys, Keeper: keeper, Now: clock})
	verifies("after", sign(), "stf2")
	verifies("what was signed before", before, "stf1")
}
