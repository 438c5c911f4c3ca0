package series

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Letters is what compiles and checks letters; *campaign.Service does.
type Letters interface {
	Formed(ctx context.Context, c campaign.Campaign) (campaign.Campaign, error)
	ReadyLetter(ctx context.Context, c campaign.Campaign) error
	ReadyGroups(ctx context.Context, c campaign.Campaign) error
	Reasons(ctx context.Context, c campaign.Campaign, list []audience.Contact) (map[audience.ContactID]string, error)
	TestLetter(ctx context.Context, who ingest.Principal, c campaign.Campaign, to []string, seeds bool, contact audience.ContactID) ([]campaign.Tried, error)
}

// Contacts changes tags and finds people; *audience.Contacts does.
type Contacts interface {
	Of(ctx context.Context, t tenant.ID, a message.Address) (audience.Contact, bool, error)
	Contact(ctx context.Context, t tenant.ID, c audience.ContactID) (audience.Contact, error)
	Change(ctx context.Context, t tenant.ID, c audience.Contact, actor string) (audience.Contact, error)
}

// Config is what a Service needs.
type Config struct {
	Store    Store
	Letters  Letters
	Contacts Contacts
	Acceptor ingest.Acceptor
	Zone     *time.Location // of tenants that have none; nil: UTC
	Now      func() time.Time
	Log      *slog.Logger // nil: discard
}

// Service keeps series and moves contacts through them. It is safe for concurrent use.
type Service struct {
	c  Config
	mu sync.Mutex
	// known are versions as they were read: they never change once contacts are in them.
	known map[versionOf]Definition
	// reports are the last ones told, with how long they may be told again.
	reports map[ID]counted
}

type versionOf struct {
	series  ID
	version int64
}

type counted struct {
	Report
	until time.Time
}

// maxKnown bounds the versions and reports kept in memory; more only costs reading.
const maxKnown = 64

// New makes a Service.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	return &Service{c: c, known: map[versionOf]Definition{}, reports: map[ID]counted{}}
}

func (s *Service) stamp() time.Time { return s.c.Now().UTC().Truncate(time.Millisecond) }

func badState() error {
	return fault.New(fault.Conflict, CodeState, "The series is not in a state that allows this, or somebody else has changed it meanwhile.")
}

// Create keeps a new draft with name, group, days and definition of v. Errors are those of its
// form; those of a letter stand below "steps/n/".
func (s *Service) Create(ctx context.Context, who ingest.Principal, v Series) (Series, error) {
	if who.Tenant.IsZero() {
		return v, fault.New(fault.Forbidden, ingest.CodeTenantMissing, "Series belong to a tenant; this account belongs to none.")
	}
	now := s.stamp()
	v = Series{ID: id.New[Kind](now), Tenant: who.Tenant, Revision: 1, Name: v.Name, Group: v.Group, Again: v.Again, State: Draft, Actor: who.Actor,
		Version: 1, Since: 1, Definition: v.Definition, CreatedAt: now, UpdatedAt: now}
	if err := s.form(ctx, &v, Definition{}); err != nil {
		return v, err
	}
	if err := s.c.Store.CreateSeries(ctx, v, MaxSeries); err != nil {
		return v, fmt.Errorf("create series: %w", err)
	}
	return v, nil
}

// Change replaces name, group, days and definition by those of v, which names the revision
// that the caller saw. A series that is not a draft gets a new version, and must be ready;
// those under way stay in theirs, or go on in the new one at once if they switch: at the step
// of the same key, else at the next one after it that is left, else they are over. A letter of
// a step that names its Form alone stays as it is.
func (s *Service) Change(ctx context.Context, who ingest.Principal, v Series, switches bool) (Series, error) {
	old, err := s.Series(ctx, who.Tenant, v.ID)
	if err != nil {
		return v, err
	}
	if old.State == Ended || old.Revision != v.Revision {
		return old, badState()
	}
	was := old.Definition
	old.Name, old.Group, old.Again, old.Definition = v.Name, v.Group, v.Again, v.Definition
	if err := s.form(ctx, &old, was); err != nil {
		return old, err
	}
	if old.State != Draft {
		if err := s.Ready(ctx, old); err != nil {
			return old, err
		}
		old.Version++
		if switches {
			old.Since = old.Version
		}
		if was.Trigger != old.Definition.Trigger || was.Zone != old.Definition.Zone {
			if err := s.aim(ctx, &old); err != nil {
				return old, err
			}
		}
	}
	return s.put(ctx, old, old.State, true)
}

