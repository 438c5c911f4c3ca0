package audiencetest

import (
	"context"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/intake"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Imports is an intake.Store in memory over Groups, without limits; what it takes back
// are members. It is not safe for concurrent use.
type Imports struct {
	Groups *Groups

	list   []intake.Import // old ones first
	parts  map[intake.ID][][]byte
	faults map[intake.ID][]intake.Fault
}

var _ intake.Store = (*Imports)(nil)

func (s *Imports) find(t tenant.ID, i intake.ID) (*intake.Import, error) {
	for n := range s.list {
		if s.list[n].Tenant == t && s.list[n].ID == i {
			return &s.list[n], nil
		}
	}
	return nil, gone("import_not_found")
}

// BeginImport implements intake.Store.
func (s *Imports) BeginImport(ctx context.Context, i intake.Import) error {
	if _, err := s.Groups.AddMembers(ctx, i.Batch(), nil, i.CreatedAt); err != nil {
		return err
	}
	s.list = append(s.list, i)
	return nil
}

// AddImportPart implements intake.Store.
func (s *Imports) AddImportPart(_ context.Context, _ tenant.ID, i intake.ID, _ int, data []byte) error {
	if s.parts == nil {
		s.parts = map[intake.ID][][]byte{}
	}
	s.parts[i] = append(s.parts[i], data)
	return nil
}

// ReadyImport implements intake.Store.
func (s *Imports) ReadyImport(_ context.Context, i intake.Import) error {
	found, err := s.find(i.Tenant, i.ID)
	if err == nil {
		*found = i
		found.State = intake.Draft
	}
	return err
}

// StartImport implements intake.Store.
func (s *Imports) StartImport(_ context.Context, i intake.Import) error {
	found, err := s.find(i.Tenant, i.ID)
	if err != nil {
		return err
	}
	if found.State != intake.Draft {
		return fault.New(fault.Conflict, "import_begun", "This import has begun already, or is over.")
	}
	found.Plan, found.State, found.ExpiresAt = i.Plan, intake.Running, time.Time{}
	return nil
}

// CancelImport implements intake.Store.
func (s *Imports) CancelImport(_ context.Context, t tenant.ID, i intake.ID, now time.Time) error {
	found, err := s.find(t, i)
	if err == nil && (found.State == intake.Running || found.State == intake.Draft || found.State == intake.Receiving) {
		found.State, found.EndedAt, found.ExpiresAt = intake.Cancelled, now, now
	}
	return err
}

// UndoImport implements intake.Store.
func (s *Imports) UndoImport(_ context.Context, t tenant.ID, i intake.ID, now time.Time) error {
	found, err := s.find(t, i)
	if err != nil {
		return err
	}
	if !found.Revocable(now) {
		return fault.New(fault.Conflict, "import_not_revocable", "This import cannot be taken back, or not any more.")
	}
	found.State = intake.Undoing
	return nil
}

// OpenImports implements intake.Store: all of them.
func (s *Imports) OpenImports(context.Context) ([]intake.Import, error) {
	return slices.DeleteFunc(slices.Clone(s.list), func(i intake.Import) bool { return !i.State.Open() }), nil
}

// PrepareStep implements intake.Store: nothing is worked out.
func (s *Imports) PrepareStep(step intake.Step, _ time.Time) intake.Step { return step }

// SettlePart implements intake.Store.
func (s *Imports) SettlePart(ctx context.Context, step intake.Step, now time.Time) (bool, error) {
	found, err := s.find(step.Import.Tenant, step.Import.ID)
	if err != nil || found.State != intake.Running {
		return false, err
	}
	results, err := s.Groups.Enlist(ctx, step.Enlistment, now)
	if err != nil {
		return false, err
	}
	for _, r := range results {
		found.Count(r.Result)
	}
	if s.faults == nil {
		s.faults = map[intake.ID][]intake.Fault{}
	}
	found.Refused += int64(len(step.Faults))
	s.faults[found.ID] = append(s.faults[found.ID], step.Faults...)
	if found.Done += max(1, step.Parts); step.Last {
		found.State, found.EndedAt, found.ExpiresAt = intake.Done, now, now.Add(intake.UndoLasts)
	}
	return true, nil
}

// UndoSome implements intake.Store.
func (s *Imports) UndoSome(_ context.Context, i intake.Import, _ int, _ time.Time) (bool, error) {
	found, err := s.find(i.Tenant, i.ID)
	if err != nil {
		return false, err
	}
	before := len(s.Groups.members)
	s.Groups.members = slices.DeleteFunc(s.Groups.members, func(m audience.Membership) bool { return m.Batch == i.ID })
	found.Removed, found.State = int64(before-len(s.Groups.members)), intake.Undone
	return false, nil
}

// Import implements intake.Store.
func (s *Imports) Import(_ context.Context, t tenant.ID, i intake.ID) (intake.Import, error) {
	found, err := s.find(t, i)
	if err != nil {
		return intake.Import{}, err
	}
	return *found, nil
}

// Imports implements intake.Store.
func (s *Imports) Imports(_ context.Context, t tenant.ID, g audience.GroupID) (list []intake.Import, err error) {
	for _, i := range slices.Backward(s.list) {
		if i.Tenant == t && i.Group == g {
			list = append(list, i)
		}
	}
	return list, nil
}

// ImportPart implements intake.Store.
func (s *Imports) ImportPart(_ context.Context, _ tenant.ID, i intake.ID, part int) ([]byte, error) {
	if part >= len(s.parts[i]) {
		return nil, nil
	}
	return s.parts[i][part], nil
}

// ImportFaults implements intake.Store.
func (s *Imports) ImportFaults(_ context.Context, _ tenant.ID, i intake.ID, after, limit int) ([]intake.Fault, error) {
	list := slices.DeleteFunc(slices.Clone(s.faults[i]), func(f intake.Fault) bool { return f.Line <= after })
	return list[:min(len(list), limit)], nil
}

// DropImports implements intake.Store: nothing ever goes.
func (s *Imports) DropImports(context.Context, time.Time) error { return nil }
