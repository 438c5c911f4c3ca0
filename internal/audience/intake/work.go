package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// check holds a plan to its list and to the tenant's fields. Errors are *fault.Error:
// "import_no_address" (columns), "import_column_twice" and "import_column_unknown"
// (columns/N), "import_source_missing" (source), "tag_malformed" (tags),
// "import_existing_unknown" (existing).
func (p *Plan) check(i Import, declared []audience.Field) error {
	var wrong []*fault.Error
	refuse := func(field, code, detail string) { wrong = append(wrong, fault.Field(field, code, detail)) }
	p.Headed, p.Headings = i.Plan.Headed, i.Plan.Headings
	columns := make([]string, len(i.Plan.Columns))
	copy(columns, p.Columns)
	p.Columns = columns
	known := audience.Targets()
	for _, f := range declared {
		known = append(known, "fields/"+f.Key)
	}
	seen := map[string]bool{}
	for n, target := range p.Columns {
		switch {
		case target == "":
		case !slices.Contains(known, target):
			refuse(fmt.Sprintf("columns/%d", n), "import_column_unknown", "There is no such field.")
		case seen[target]:
			refuse(fmt.Sprintf("columns/%d", n), "import_column_twice", "Another column goes there already.")
		}
		seen[target] = true
	}
	if !seen["email"] {
		refuse("columns", "import_no_address", "One column holds the addresses.")
	}
	if p.Source = strings.TrimSpace(p.Source); utf8.RuneCountInString(p.Source) < 3 || utf8.RuneCountInString(p.Source) > 500 {
		refuse("source", "import_source_missing", "Where the addresses come from is told in 3 to 500 characters.")
	}
	if p.Existing == "" {
		p.Existing = audience.FillExisting
	}
	if !p.Existing.Valid() {
		refuse("existing", "import_existing_unknown", "There is no such way.")
	}
	if _, err := audience.Recruit(i.Tenant, map[string]string{"email": "a@a.example", "tags": strings.Join(p.Tags, ",")}, nil, audience.OriginImport, "", time.Time{}); err != nil {
		refuse("tags", "tag_malformed", "A tag has 1 to 100 characters on one line, without commas.")
	}
	return fault.Join(wrong)
}

// Start lets a draft be imported by a plan. Errors: those of the plan (see Plan),
// "import_begun", "import_not_found".
func (s *Service) Start(ctx context.Context, t tenant.ID, i ID, p Plan) (Import, error) {
	found, err := s.planned(ctx, t, i, &p)
	if err != nil {
		return found, err
	}
	found.Plan, found.State = p, Running
	if err := s.c.Store.StartImport(ctx, found); err != nil {
		return found, fmt.Errorf("start import: %w", err)
	}
	s.Wake()
	return found, nil
}

func (s *Service) planned(ctx context.Context, t tenant.ID, i ID, p *Plan) (Import, error) {
	found, err := s.c.Store.Import(ctx, t, i)
	if err != nil {
		return found, err
	}
	declared, err := s.c.People.Fields(ctx, t)
	if err != nil {
		return found, err
	}
	return found, p.check(found, declared)
}

// part reads a part of a list, without the heading.
func (s *Service) part(ctx context.Context, i Import, n int) ([]row, error) {
	data, err := s.c.Store.ImportPart(ctx, i.Tenant, i.ID, n)
	if err != nil {
		return nil, err
	}
	var rows []row
	if data != nil {
		if rows, err = readRows(data); err != nil {
			return nil, fmt.Errorf("part %d of import: %w", n, err)
		}
	}
	if n == 0 && i.Plan.Headed && len(rows) > 0 {
		rows = rows[1:]
	}
	return rows, nil
}

// recruit makes a contact of a row.
func recruit(i Import, r row, declared []audience.Field, now time.Time) (audience.Contact, *fault.Error) {
	texts := map[string]string{}
	for n, target := range i.Plan.Columns {
		if target != "" && n < len(r.Cells) {
			texts[target] = r.Cells[n]
		}
	}
	if len(i.Plan.Tags) > 0 {
		texts["tags"] += "," + strings.Join(i.Plan.Tags, ",")
	}
	c, err := audience.Recruit(i.Tenant, texts, declared, audience.OriginImport, i.Actor, now)
	if err != nil {
		f := fault.As(err)
		if f == nil {
			f = fault.New(fault.Invalid, "address_malformed", err.Error())
		}
		return audience.Contact{}, f
	}
	return c, nil
}