// put stores a change by a person.
func (s *Service) put(ctx context.Context, v Series, from State, fresh bool) (Series, error) {
	v.Revision++
	v.UpdatedAt = s.stamp()
	if err := s.c.Store.ChangeSeries(ctx, v, from, fresh); err != nil {
		return v, fmt.Errorf("change series: %w", err)
	}
	return v, nil
}

// form checks a series and compiles its letters; was is the definition before.
func (s *Service) form(ctx context.Context, v *Series, was Definition) error {
	fields, err := s.c.Store.Fields(ctx, v.Tenant)
	if err != nil {
		return fmt.Errorf("read fields: %w", err)
	}
	if err := v.check(fields); err != nil {
		return err
	}
	g, err := s.c.Store.Group(ctx, v.Tenant, v.Group)
	switch {
	case fault.IsKind(err, fault.NotFound):
		return fault.Field("group_id", CodeValue, "There is no such group.")
	case err != nil:
		return fmt.Errorf("read group: %w", err)
	case v.Definition.Trigger.On == Confirmed && g.Kind != audience.Static:
		return fault.Field("group_id", CodeValue, "People confirm subscriptions to static groups.")
	}
	for i := range v.Definition.Steps {
		if v.Definition.Steps[i].Do != Send {
			continue
		}
		if err := s.formLetter(ctx, *v, &v.Definition.Steps[i], was); err != nil {
			return under("steps/"+strconv.Itoa(i)+"/", err)
		}
	}
	return nil
}

func (s *Service) formLetter(ctx context.Context, v Series, step *Step, was Definition) error {
	if step.Letter == nil {
		for _, old := range was.Steps {
			if old.Do == Send && old.Form == step.Form && !old.Form.IsZero() {
				step.Letter = old.Letter
				return nil
			}
		}
		step.Letter = &campaign.Letter{}
	}
	c, err := s.c.Letters.Formed(ctx, v.mailing(Step{Letter: step.Letter}))
	if err != nil {
		return err
	}
	step.Letter, step.Form = &c.Letter, id.New[campaign.Kind](s.stamp())
	if old, i := was.Step(step.Key); i >= 0 && old.Do == Send && sameJSON(old.Letter, step.Letter) {
		step.Form = old.Form
	}
	return nil
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// under puts the fields of a refusal below a path.
func under(path string, err error) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	list := flat(f)
	for _, one := range list {
		if one.Field != "" {
			one.Field = path + one.Field
		}
	}
	return fault.Join(list)
}

// flat are a refusal and those beside it, each a copy of its own.
func flat(f *fault.Error) (list []*fault.Error) {
	for _, one := range append([]*fault.Error{f}, f.Also...) {
		alone := *one
		alone.Also = nil
		list = append(list, &alone)
	}
	return list
}

// mailing is the letter of a step as mail is made of it.
func (v Series) mailing(step Step) campaign.Campaign {
	c := campaign.Campaign{ID: step.Form, Tenant: v.Tenant, Name: v.Name, Groups: []audience.GroupID{v.Group}, State: campaign.Sent, Actor: v.Actor,
		Events: v.Definition.Trigger.On == Event}
	if step.Letter != nil {
		c.Letter = *step.Letter
	}
	return c
}

