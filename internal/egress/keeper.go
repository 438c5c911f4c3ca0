package egress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"
)

// Store keeps plan, alarms and counts. Every method is one short transaction. All
// of it belongs to the platform; only assignments name tenants.
type Store interface {
	// SeedPlan writes the configuration of one node down: what is not there yet is
	// added, what came from this node's configuration before and was not changed by
	// hand since is brought up to date or, if it is missing now, retired.
	SeedPlan(ctx context.Context, node string, p Plan, now time.Time) error
	// Plan returns everything, by name.
	Plan(ctx context.Context) (Plan, error)
	// Ways returns the plan with what is needed to change it.
	Ways(ctx context.Context) (Ways, error)
	// PutSource adds or changes a source by hand; pools keep their members, a new one
	// joins those named. This and the next four return Conflict "egress_changed" if
	// the thing has another version than the change was made on, Invalid
	// "egress_plan_unsound" if Plan.Check would fail, and Invalid "pool_stranded" if a
	// pool in use would be left without a source that may send. Each keeps a Revision.
	PutSource(ctx context.Context, s Source, pools []string, c Change) error
	// PutPool adds a pool or replaces its members by hand.
	PutPool(ctx context.Context, p Pool, c Change) error
	// RemovePool takes away a pool that nothing is assigned to (else Conflict
	// "pool_in_use"); NotFound "pool_unknown".
	RemovePool(ctx context.Context, name string, c Change) error
	// Assign sends mail to a pool; one without a pool ends the assignment.
	Assign(ctx context.Context, a Assignment, c Change) error
	// PutPace changes a warm-up.
	PutPace(ctx context.Context, p Pace, c Change) error
	// PutShift puts a shift in force.
	PutShift(ctx context.Context, s Shift, c Change) error
	// RemoveShift ends one; none of that name is no error.
	RemoveShift(ctx context.Context, name string, c Change) error
	// FollowConfiguration lets a source that was changed by hand follow the
	// configuration of its node again, from that node's next start on; NotFound
	// "source_unknown".
	FollowConfiguration(ctx context.Context, source string, c Change) error
	// Revisions returns the changes of a thing, newest first, at most 200; with "" and
	// "" those of everything.
	Revisions(ctx context.Context, t Thing, name string) ([]Revision, error)

	// PutNodeAddresses replaces what is known of a node's addresses.
	PutNodeAddresses(ctx context.Context, node string, list []netip.Addr) error

	// PutTask notes that a task is done; one with the zero time is open again.
	PutTask(ctx context.Context, t TaskDone) error
	// Tasks returns the tasks that are done.
	Tasks(ctx context.Context) ([]TaskDone, error)

	// PutAlarms writes alarms down as they are; one that was cleared meanwhile by
	// hand stays cleared unless it is newer than that.
	PutAlarms(ctx context.Context, list []Alarm) error
	// Alarms returns those that last, and with all the cleared ones, newest first.
	Alarms(ctx context.Context, all bool) ([]Alarm, error)
	// ClearAlarm ends an alarm by hand; NotFound "alarm_unknown" if there is none.
	ClearAlarm(ctx context.Context, p Pair, by string, now time.Time) error

	// AddSent adds to counts.
	AddSent(ctx context.Context, list []Tally) error
	// Sent returns the counts of a day.
	Sent(ctx context.Context, d Day) ([]Tally, error)
	// SentBy returns the counts of a source from a day on, by day; at most 20,000.
	SentFrom(ctx context.Context, source string, from Day) ([]Tally, error)

	// PutFindings replaces what was found about the sources; Since of a problem that
	// was there before stays.
	PutFindings(ctx context.Context, list []Finding) error
	// Findings returns what the last checks found.
	Findings(ctx context.Context) ([]Finding, error)

	// LiveNodes counts the nodes whose epochs live.
	LiveNodes(ctx context.Context) (int, error)
}

// keepEvery is how often fleet and database are brought in step.
const keepEvery = 10 * time.Second

// Keeper brings a fleet and the database in step: changes made in the office reach
// the fleet, alarms and counts reach the database and other nodes. After a crash
// the counts of up to ten seconds are missing.
type Keeper struct {
	Fleet *Fleet
	Store Store
	Guard *Guard       // learns of new sources of our own; nil: none
	Log   *slog.Logger // nil discards
	// Node and Addresses tell the platform which addresses this machine has, so that
	// sources can be set up from anywhere; nil: they are not told.
	Node      string
	Addresses func() []netip.Addr

	told []netip.Addr
}

// Run keeps until ctx ends, then once more.
func (k *Keeper) Run(ctx context.Context) {
	log := k.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := k.tell(ctx); err != nil && ctx.Err() == nil {
		log.Error("own addresses not told", "err", err)
	}
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := k.Sync(ctx); err != nil && ctx.Err() == nil {
				log.Error("egress not in step with the database", "err", err)
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := k.save(last); err != nil {
				log.Error("egress counts not saved", "err", err)
			}
			return
		}
	}
}