// Wake makes a running Service look for imports at once. It never blocks.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run imports lists until ctx ends. Trouble is logged and tried again.
func (s *Service) Run(ctx context.Context) {
	timer := time.NewTimer(s.c.Every)
	defer timer.Stop()
	for {
		n, err := s.Turn(ctx)
		if err != nil && ctx.Err() == nil {
			s.c.Log.Error("lists not imported", "err", err)
		}
		if n > 0 && err == nil && ctx.Err() == nil {
			continue
		}
		timer.Reset(s.c.Every)
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// tenantsAtOnce is how many tenants' lists are imported at the same time.
const tenantsAtOnce = 4

// Turn goes on with the oldest import of each tenant for a stretch, and returns how many
// had work. The trouble of one stops no other.
func (s *Service) Turn(ctx context.Context) (int, error) {
	list, err := s.c.Store.OpenImports(ctx)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	if s.c.Mine != nil {
		if mine, err := s.c.Mine(ctx); err != nil || !mine {
			return 0, err
		}
	}
	errs := make([]error, len(list))
	var group errgroup.Group
	group.SetLimit(tenantsAtOnce)
	for n, i := range list {
		group.Go(func() error {
			work := s.stretch
			if i.State == Undoing {
				work = s.undo
			}
			if err := work(ctx, i); err != nil {
				errs[n] = fmt.Errorf("import %s: %w", i.ID, err)
			}
			s.grown(ctx, i)
			return nil
		})
	}
	_ = group.Wait() // no member returns an error
	return len(list), errors.Join(errs...)
}

// grown tells that a group has other members now.
func (s *Service) grown(ctx context.Context, i Import) {
	if s.c.Grown == nil || ctx.Err() != nil {
		return
	}
	if err := s.c.Grown(ctx, i.Tenant, i.Group); err != nil {
		s.c.Log.Error("growth of group not told", "import", i.ID.String(), "err", err)
	}
}

const (
	// stretchParts is how many parts of a list follow each other before it is looked
	// whether others wait.
	stretchParts = 100
	// partsAtOnce is how many parts one transaction takes at most, and holdFor how long
	// it is to last: mail waits for it.
	partsAtOnce = 5
	holdFor     = 200 * time.Millisecond
)

type prepared struct {
	step Step
	err  error
}

// stretch imports the next parts of a list. While some are being stored the next are read
// and worked out.
func (s *Service) stretch(ctx context.Context, i Import) error {
	declared, err := s.c.People.Fields(ctx, i.Tenant)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var speed atomic.Int64 // how many parts the next step has
	speed.Store(1)
	parts, steps := make(chan prepared, partsAtOnce), make(chan prepared)
	go func() {
		defer close(parts)
		for part := i.Done; part < min(i.Parts, i.Done+stretchParts); part++ {
			step, err := s.prepare(ctx, i, part, declared)
			if !sent(ctx, parts, prepared{step, err}) {
				return
			}
		}
	}()
	go func() {
		defer close(steps)
		for {
			step, err := together(ctx, parts, int(speed.Load()))
			if err == nil && step.Parts > 0 && i.mostlyNew() {
				step = s.c.Store.PrepareStep(step, s.now())
			}
			if !sent(ctx, steps, prepared{step, err}) || err != nil || step.Parts == 0 {
				return
			}
		}
	}()
	for done := i.Done; ; {
		p := <-steps
		if p.err != nil || p.step.Parts == 0 {
			if p.err != nil {
				return p.err
			}
			return ctx.Err()
		}
		p.step.Import.Done = done
		began := s.c.Now()
		if settled, err := s.c.Store.SettlePart(ctx, p.step, s.now()); err != nil || !settled {
			return err
		}
		done += p.step.Parts
		speed.Store(int64(pace(p.step.Parts, s.c.Now().Sub(began))))
	}
}

func sent(ctx context.Context, to chan<- prepared, p prepared) bool {
	select {
	case to <- p:
		return true
	case <-ctx.Done():
		return false
	}
}

// mostlyNew reports whether so few of the rows so far named somebody who was there that it
// is worth while to take the next for new.
func (i Import) mostlyNew() bool {
	return (i.Joined+i.Changed+i.Known+i.Twice)*500 <= i.Rows()
}

// together makes one step of up to n parts that follow each other; none if there are none.
func together(ctx context.Context, next <-chan prepared, n int) (Step, error) {
	var all Step
	for all.Parts < n {
		p, ok := <-next
		if !ok {
			break // the end of the stretch, or it was stopped
		}
		if p.err != nil {
			return Step{}, p.err
		}
		if all.Parts == 0 {
			all = p.step
			continue
		}
		all.Parts += p.step.Parts
		all.Enlistment.People = append(all.Enlistment.People, p.step.Enlistment.People...)
		all.Lines = append(all.Lines, p.step.Lines...)
		all.Faults = append(all.Faults, p.step.Faults...)
		all.Last = p.step.Last
	}
	return all, ctx.Err()
}

// pace is how many parts the next transaction takes when one of n lasted so long: as many as
// fit into holdFor at that speed, and no more than twice as many.
func pace(n int, lasted time.Duration) int {
	most := min(2*n, partsAtOnce)
	if lasted <= 0 {
		return most
	}
	return max(1, min(most, int(time.Duration(n)*holdFor/lasted)))
}

// prepare makes people of the rows of a part.
func (s *Service) prepare(ctx context.Context, i Import, part int, declared []audience.Field) (Step, error) {
	rows, err := s.part(ctx, i, part)
	if err != nil {
		return Step{}, err
	}
	now := s.now()
	step := Step{Import: i, Parts: 1, Last: part == i.Parts-1, Enlistment: audience.Enlistment{Batch: i.Batch(), Existing: i.Plan.Existing, Revocable: true}}
	for _, r := range rows {
		c, refusal := recruit(i, r, declared, now)
		if refusal != nil {
			step.Faults = append(step.Faults, faultOf(i, r, refusal))
			continue
		}
		step.Enlistment.People = append(step.Enlistment.People, c)
		step.Lines = append(step.Lines, r.Line)
	}
	return step, nil
}

// maxShown is how much of a value is told of, in characters.
const maxShown = 60

func faultOf(i Import, r row, f *fault.Error) Fault {
	v := Fault{Line: r.Line, Field: f.Field, Code: f.Code}
	if strings.HasPrefix(v.Field, "addresses/") {
		v.Field = "email"
	}
	for n, target := range i.Plan.Columns {
		if n >= len(r.Cells) {
			break
		}
		if target == v.Field || target == "tags" && strings.HasPrefix(v.Field, "tags/") {
			v.Value = r.Cells[n]
		}
		if target == "email" {
			v.Address = strings.ToLower(r.Cells[n])
		}
	}
	if text := []rune(v.Value); len(text) > maxShown {
		v.Value = string(text[:maxShown-1]) + "…"
	}
	return v
}

// undoAtOnce is how many members or changes are taken back in one transaction.
const undoAtOnce = 500

// undo takes back some of an import.
func (s *Service) undo(ctx context.Context, i Import) error {
	for range stretchParts {
		more, err := s.c.Store.UndoSome(ctx, i, undoAtOnce, s.now())
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// Import returns one. The error is NotFound "import_not_found".
func (s *Service) Import(ctx context.Context, t tenant.ID, i ID) (Import, error) {
	return s.c.Store.Import(ctx, t, i)
}

// Imports returns those of a group, new ones first, at most 100.
func (s *Service) Imports(ctx context.Context, t tenant.ID, g audience.GroupID) ([]Import, error) {
	return s.c.Store.Imports(ctx, t, g)
}

// Faults returns refused rows after a line and whether more follow.
func (s *Service) Faults(ctx context.Context, t tenant.ID, i ID, after, limit int) ([]Fault, bool, error) {
	if _, err := s.c.Store.Import(ctx, t, i); err != nil {
		return nil, false, err
	}
	list, err := s.c.Store.ImportFaults(ctx, t, i, after, limit+1)
	return list[:min(len(list), limit)], len(list) > limit, err
}

// Cancel stops an import; what was imported before stays.
func (s *Service) Cancel(ctx context.Context, t tenant.ID, i ID) error {
	return s.c.Store.CancelImport(ctx, t, i, s.now())
}

// Undo takes an import back: members it brought leave the group, contacts it made go
// unless they were changed, noted on or put into another group since, and contacts it
// changed are as they were unless somebody changed them since. Error: "import_not_revocable".
func (s *Service) Undo(ctx context.Context, t tenant.ID, i ID) error {
	if err := s.c.Store.UndoImport(ctx, t, i, s.now()); err != nil {
		return err
	}
	s.Wake()
	return nil
}

// Sweep takes away what has expired.
func (s *Service) Sweep(ctx context.Context, now time.Time) error {
	return s.c.Store.DropImports(ctx, now)
}