// Ready says what keeps a series from being activated: CodeEmpty at "steps", what its letters
// lack below "steps/n/", and Forbidden "group_not_approved" at "group_id". nil: nothing does.
func (s *Service) Ready(ctx context.Context, v Series) error {
	var wrong []*fault.Error
	sends := 0
	for i, step := range v.Definition.Steps {
		if step.Do != Send {
			continue
		}
		sends++
		err := s.c.Letters.ReadyLetter(ctx, v.mailing(step))
		if f := fault.As(under("steps/"+strconv.Itoa(i)+"/", err)); f != nil {
			wrong = append(wrong, flat(f)...)
		} else if err != nil {
			return err
		}
	}
	if sends == 0 {
		wrong = append(wrong, fault.Field("steps", CodeEmpty, "A series sends at least one mail."))
	}
	if err := fault.Join(wrong); err != nil {
		return err
	}
	err := s.c.Letters.ReadyGroups(ctx, v.mailing(Step{}))
	if f := fault.As(err); f != nil {
		at := *f
		at.Field = "group_id"
		return &at
	}
	return err
}

// aim sets when dates are looked at next.
func (s *Service) aim(ctx context.Context, v *Series) error {
	v.ScanAt, v.ScanAfter = time.Time{}, audience.ContactID{}
	if v.Definition.Trigger.On != Dated {
		return nil
	}
	zone, err := s.zone(ctx, v.Tenant, v.Definition)
	if err != nil {
		return err
	}
	v.ScanAt = v.Definition.Trigger.nextScan(s.stamp(), zone)
	return nil
}

func (s *Service) zone(ctx context.Context, t tenant.ID, d Definition) (*time.Location, error) {
	who, err := s.c.Store.Tenant(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("read tenant: %w", err)
	}
	return d.zone(who, s.c.Zone), nil
}

// Activate lets contacts begin a draft. Errors: those of Ready, Conflict CodeState.
func (s *Service) Activate(ctx context.Context, who ingest.Principal, number ID) (Series, error) {
	return s.change(ctx, who, number, []State{Draft}, func(v *Series) error {
		if err := s.Ready(ctx, *v); err != nil {
			return err
		}
		v.State, v.Reason, v.Actor = Active, "", who.Actor
		return s.aim(ctx, v)
	})
}

// Pause stops everybody where they are. Mail that was handed over is on its way.
func (s *Service) Pause(ctx context.Context, who ingest.Principal, number ID) (Series, error) {
	return s.change(ctx, who, number, []State{Active}, func(v *Series) error {
		v.State, v.Reason, v.RestAt = Paused, "", time.Time{}
		return nil
	})
}

// Resume lets a paused series go on: what fell due meanwhile is done at once. Days of the
// trigger that passed are not made up for.
func (s *Service) Resume(ctx context.Context, who ingest.Principal, number ID) (Series, error) {
	return s.change(ctx, who, number, []State{Paused}, func(v *Series) error {
		if err := s.Ready(ctx, *v); err != nil {
			return err
		}
		v.State, v.Reason, v.RestAt = Active, "", time.Time{}
		return s.aim(ctx, v)
	})
}

// End ends a series for good; who is under way gets nothing more.
func (s *Service) End(ctx context.Context, who ingest.Principal, number ID) (Series, error) {
	return s.change(ctx, who, number, []State{Active, Paused}, func(v *Series) error {
		v.State, v.Reason, v.RestAt, v.ScanAt = Ended, "", time.Time{}, time.Time{}
		return nil
	})
}

func (s *Service) change(ctx context.Context, who ingest.Principal, number ID, from []State, do func(*Series) error) (Series, error) {
	v, err := s.Series(ctx, who.Tenant, number)
	if err != nil {
		return v, err
	}
	was := v.State
	allowed := false
	for _, state := range from {
		allowed = allowed || state == was
	}
	if !allowed {
		return v, badState()
	}
	if err := do(&v); err != nil {
		return v, err
	}
	return s.put(ctx, v, was, false)
}

// Delete takes a draft or an ended series away.
func (s *Service) Delete(ctx context.Context, t tenant.ID, number ID) error {
	return s.c.Store.DeleteSeries(ctx, t, number)
}

