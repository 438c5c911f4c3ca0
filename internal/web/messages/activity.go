package messages

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/web/frame"
)

// Tracking is what pages need to know of what recipients did; tracking.Store and
// *tracking.Decider have it together, and tracking.Office is both.
type Tracking interface {
	Activities(ctx context.Context, t tenant.ID, q tracking.Query) ([]tracking.Activity, bool, error)
	ActivityCounts(ctx context.Context, t tenant.ID, m message.ID) (tracking.Counts, error)
	Openings(ctx context.Context, t tenant.ID, of []message.ID) (map[message.ID]tracking.Opening, error)
	Tracked(ctx context.Context, t tenant.ID, m message.ID) (tracking.Tracked, error)
	// Allowed says how much tenant and stream allow, before anything is known of a message.
	Allowed(ctx context.Context, t tenant.ID, s tenant.Stream) (tracking.Decision, error)
}

// activitiesShown bounds what one page tells of a message.
const activitiesShown = 200

// engagement is what recipients did with one message, as far as its level tells.
type engagement struct {
	on       bool // the part is shown
	tracked  bool // something was inserted when the message was sent
	decision tracking.Decision
	several  bool
	message  message.ID
	counts   tracking.Counts
	summed   bool // counts are told
	// named is what one known recipient did, unnamed what nobody can say of whom, machines
	// what counts as nobody's.
	named    map[message.DeliveryID][]frame.Station
	unnamed  []frame.Station
	machines []frame.Station
}

// engagementOf reads what was done with a message.
func (o *office) engagementOf(r *http.Request, p frame.Page, id message.ID, names map[message.DeliveryID]string) (engagement, error) {
	if o.Tracking == nil {
		return engagement{}, nil
	}
	e := engagement{on: true, message: id, named: map[message.DeliveryID][]frame.Station{}}
	tracked, err := o.Tracking.Tracked(r.Context(), p.Tenant(), id)
	if fault.IsKind(err, fault.NotFound) {
		return e, nil
	}
	if err != nil {
		return e, fmt.Errorf("read tracking: %w", err)
	}
	e.decision, e.several = tracked.Decision, tracked.Recipients > 1
	if e.tracked = tracked.Decision.Level > tracking.None; !e.tracked {
		return e, nil
	}
	if e.counts, err = o.Tracking.ActivityCounts(r.Context(), p.Tenant(), id); err != nil && !fault.IsKind(err, fault.NotFound) {
		return e, fmt.Errorf("read counts: %w", err)
	}
	e.summed = err == nil && !e.counts.Hidden
	list, _, err := o.Tracking.Activities(r.Context(), p.Tenant(), tracking.Query{Message: id, Limit: activitiesShown})
	if err != nil {
		return e, fmt.Errorf("read activities: %w", err)
	}
	for _, a := range list {
		e.add(p, a, names)
	}
	return e, nil
}

// add puts an activity where it belongs.
func (e *engagement) add(p frame.Page, a tracking.Activity, names map[message.DeliveryID]string) {
	s := activityStation(p, a, names[a.Delivery], e.decision)
	switch {
	case !a.Machine.Counted():
		e.machines = append(e.machines, s)
	case a.Identified && !a.Delivery.IsZero():
		e.named[a.Delivery] = append(e.named[a.Delivery], s)
	default:
		e.unnamed = append(e.unnamed, s)
	}
}

// activityStation words one activity; name is that of the recipient, "" where none is known.
func activityStation(p frame.Page, a tracking.Activity, name string, sent tracking.Decision) frame.Station {
	target := cmp.Or(a.Label, frame.Shorten(a.Target, 120))
	s := frame.Station{Clock: p.Time(a.At), Small: p.Date(a.At), Mark: "delivered"}
	if a.Target != target {
		s.Text = frame.Shorten(a.Target, 120)
	}
	switch {
	case !a.Machine.Counted():
		s.Mark = "queued"
		s.Title = p.Either("activity.machine."+string(a.Kind), "activity.machine.other", "target", target)
		if a.Identified && name != "" {
			s.Text = strings.TrimSpace(s.Text + " (" + name + ")")
		}
	case a.Identified && name != "":
		s.Title = p.T("activity."+string(a.Kind)+".named", "name", name, "target", target)
	default:
		s.Title = p.T("activity."+string(a.Kind)+".someone", "target", target)
	}
	if reasons := machineReasons(p, a.Machine); reasons != "" && a.Machine.Class != tracking.Person {
		s.Route = p.T("activity.machine.why", "reasons", reasons, "version", a.Machine.Rules)
	}
	if a.Decision.Level != sent.Level {
		s.Route = strings.TrimSpace(s.Route + " " + p.T("activity.fact.level", "level", p.T("trk.level."+a.Decision.Level.String()), "rule", RuleText(p, a.Decision.Rule)))
	}
	return s
}

// machineReasons are the names of the rules that spoke, as people read them.
func machineReasons(p frame.Page, m tracking.Machine) string {
	var list []string
	for _, reason := range m.Reasons {
		text := reason
		if key := "activity.reason." + reason; p.Has(key) {
			text = p.T(key)
		}
		if !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return strings.Join(list, ", ")
}

// RuleText says what decided a level.
func RuleText(p frame.Page, r tracking.Rule) string {
	return p.Either("trk.rule."+string(r), "trk.rule.other", "rule", string(r), "min", tracking.MinForCounts)
}

// LevelText is a level's name.
func LevelText(p frame.Page, l tracking.Level) string {
	return p.T("trk.level." + tracking.Least(l, tracking.Individual).String())
}
