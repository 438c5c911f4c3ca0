package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/notice"
	"stafette/internal/tenant"
)

// people are the owners of one tenant, and what was written to them.
type somePeople struct {
	owners  []tenant.User
	letters []notice.Letter
}

func (p *somePeople) Tenant(_ context.Context, t tenant.ID) (tenant.Tenant, error) {
	return tenant.Tenant{ID: t, Name: "Muster GmbH", Locale: "de", OfficeTone: tenant.Sie}, nil
}
func (p *somePeople) Owners(context.Context, tenant.ID) ([]tenant.User, error) { return p.owners, nil }
func (p *somePeople) On() bool                                                 { return true }
func (p *somePeople) Send(_ context.Context, l notice.Letter) error {
	p.letters = append(p.letters, l)
	return nil
}

func TestHaltIsToldToOwners(t *testing.T) {
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	p := &somePeople{owners: []tenant.User{{ID: id.New[tenant.UserKind](at), Email: "eva@muster.example"}, {ID: id.New[tenant.UserKind](at), Email: "max@muster.example", Locale: "en"}}}
	h := audience.Halt{Tenant: id.New[tenant.Kind](at), At: at, Cause: audience.TooManyBounces, Tally: audience.Tally{Sent: 4310, Hard: 300}, Window: 24 * time.Hour}
	if err := (&haltTeller{store: p, notices: p}).tell(t.Context(), h); err != nil || len(p.letters) != 2 {
		t.Fatalf("%d letters, %v", len(p.letters), err)
	}
	for i, share := range []string{"6,96", "6.96"} {
		l := p.letters[i]
		if l.Args["share"] != share || l.Args["n"] != "300" || l.To.String() != p.owners[i].Email || !strings.Contains(l.Key, p.owners[i].ID.String()) {
			t.Errorf("%+v", l)
		}
	}
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, cause := range []audience.Cause{audience.TooManyComplaints, audience.TooManyBounces, audience.TooManyUnsubscribes} {
		for _, part := range []string{".subject", ".body", ".button"} {
			if key := "notice.halt_" + string(cause) + part; !catalog.Has(key) {
				t.Errorf("no text %s", key)
			}
		}
	}
}