// Sync saves what is new here and reads what is new there.
func (k *Keeper) Sync(ctx context.Context) error {
	if err := k.save(ctx); err != nil {
		return err
	}
	if err := k.tell(ctx); err != nil {
		return err
	}
	return k.Read(ctx)
}

// tell writes down which addresses this machine has, when they changed.
func (k *Keeper) tell(ctx context.Context) error {
	if k.Addresses == nil {
		return nil
	}
	list := k.Addresses()
	slices.SortFunc(list, netip.Addr.Compare)
	if k.told != nil && slices.Equal(list, k.told) {
		return nil
	}
	if err := k.Store.PutNodeAddresses(ctx, k.Node, list); err != nil {
		return fmt.Errorf("tell own addresses: %w", err)
	}
	k.told = list
	return nil
}

// Read reads what is new there and writes nothing.
func (k *Keeper) Read(ctx context.Context) error {
	plan, err := k.Store.Plan(ctx)
	if err != nil {
		return fmt.Errorf("read egress plan: %w", err)
	}
	alarms, err := k.Store.Alarms(ctx, false)
	if err != nil {
		return fmt.Errorf("read source alarms: %w", err)
	}
	today := DayOf(k.Fleet.cfg.Now())
	tallies, err := k.Store.Sent(ctx, today)
	if err != nil {
		return fmt.Errorf("read warm-up counts: %w", err)
	}
	nodes, err := k.Store.LiveNodes(ctx)
	if err != nil {
		return fmt.Errorf("count nodes: %w", err)
	}
	k.Fleet.nodes.Store(int64(max(nodes, 1)))
	if len(plan.Sources) > 0 { // else no node ever served: the fleet keeps what it was made with
		if err := k.Fleet.Follow(plan); err != nil {
			return fmt.Errorf("follow egress plan: %w", err)
		}
		if k.Guard != nil {
			k.Guard.Follow(plan.Sources)
		}
	}
	k.Fleet.adopt(alarms, tallies, today)
	return nil
}

// save writes down what the database does not know yet. What could not be written
// is tried again next time.
func (k *Keeper) save(ctx context.Context) error {
	tallies, alarms := k.Fleet.news()
	var errs []error
	if len(tallies) > 0 {
		if err := k.Store.AddSent(ctx, tallies); err != nil {
			k.Fleet.returnTallies(tallies)
			errs = append(errs, fmt.Errorf("save warm-up counts: %w", err))
		}
	}
	if len(alarms) > 0 {
		if err := k.Store.PutAlarms(ctx, alarms); err != nil {
			k.Fleet.returnAlarms(alarms)
			errs = append(errs, fmt.Errorf("save source alarms: %w", err))
		}
	}
	return errors.Join(errs...)
}

// news takes what is to be saved.
func (f *Fleet) news() ([]Tally, []Alarm) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turnDay(f.cfg.Now())
	tallies := append(f.unsaved, f.collect()...)
	f.unsaved = nil
	alarms := f.ended
	f.ended = nil
	for _, a := range f.alarms {
		if a.dirty {
			a.dirty = false
			alarms = append(alarms, a.Alarm)
		}
	}
	return tallies, alarms
}

func (f *Fleet) returnTallies(list []Tally) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unsaved = append(f.unsaved, list...)
}

func (f *Fleet) returnAlarms(list []Alarm) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range list {
		if !a.ClearedAt.IsZero() {
			f.ended = append(f.ended, a)
		} else if own := f.alarms[a.Pair]; own != nil {
			own.dirty = true
		}
	}
}

// adopt takes over what the database knows: alarms others raised or cleared, and
// today's counts.
func (f *Fleet) adopt(alarms []Alarm, tallies []Tally, day Day) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := map[Pair]bool{}
	for _, a := range alarms {
		if slices.ContainsFunc(f.ended, func(e Alarm) bool { return e.Pair == a.Pair }) {
			continue // ended here since it was read
		}
		known[a.Pair] = true
		switch own := f.alarms[a.Pair]; {
		case own == nil:
			f.alarms[a.Pair] = &alarm{Alarm: a}
		case !own.dirty && a.PausedUntil.After(own.PausedUntil):
			own.Alarm = a
		}
	}
	for p, a := range f.alarms {
		if !known[p] && !a.dirty {
			delete(f.alarms, p) // cleared by hand or by another node
		}
	}
	f.turnDay(f.cfg.Now())
	if f.today != day {
		return
	}
	for _, stored := range tallies {
		if s := f.plan.sources[stored.Source]; s != nil {
			t := f.tally(stored.Pair, s)
			t.total = max(t.total, stored.Sent+t.unsaved)
		}
	}
}
