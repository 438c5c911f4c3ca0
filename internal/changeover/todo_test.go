package changeover_test

import (
	"context"
	"testing"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/tenant"
)

type plans []changeover.Changeover

func (p plans) Changeovers(context.Context, tenant.ID) ([]changeover.Changeover, error) {
	return p, nil
}

// Staff have to do once the planned end of an overlap has come, and not before; a moved
// end is another thing to do.
func TestOverdueOverlapsAreToDo(t *testing.T) {
	end := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	list := plans{{Name: "Neue Server", Stage: changeover.Overlap, OverlapUntil: end}, {Name: "Vorbei", Stage: changeover.Done, OverlapUntil: end}}
	keys := map[string]bool{}
	for _, c := range []struct {
		at   time.Time
		of   tenant.ID
		want int
	}{{end.Add(-time.Minute), tenant.ID{}, 0}, {end, tenant.ID{}, 1}, {end, tenant.ID{1}, 0}} {
		got, err := changeover.Overdue{Store: list}.Todos(t.Context(), c.of, c.at)
		if err != nil || len(got) != c.want {
			t.Errorf("at %s for %s: %+v, %v", c.at, c.of, got, err)
		}
		for _, one := range got {
			keys[one.Key] = true
		}
	}
	list[0].OverlapUntil = end.Add(-48 * time.Hour)
	if got, _ := (changeover.Overdue{Store: list}).Todos(t.Context(), tenant.ID{}, end); len(got) != 1 || keys[got[0].Key] || got[0].Needs != tenant.PlatformSystem {
		t.Errorf("with another end: %+v", got)
	}
}
