package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

const (
	// MaxAmount bounds what is included or given at once.
	MaxAmount = 1_000_000_000
	maxName   = 100
	maxNote   = 500
	// releasePage is how many held deliveries go on in one transaction.
	releasePage = 500
)

// Store is what this room needs of the database. Each method is one whole transaction.
type Store interface {
	// Plans lists all plans, those that may be booked first, by name.
	Plans(ctx context.Context) ([]Plan, error)
	// PutPlan keeps a new plan.
	PutPlan(ctx context.Context, p Plan) error
	// RetirePlan ends that a plan may be booked; NotFound "plan_not_found".
	RetirePlan(ctx context.Context, p PlanID, now time.Time) error
	// Account returns a tenant's account; the zero Account with Tenant if it never had one.
	Account(ctx context.Context, t tenant.ID) (Account, error)
	// Accounts lists all accounts with a plan, of all tenants, at most limit.
	Accounts(ctx context.Context, limit int) ([]Account, error)
	// Book changes an account and keeps the entries that change returns, both or nothing.
	// change may be called more than once; it sees the account as it is, and all entries
	// from old to new without charges. NotFound "tenant_not_found".
	Book(ctx context.Context, t tenant.ID, change func(a *Account, list []Entry) ([]Entry, error)) error
	// Entries returns an account's entries from new to old, without charges, at most limit.
	Entries(ctx context.Context, t tenant.ID, limit int) ([]Entry, error)
	// Charges returns what each day took since an instant, from new to old.
	Charges(ctx context.Context, t tenant.ID, since time.Time) ([]Charged, error)
	// Warned notes that people were told of a level.
	Warned(ctx context.Context, t tenant.ID, level int) error
	// WaitingAccounts lists tenants for which mail may be held with ReasonHeld.
	WaitingAccounts(ctx context.Context, limit int) ([]tenant.ID, error)
	// ReleaseCharged lets at most limit deliveries go on that are held with ReasonHeld, as many
	// as the account has left or all without a plan, charges them, and returns how many these
	// were. It notes when none is held any more.
	ReleaseCharged(ctx context.Context, t tenant.ID, limit int, now time.Time) (int, error)
}

// Config is what a Service needs.
type Config struct {
	Store Store
	Now   func() time.Time
	// Warn tells people of an account that it has reached a level (80 or 100); nil: nobody.
	Warn func(ctx context.Context, a Account, level int) error
	Log  *slog.Logger // nil discards
}

// Service is what people do about plans, and what happens by itself. It is safe for
// concurrent use.
type Service struct{ c Config }

// New makes a Service.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c}
}

// Plans lists all plans.
func (s *Service) Plans(ctx context.Context) ([]Plan, error) { return s.c.Store.Plans(ctx) }

// CreatePlan makes a plan of its name, Included and Overage. Errors are Invalid for "name"
// ("plan_name"), "included" ("amount_malformed") or "overage" ("plan_overage").
func (s *Service) CreatePlan(ctx context.Context, p Plan) (Plan, error) {
	var wrong []*fault.Error
	if p.Name = strings.Join(strings.Fields(p.Name), " "); p.Name == "" || !line(p.Name, maxName) {
		wrong = append(wrong, fault.Field("name", "plan_name", "A name has 1 to 100 characters."))
	}
	if p.Included < 0 || p.Included > MaxAmount {
		wrong = append(wrong, fault.Field("included", "amount_malformed", "An amount is a number up to 1,000,000,000."))
	}
	if !p.Overage.Valid() {
		wrong = append(wrong, fault.Field("overage", "plan_overage", "What is too much is held or refused."))
	}
	if err := fault.Join(wrong); err != nil {
		return Plan{}, err
	}
	now := s.c.Now()
	p.ID, p.CreatedAt, p.RetiredAt = id.New[PlanKind](now), now.UTC().Truncate(time.Millisecond), time.Time{}
	return p, s.c.Store.PutPlan(ctx, p)
}

// RetirePlan ends that a plan may be booked. Who has it keeps it.
func (s *Service) RetirePlan(ctx context.Context, p PlanID) error {
	return s.c.Store.RetirePlan(ctx, p, s.c.Now())
}

// SetPlan books a plan for an account, or with the zero identifier none: from then on
// nothing is charged, and what was held goes on. Errors: "plan_not_found", "plan_retired",
// "tenant_not_found".
func (s *Service) SetPlan(ctx context.Context, t tenant.ID, p PlanID, actor string) error {
	var plan Plan
	if !p.IsZero() {
		list, err := s.c.Store.Plans(ctx)
		if err != nil {
			return err
		}
		for _, one := range list {
			if one.ID == p {
				plan = one
			}
		}
		if plan.ID.IsZero() {
			return fault.New(fault.NotFound, CodePlanUnknown, "There is no such plan.")
		}
	}
	return s.c.Store.Book(ctx, t, func(a *Account, _ []Entry) ([]Entry, error) {
		if a.Plan == p {
			return nil, nil
		}
		if !plan.RetiredAt.IsZero() {
			return nil, fault.Field("plan", CodePlanRetired, "The plan can no longer be booked.")
		}
		list := a.Adopt(plan, s.c.Now())
		for i := range list {
			list[i].Actor = actor
		}
		return list, nil
	})
}

