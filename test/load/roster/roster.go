// Package roster gives a Stafette that is not running an audience: people in an approved
// group, so that mailings can be measured and broken. It goes through the product's own
// rooms (imports, approvals, tracking) and so writes what they write.
//
// It sends nothing and reads nothing back.
package roster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/audience/intake"
	"stafette/internal/seal"
	"stafette/internal/store"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Roster says who is in the group.
type Roster struct {
	// Data is the data directory, Database the [database] url; "": SQLite in Data.
	Data, Database string
	// Domain is the tenant's.
	Domain string
	// People is how many there are, Address the address of the n-th.
	People  int
	Address func(n int) string
	// Tracked lets mail tell of single persons.
	Tracked bool
}

// actor is whose name stands at what is done.
const actor = "load"

// Fill makes the group, imports its people and approves it.
func (r Roster) Fill(ctx context.Context) (g audience.GroupID, err error) {
	keeper, err := seal.Load(filepath.Join(r.Data, "root.key"))
	if err != nil {
		return g, err
	}
	s, err := store.Open(ctx, store.Config{URL: r.Database, DataDir: r.Data, Now: time.Now, HashKey: keeper.MACKey("suppressions"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return g, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	owner, err := s.OwnerOfDomain(ctx, r.Domain)
	if err != nil {
		return g, err
	}
	made, err := audience.NewGroups(s, s, time.Now).Create(ctx, owner, audience.Group{Name: "Leserinnen", Kind: audience.Static}, actor)
	if err != nil {
		return g, err
	}
	if err := r.join(ctx, s, owner, made.ID); err != nil {
		return g, fmt.Errorf("import people: %w", err)
	}
	if err := approve(ctx, s, keeper, owner, made.ID); err != nil {
		return g, fmt.Errorf("approve group: %w", err)
	}
	if r.Tracked {
		err = s.PutTrackingSetting(ctx, tracking.Setting{Tenant: owner, Level: tracking.Individual, Basis: tracking.BasisContract, Justification: "load", By: actor,
			At: time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)})
	}
	return made.ID, err
}

// join imports the people as a list.
func (r Roster) join(ctx context.Context, s *store.Store, owner tenant.ID, g audience.GroupID) error {
	var list strings.Builder
	list.WriteString("E-Mail;Vorname;Nachname\n")
	for n := range r.People {
		fmt.Fprintf(&list, "%s;Eva;Sommer-%d\n", r.Address(n), n)
	}
	in := intake.New(intake.Config{Store: s, People: s, Now: time.Now})
	i, err := in.Receive(ctx, owner, g, "leser.csv", actor, strings.NewReader(list.String()))
	if err != nil {
		return err
	}
	i.Plan.Source = "load"
	if _, err := in.Start(ctx, owner, i.ID, i.Plan); err != nil {
		return err
	}
	for n := 1; n > 0; {
		if n, err = in.Turn(ctx); err != nil {
			return err
		}
	}
	return nil
}

func approve(ctx context.Context, s *store.Store, keeper *seal.Keeper, owner tenant.ID, g audience.GroupID) error {
	cases, err := approval.New(approval.Config{Store: s, Groups: s, Keeper: keeper, Calendar: approval.DefaultCalendar(time.UTC), Rules: approval.Rules{Growth: 100, FourEyes: 1 << 30}, Now: time.Now})
	if err != nil {
		return err
	}
	c, err := cases.Submit(ctx, owner, g, approval.Submission{Read: true, Contact: approval.Contact{Name: "Muster", Email: "muster@anderswo.example"},
		Sources: []approval.Source{{Kind: approval.Written, Description: "Karten, die im Laden ausgefüllt und unterschrieben werden.",
			Answers: map[string]string{"occasion": "Besuch im Laden", "keeper": "Ordner im Büro"}}}}, actor)
	if err != nil {
		return err
	}
	who := approval.Reviewer{Actor: "operator", Email: "pruefung@plattform.example"}
	if _, err = cases.Claim(ctx, c.ID, who); err != nil {
		return err
	}
	_, err = cases.Decide(ctx, approval.Verdict{Case: c.ID, Decision: approval.DecideApprove, Reason: "Die Karten liegen vor."}, who)
	return err
}
