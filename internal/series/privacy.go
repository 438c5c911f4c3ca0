package series

import (
	"context"
	"fmt"
	"time"

	"stafette/internal/audience"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/tenant"
)

// KeptRun is a way of a person through a series, in what is handed out to them.
type KeptRun struct {
	Series    string     `json:"series"`
	BegunAt   time.Time  `json:"begun_at"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	Reason    string     `json:"reason,omitempty"` // why it ended
	Event     any        `json:"event,omitempty"`  // data of the event that began it
	WaitsFor  string     `json:"waits_for,omitempty"`
	StepsDone []KeptStep `json:"steps"`
}

// KeptStep is a step that was done.
type KeptStep struct {
	Step     string    `json:"step"`
	Outcome  string    `json:"outcome"`
	Reason   string    `json:"reason,omitempty"`
	Delivery string    `json:"delivery,omitempty"` // of the mail that was sent
	At       time.Time `json:"at"`
}

// keptRuns bounds the runs of a person in one series that are handed out.
const keptRuns = 200

// Section is the part of an access request about series: which ones a person goes or went
// through, and what each step did. Erasure takes it with the contact.
func Section(from Store, people privacy.Finder) privacy.Section {
	return privacy.Section{Name: "series", Read: func(ctx context.Context, p privacy.Person) (any, error) {
		var out []KeptRun
		seen := map[audience.ContactID]bool{}
		for _, a := range p.Addresses {
			c, ok, err := people.Of(ctx, p.Tenant, a)
			if err != nil {
				return nil, fmt.Errorf("series of person: %w", err)
			}
			if !ok || seen[c.ID] {
				continue
			}
			seen[c.ID] = true
			runs, err := keptOf(ctx, from, p.Tenant, c.ID)
			if err != nil {
				return nil, fmt.Errorf("series of person: %w", err)
			}
			out = append(out, runs...)
		}
		if out == nil {
			return nil, nil
		}
		return out, nil
	}}
}

func keptOf(ctx context.Context, from Store, t tenant.ID, c audience.ContactID) (out []KeptRun, err error) {
	list, err := from.SeriesList(ctx, t)
	for i := 0; err == nil && i < len(list); i++ {
		var runs []Line
		runs, _, err = from.SeriesRuns(ctx, t, list[i].ID, RunFilter{Contact: c, Limit: keptRuns})
		if err != nil || len(runs) == 0 {
			continue
		}
		var deeds []Deed
		deeds, err = from.SeriesDeeds(ctx, t, list[i].ID, c)
		for _, r := range runs {
			out = append(out, keptRun(list[i].Name, r.Run, deeds))
		}
	}
	return out, err
}

func keptRun(name string, r Run, deeds []Deed) KeptRun {
	k := KeptRun{Series: name, BegunAt: r.EnteredAt, Reason: r.Reason, StepsDone: []KeptStep{}}
	if len(r.Data) > 0 {
		k.Event = r.Data
	}
	if r.DueAt.IsZero() {
		k.EndedAt = &r.EndedAt
	} else {
		k.WaitsFor = r.Step
	}
	for _, d := range deeds {
		if d.Entry == r.Entry {
			k.StepsDone = append(k.StepsDone, KeptStep{Step: d.Step, Outcome: string(d.Outcome), Reason: d.Reason, Delivery: deliveryOf(d.Delivery), At: d.At})
		}
	}
	return k
}

func deliveryOf(d message.DeliveryID) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}
