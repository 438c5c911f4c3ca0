package ticket_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/ticket"
)

// Who has to do with a locked account judges no appeal of it; all else is open to all staff.
func TestNobodyJudgesTheirOwn(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	own, other := id.New[tenant.Kind](at), id.New[tenant.Kind](at)
	down := errors.New("database is away")
	s := ticket.New(ticket.Config{Related: func(_ context.Context, email string, t tenant.ID) (bool, error) {
		if email == "away@platform.example" {
			return false, down
		}
		return t == own && strings.HasSuffix(email, "@own.example"), nil
	}})
	for name, c := range map[string]struct {
		of       tenant.ID
		category ticket.Category
		email    string
		code     string
	}{
		"somebody of the account":     {own, ticket.Appeal, "eva@own.example", ticket.CodePartial},
		"somebody of another account": {other, ticket.Appeal, "eva@own.example", ""},
		"somebody of the platform":    {own, ticket.Appeal, "ada@platform.example", ""},
		"a request of their own":      {own, ticket.Delivery, "eva@own.example", ""},
		"a request about an approval": {own, ticket.Approval, "eva@own.example", ""},
		"somebody without an address": {own, ticket.Appeal, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.Judges(t.Context(), ticket.Ticket{Tenant: c.of, Category: c.category}, c.email)
			if f := fault.As(err); (f == nil) != (c.code == "") || f != nil && (f.Code != c.code || f.Kind != fault.Forbidden) {
				t.Errorf("%v, want %q", err, c.code)
			}
		})
	}
	if err := s.Judges(t.Context(), ticket.Ticket{Tenant: own, Category: ticket.Appeal}, "away@platform.example"); !errors.Is(err, down) {
		t.Errorf("what cannot be told: %v", err)
	}
}