// Give adds credit that was bought (Grant) or is given by support (Goodwill), with a reason.
// Errors: Invalid for "amount" or "note", "plan_none", "tenant_not_found".
func (s *Service) Give(ctx context.Context, t tenant.ID, kind EntryType, amount int64, actor, note string) error {
	note, wrong := noted(note)
	if amount <= 0 || amount > MaxAmount {
		wrong = append(wrong, fault.Field("amount", "amount_malformed", "An amount is a number from 1 to 1,000,000,000."))
	}
	if kind != Grant && kind != Goodwill {
		wrong = append(wrong, fault.Field("kind", "ledger_kind", "Credit is bought or given."))
	}
	if err := fault.Join(wrong); err != nil {
		return err
	}
	return s.c.Store.Book(ctx, t, func(a *Account, _ []Entry) ([]Entry, error) {
		if !a.Metered() {
			return nil, fault.New(fault.Conflict, CodeNoPlan, "The account has no plan.")
		}
		if a.Credit > 1000*MaxAmount {
			return nil, fault.Field("amount", "amount_malformed", "The account has too much credit.")
		}
		now := s.c.Now()
		list := a.Roll(now)
		e := Entry{ID: id.New[EntryKind](now), Tenant: t, Type: kind, Amount: amount, Actor: actor, Note: note}
		a.Give(e)
		return append(list, e), nil
	})
}

// Refund takes back what was booked, the month or credit that was bought, as long as
// nothing of it was used. Errors: Invalid for "note", "entry_not_found", "refund_used".
func (s *Service) Refund(ctx context.Context, t tenant.ID, of EntryID, actor, note string) error {
	note, wrong := noted(note)
	if err := fault.Join(wrong); err != nil {
		return err
	}
	return s.c.Store.Book(ctx, t, func(a *Account, known []Entry) ([]Entry, error) {
		now := s.c.Now()
		list := a.Roll(now)
		e, ok := a.Unused(append(known, list...), of)
		switch {
		case e.ID.IsZero() || e.Type != Month && e.Type != Grant:
			return nil, fault.New(fault.NotFound, CodeNoEntry, "There is no such booking.")
		case !ok:
			return nil, fault.New(fault.Conflict, CodeUsed, "What was used, even in part, is not given back.")
		}
		a.GiveBack(e)
		return append(list, Entry{ID: id.New[EntryKind](now), Tenant: t, Type: Refund, Amount: -e.Amount, Of: of, Actor: actor, Note: note}), nil
	})
}

// noted checks a reason.
func noted(note string) (string, []*fault.Error) {
	note = strings.Join(strings.Fields(note), " ")
	if n := utf8.RuneCountInString(note); n < 3 || !line(note, maxNote) {
		return "", []*fault.Error{fault.Field("note", "reason_malformed", "A reason has 3 to 500 characters.")}
	}
	return note, nil
}

func line(text string, most int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= most && !strings.ContainsFunc(text, unicode.IsControl)
}

// Statement is an account with what happened to it.
type Statement struct {
	Account
	Name    string // of the plan; "": none
	Entries []Entry
	Charges []Charged
}

// statementDays is how far back a statement tells of charges, statementEntries how many
// entries it has at most.
const (
	statementDays    = 400
	statementEntries = 1000
)

// Statement returns the account as it is now, and its ledger from new to old.
func (s *Service) Statement(ctx context.Context, t tenant.ID) (v Statement, err error) {
	now := s.c.Now()
	if v.Account, err = s.Account(ctx, t); err != nil {
		return v, err
	}
	plans, err := s.c.Store.Plans(ctx)
	if err != nil {
		return v, err
	}
	for _, p := range plans {
		if p.ID == v.Plan {
			v.Name = p.Name
		}
	}
	if v.Entries, err = s.c.Store.Entries(ctx, t, statementEntries); err != nil {
		return v, err
	}
	v.Charges, err = s.c.Store.Charges(ctx, t, now.AddDate(0, 0, -statementDays))
	return v, err
}

// Account returns the account as it is now: a month that nobody has sent in is begun.
func (s *Service) Account(ctx context.Context, t tenant.ID) (Account, error) {
	a, err := s.c.Store.Account(ctx, t)
	if err == nil && a.Metered() {
		a.Roll(s.c.Now())
	}
	return a, err
}

// Accounts lists all accounts with a plan.
func (s *Service) Accounts(ctx context.Context) ([]Account, error) {
	list, err := s.c.Store.Accounts(ctx, maxAccounts)
	for i := range list {
		list[i].Roll(s.c.Now())
	}
	return list, err
}

const maxAccounts = 10_000

// Turn warns whose plan is nearly or quite used, and lets held mail go on where something
// is left again. One node calls it every few seconds.
func (s *Service) Turn(ctx context.Context) error {
	return errors.Join(s.warn(ctx), s.release(ctx))
}

func (s *Service) warn(ctx context.Context) error {
	list, err := s.Accounts(ctx)
	if err != nil {
		return fmt.Errorf("find plans that are used: %w", err)
	}
	var errs []error
	for _, a := range list {
		level := a.Level()
		if level <= a.Warned {
			continue
		}
		if s.c.Warn != nil {
			err = s.c.Warn(ctx, a, level)
		}
		if err == nil {
			err = s.c.Store.Warned(ctx, a.Tenant, level)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("warn of plan of %s: %w", a.Tenant, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Service) release(ctx context.Context) error {
	list, err := s.c.Store.WaitingAccounts(ctx, maxAccounts)
	if err != nil {
		return fmt.Errorf("find mail that waits for its plan: %w", err)
	}
	var errs []error
	for _, t := range list {
		for n := releasePage; n == releasePage && err == nil; {
			n, err = s.c.Store.ReleaseCharged(ctx, t, releasePage, s.c.Now())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("let mail of %s go on: %w", t, err))
			err = nil
		}
	}
	return errors.Join(errs...)
}