// Series returns one with the letters of its newest version; NotFound CodeNotFound.
func (s *Service) Series(ctx context.Context, t tenant.ID, number ID) (Series, error) {
	v, err := s.c.Store.Series(ctx, t, number)
	if err != nil {
		return v, err
	}
	v.Definition, err = s.c.Store.SeriesVersion(ctx, t, number, v.Version)
	return v, err
}

// List lists all of a tenant from new to old, without letters.
func (s *Service) List(ctx context.Context, t tenant.ID) ([]Series, error) {
	return s.c.Store.SeriesList(ctx, t)
}

// Runs lists who is, or was, in a series.
func (s *Service) Runs(ctx context.Context, t tenant.ID, number ID, f RunFilter) ([]Line, bool, error) {
	if _, err := s.c.Store.Series(ctx, t, number); err != nil {
		return nil, false, err
	}
	return s.c.Store.SeriesRuns(ctx, t, number, f)
}

// Journey is what a contact's runs have done, in order.
func (s *Service) Journey(ctx context.Context, t tenant.ID, number ID, c audience.ContactID) ([]Deed, error) {
	return s.c.Store.SeriesDeeds(ctx, t, number, c)
}

// TakeOut ends the run of a contact that is under way; Conflict CodeState if there is none.
func (s *Service) TakeOut(ctx context.Context, t tenant.ID, number ID, c audience.ContactID) error {
	if _, err := s.c.Store.Series(ctx, t, number); err != nil {
		return err
	}
	stopped, err := s.c.Store.StopRun(ctx, t, number, c, ReasonTaken, s.stamp())
	if err == nil && !stopped {
		return badState()
	}
	return err
}

// Report tells how a series stands. Counting is repeated no more often than a tenth of the
// time allows; At says of when it is.
func (s *Service) Report(ctx context.Context, t tenant.ID, number ID) (Report, error) {
	began := s.c.Now()
	s.mu.Lock()
	known, ok := s.reports[number]
	s.mu.Unlock()
	if _, err := s.c.Store.Series(ctx, t, number); err != nil {
		return Report{}, err
	}
	if ok && began.Before(known.until) {
		return known.Report, nil
	}
	r, err := s.c.Store.SeriesReport(ctx, t, number)
	if err != nil {
		return r, err
	}
	r.At = began.UTC().Truncate(time.Millisecond)
	took := s.c.Now().Sub(began)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.reports) >= maxKnown {
		clear(s.reports)
	}
	s.reports[number] = counted{r, began.Add(10 * took)}
	return r, nil
}

// maxEventData bounds what an event brings, in bytes of JSON.
const maxEventData = 16 << 10

// Tell says that something happened to the person behind an address: the active series that
// wait for an event of this name begin for the contact, and their letters may show the data
// ({{event.order}}). It returns how many series heard. Errors: CodeEvent at "name" and "data",
// "address_malformed" and CodeContact at "email".
func (s *Service) Tell(ctx context.Context, t tenant.ID, email, name string, data json.RawMessage) (int, error) {
	var wrong []*fault.Error
	a, err := message.ParseAddress(email)
	if err != nil {
		wrong = append(wrong, fault.Field("email", "address_malformed", "This is no address."))
	}
	if !eventName.MatchString(name) {
		wrong = append(wrong, fault.Field("name", CodeEvent, "A name of at most 64 letters, digits and _.:- without spaces."))
	}
	var object map[string]any
	if len(data) > maxEventData || len(data) > 0 && json.Unmarshal(data, &object) != nil {
		wrong = append(wrong, fault.Field("data", CodeEvent, "An object of at most 16 KiB."))
	}
	if err := fault.Join(wrong); err != nil {
		return 0, err
	}
	if object == nil {
		data = nil // null
	}
	c, found, err := s.c.Contacts.Of(ctx, t, a)
	if err != nil {
		return 0, fmt.Errorf("find contact: %w", err)
	}
	if !found {
		return 0, fault.Field("email", CodeContact, "No contact has this address.")
	}
	return s.c.Store.AddSignals(ctx, t, Event, name, c.ID, data, s.stamp())
}
