package intake

import (
	"context"
	"errors"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Outlook is what a plan would make of the beginning of a list: of its first part, up to
// 1,000 rows, or of all of it where it has no more.
type Outlook struct {
	Rows    int // looked at
	Refused int // of these cannot be taken
	Twice   int // of these have the address of a row above them
	// Samples are the first rows, and after them the first of those further down that are
	// not simply taken; in the order of the list.
	Samples []Sample
}

// Sample is a row of a list as its plan takes it.
type Sample struct {
	Line    int
	Cells   []string
	Contact audience.Contact // zero with Err
	Err     *fault.Error
	Twice   bool             // its address stands above
	Verdict audience.Verdict // what is to be said of the address; zero without a Validator
}

// taken reports whether a row becomes a contact of its own.
func (s Sample) taken() bool { return s.Err == nil && !s.Twice }

const (
	// previewRows is how many rows are shown before an import.
	previewRows = 20
	// previewTroubles is how many more are that need a look.
	previewTroubles = 20
)

// Preview says what a plan would make of the beginning of a list. Errors are those of
// Start; the rows come also with those of the plan.
func (s *Service) Preview(ctx context.Context, t tenant.ID, i ID, p Plan) (Import, Outlook, error) {
	found, wrong := s.planned(ctx, t, i, &p)
	if wrong != nil && fault.As(wrong) == nil || fault.IsKind(wrong, fault.NotFound) {
		return found, Outlook{}, wrong
	}
	found.Plan = p
	rows, err := s.part(ctx, found, 0)
	if err != nil {
		return found, Outlook{}, err
	}
	declared, err := s.c.People.Fields(ctx, t)
	if err != nil {
		return found, Outlook{}, err
	}
	look := outlook(found, rows, declared, s.now())
	if s.c.Validator == nil || len(look.Samples) == 0 {
		return found, look, wrong
	}
	texts := make([]string, len(look.Samples))
	for n, one := range look.Samples {
		texts[n] = one.Contact.Main().String()
	}
	verdicts, err := s.c.Validator.ValidateAll(ctx, t, tenant.Newsletter, texts)
	for n := range verdicts {
		if look.Samples[n].taken() {
			look.Samples[n].Verdict = verdicts[n]
		}
	}
	return found, look, errors.Join(wrong, err)
}

// outlook makes contacts of rows and keeps those that are worth a look.
func outlook(i Import, rows []row, declared []audience.Field, now time.Time) Outlook {
	look := Outlook{Rows: len(rows)}
	seen := make(map[string]bool, len(rows))
	troubles := 0
	for n, r := range rows {
		c, refusal := recruit(i, r, declared, now)
		one := Sample{Line: r.Line, Cells: r.Cells, Contact: c, Err: refusal}
		if refusal != nil {
			look.Refused++
		} else if key := audience.Fold(c.Main().String()); seen[key] {
			one.Twice = true
			look.Twice++
		} else {
			seen[key] = true
		}
		switch {
		case n < previewRows:
			look.Samples = append(look.Samples, one)
		case !one.taken() && troubles < previewTroubles:
			look.Samples = append(look.Samples, one)
			troubles++
		}
	}
	return look
}
