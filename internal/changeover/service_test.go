package changeover_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/changeover/changeovertest"
	"stafette/internal/dns"
	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// world is a service over a plan in memory and a clock that is set by hand.
type world struct {
	*changeover.Service
	t     *testing.T
	now   time.Time
	cfg   changeover.Config
	store *changeovertest.Store
	plan  *plan
}

// plan stands in for egress.Planner.
type plan struct {
	ways  egress.Ways
	saved []egress.Revision
	fail  error
}

func (p *plan) Ways(context.Context) (egress.Ways, error) { return p.ways, p.fail }

func (p *plan) SaveShift(_ context.Context, s egress.Shift, _ string) error {
	if old, there := p.ways.Shift(s.Name); there {
		p.saved = append([]egress.Revision{{Before: asText(old)}}, p.saved...)
	}
	p.ways.Shifts = append(slices.DeleteFunc(slices.Clone(p.ways.Shifts), func(v egress.Shift) bool { return v.Name == s.Name }), s)
	return p.fail
}

func (p *plan) EndShift(_ context.Context, name, _ string) error {
	p.ways.Shifts = slices.DeleteFunc(slices.Clone(p.ways.Shifts), func(v egress.Shift) bool { return v.Name == name })
	return p.fail
}

func (p *plan) SaveSource(_ context.Context, s egress.Source, _ []string, _ string, _ int) error {
	p.ways.Sources = append(slices.DeleteFunc(slices.Clone(p.ways.Sources), func(v egress.Source) bool { return v.Name == s.Name }), s)
	return p.fail
}

func (p *plan) SavePool(_ context.Context, v egress.Pool, _ string, _ int) error {
	p.ways.Pools = append(slices.DeleteFunc(slices.Clone(p.ways.Pools), func(o egress.Pool) bool { return o.Name == v.Name }), v)
	return p.fail
}

func (p *plan) Assign(_ context.Context, a egress.Assignment, _ string, _ int) error {
	p.ways.Assignments = append(slices.DeleteFunc(slices.Clone(p.ways.Assignments), func(o egress.Assignment) bool { return o.Name() == a.Name() }), a)
	return p.fail
}

func (p *plan) Revisions(context.Context, egress.Thing, string) ([]egress.Revision, error) {
	return p.saved, p.fail
}

// names is a name server that knows everything about one address.
type names map[string][]string

func (n names) Addrs(_ context.Context, host string) ([]netip.Addr, error) {
	var list []netip.Addr
	for _, text := range n["A "+host] {
		list = append(list, netip.MustParseAddr(text))
	}
	if list == nil {
		return nil, dns.ErrNoDomain
	}
	return list, nil
}

func (n names) PTR(_ context.Context, a netip.Addr) ([]string, error) {
	return n["PTR "+a.String()], nil
}
func (n names) TXT(context.Context, string) ([]string, error) { return nil, dns.ErrNoDomain }

type accounts struct{}

func (accounts) Tenant(_ context.Context, t tenant.ID) (tenant.Tenant, error) {
	if t[0] == 9 {
		return tenant.Tenant{}, fault.New(fault.NotFound, "tenant_not_found", "")
	}
	return tenant.Tenant{ID: t}, nil
}

const fresh = "9.9.9.9"

func newWorld(t *testing.T) *world {
	p := egress.EqualPlan(egress.Source{Name: "old", EHLO: "old.example", IP: netip.MustParseAddr("8.8.8.8"), State: egress.StateActive})
	p.Sources = append(p.Sources, egress.Source{Name: "new", EHLO: "new.example", IP: netip.MustParseAddr(fresh), State: egress.StateNew, Weight: 100})
	w := &world{t: t, now: time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC), store: &changeovertest.Store{}, plan: &plan{ways: egress.Ways{Plan: p}}}
	w.cfg = changeover.Config{
		Store: w.store, Planner: w.plan, Tenants: accounts{}, Now: func() time.Time { return w.now }, DNSBL: []string{"bl.example"},
		Lookup:      names{"A new.example": {fresh}, "PTR " + fresh: {"new.example"}, "A www.example": {"1.1.1.1"}},
		SPF:         func(context.Context, string, netip.Addr) string { return "pass" },
		Certificate: func() (time.Time, bool) { return w.now.AddDate(1, 0, 0), true },
	}
	w.Service = changeover.New(w.cfg)
	return w
}

func asText(s egress.Shift) string {
	if s.Fallback {
		return `{"name":"x","share":` + string(rune('0'+s.Share/10)) + `0,"fallback":true}`
	}
	return ""
}

// draft keeps a sound plan of now.
func (w *world) draft(of tenant.ID) changeover.Changeover {
	w.t.Helper()
	c := changeover.Defaults(w.now)
	c.Name, c.Tenant, c.Old, c.New, c.Domains, c.ImprintHost = "Umzug", of, []string{"old"}, []string{"new"}, []string{"post.example"}, "www.example"
	c, err := w.Create(w.t.Context(), c, "cli")
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) started() changeover.ID {
	w.t.Helper()
	c := w.draft(tenant.ID{})
	if _, err := w.Start(w.t.Context(), c.ID, "cli"); err != nil {
		w.t.Fatal(err)
	}
	return c.ID
}

// wait lets time pass and the clock move.
func (w *world) wait(d time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(d)
	if err := w.Tick(w.t.Context(), w.now); err != nil {
		w.t.Fatal(err)
	}
}

// want checks where a changeover stands, and that egress does the same.
func (w *world) want(which changeover.ID, stage changeover.Stage, share, shifted int, fallback bool) {
	w.t.Helper()
	c, err := w.Changeover(w.t.Context(), which)
	if err != nil || c.Stage != stage || c.Share != share {
		w.t.Errorf("stage %s, share %d, %v; want %s, %d", c.Stage, c.Share, err, stage, share)
	}
	s, there := w.plan.ways.Shift(which.String())
	if !there || s.Share != shifted || s.Fallback != fallback {
		w.t.Errorf("egress shifts %d %% (%t), fallback %t; want %d, %t", s.Share, there, s.Fallback, shifted, fallback)
	}
}

const day = 24 * time.Hour

func TestThePlanRunsByItself(t *testing.T) {
	w := newWorld(t)
	c := w.started()
	w.want(c, changeover.Announced, 0, 0, false)
	w.wait(14*day - time.Minute)
	w.want(c, changeover.Announced, 0, 0, false)
	w.wait(time.Minute)
	w.want(c, changeover.Testing, 5, 5, true)
	w.wait(day)
	w.want(c, changeover.Shifting, 25, 25, true)
	w.wait(2 * day)
	w.want(c, changeover.Shifting, 50, 50, true)
	w.wait(30 * day) // a node that slept takes missed steps together
	w.want(c, changeover.Overlap, 100, 100, true)
	w.wait(30 * day)
	w.want(c, changeover.Overlap, 100, 100, true) // the date alone ends nothing
	if v, _ := w.Changeover(t.Context(), c); !v.Overdue(w.now) {
		t.Error("not overdue")
	}
	if _, err := w.Finish(t.Context(), c, "cli"); err != nil {
		t.Fatal(err)
	}
	pool, _ := w.plan.ways.Pool(egress.DefaultPool)
	old, _ := w.plan.ways.Source("old")
	if len(w.plan.ways.Shifts) != 0 || len(pool.Members) != 1 || pool.Members[0].Source != "new" || old.State != egress.StateRetired {
		t.Errorf("after the end: %+v", w.plan.ways.Plan)
	}
	deeds, err := w.Deeds(t.Context(), c)
	var words []string
	for _, d := range deeds {
		words = append(words, d.What)
	}
	if got, want := strings.Join(words, " "), "done overlap share shifting testing started checked created"; got != want || err != nil {
		t.Errorf("history %s, %v; want %s", got, err, want)
	}
}

func TestPauseAndRollBack(t *testing.T) {
	w := newWorld(t)
	c := w.started()
	w.wait(15 * day)
	w.want(c, changeover.Shifting, 25, 25, true)
	deed := func(do func(context.Context, changeover.ID, string) (changeover.Changeover, error)) {
		t.Helper()
		if _, err := do(t.Context(), c, "cli"); err != nil {
			t.Fatal(err)
		}
	}
	deed(w.Pause)
	w.wait(10 * day)
	w.want(c, changeover.Paused, 25, 25, true)
	deed(w.RollBack)
	deed(w.RollBack) // twice is once
	w.want(c, changeover.RolledBack, 25, 0, false)
	w.wait(10 * day)
	deed(w.Resume)
	w.want(c, changeover.Shifting, 25, 25, true)
	w.wait(2*day - time.Minute)
	w.want(c, changeover.Shifting, 25, 25, true) // the schedule is later by as long as it rested
	w.wait(time.Minute)
	w.want(c, changeover.Shifting, 50, 50, true)
	deed(w.RollBack)
	deed(w.Withdraw)
	if len(w.plan.ways.Shifts) != 0 {
		t.Error("the shift outlives its changeover")
	}
	_, err := w.RollBack(t.Context(), c, "cli")
	refused(t, err, fault.Conflict, "changeover_stage", "")
}

func TestStepsByHand(t *testing.T) {
	w := newWorld(t)
	c := w.started()
	for _, want := range []struct {
		stage changeover.Stage
		share int
	}{{changeover.Testing, 5}, {changeover.Shifting, 25}, {changeover.Shifting, 50}} {
		w.now = w.now.Add(time.Hour)
		if _, err := w.Advance(t.Context(), c, "cli"); err != nil {
			t.Fatal(err)
		}
		w.want(c, want.stage, want.share, want.share, true)
	}
	w.wait(3 * day) // between the second and the third step, as planned
	w.want(c, changeover.Shifting, 70, 70, true)
}

func TestSharesAreSetAndUndone(t *testing.T) {
	w := newWorld(t)
	c := w.started()
	set := func(version, share int, list ...egress.Share) error {
		_, err := w.Shares(t.Context(), c, version, share, list, "cli")
		return err
	}
	refused(t, set(3, 10), fault.Conflict, "changeover_stage", "")
	w.wait(15 * day)
	v, _ := w.Changeover(t.Context(), c)
	refused(t, set(v.Version-1, 40), fault.Conflict, "changeover_changed", "")
	refused(t, set(v.Version, 101), fault.Invalid, "share_out_of_range", "share")
	refused(t, set(v.Version, 40, egress.Share{Percent: 3}), fault.Invalid, "share_of_all", "shares/0")
	refused(t, set(v.Version, 40, egress.Share{Provider: "gmx"}, egress.Share{Provider: "gmx", Percent: 3}), fault.Invalid, "share_twice", "shares/1")
	if err := set(v.Version, 40, egress.Share{Provider: "gmx", Percent: 10}); err != nil {
		t.Fatal(err)
	}
	w.want(c, changeover.Shifting, 40, 40, true)
	if _, err := w.UndoShares(t.Context(), c, "cli"); err != nil {
		t.Fatal(err)
	}
	if v, _ = w.Changeover(t.Context(), c); v.Share != 20 || len(v.Shares) != 0 { // the stand-in keeps tens
		t.Errorf("after undo %d %%, %v", v.Share, v.Shares)
	}
	// All mail over the new sources is the overlap, whoever set it; less is not.
	for share, stage := range map[int]changeover.Stage{100: changeover.Overlap, 90: changeover.Shifting} {
		v, _ = w.Changeover(t.Context(), c)
		if err := set(v.Version, 100); err != nil {
			t.Fatal(err)
		}
		if share < 100 {
			if err := set(v.Version+1, share); err != nil {
				t.Fatal(err)
			}
		}
		w.want(c, stage, share, share, true)
	}
}

// TestRedChecksBlockTheStart, each with its problem.
func TestRedChecksBlockTheStart(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(*world)
		kind    changeover.CheckKind
		problem string
		verdict changeover.Verdict
	}{
		"no reverse name": {func(w *world) { w.cfg.Lookup = names{"A new.example": {fresh}, "A www.example": {"1.1.1.1"}} }, changeover.CheckPTR, "missing", changeover.Blocked},
		"on a block list": {func(w *world) { w.cfg.Lookup.(names)["A 9.9.9.9.bl.example"] = []string{"127.0.0.2"} }, changeover.CheckDNSBL, "listed", changeover.Blocked},
		"SPF lacks one": {func(w *world) {
			w.cfg.SPF = func(_ context.Context, _ string, a netip.Addr) string {
				return map[bool]string{true: "pass", false: "softfail"}[a.String() == "8.8.8.8"]
			}
		}, changeover.CheckSPF, "spf", changeover.Blocked},
		"SPF unknown":       {func(w *world) { w.cfg.SPF = func(context.Context, string, netip.Addr) string { return "temperror" } }, changeover.CheckSPF, "unknown", changeover.Unknown},
		"no imprint":        {func(w *world) { delete(w.cfg.Lookup.(names), "A www.example") }, changeover.CheckImprint, "missing", changeover.Blocked},
		"certificate ended": {func(w *world) { w.cfg.Certificate = func() (time.Time, bool) { return w.now.Add(-day), true } }, changeover.CheckTLS, "ended", changeover.Blocked},
		"source retired":    {func(w *world) { w.plan.ways.Sources[1].State = egress.StateRetired }, changeover.CheckSource, "state", changeover.Blocked},
		"machine lacks it": {func(w *world) {
			w.plan.ways.Addresses = map[string][]netip.Addr{"eins": {netip.MustParseAddr("8.8.8.8")}}
		}, changeover.CheckHere, "missing", changeover.Blocked},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.draft(tenant.ID{})
			tt.change(w)
			w.Service = changeover.New(w.cfg)
			v, err := w.Start(t.Context(), c.ID, "cli")
			refused(t, err, fault.Conflict, "changeover_blocked", "")
			i := slices.IndexFunc(v.Blocking(), func(k changeover.Check) bool {
				return k.Kind == tt.kind && k.Problem == tt.problem && k.Verdict == tt.verdict
			})
			if i < 0 || len(w.plan.ways.Shifts) != 0 {
				t.Errorf("blocking %+v, shifts %v", v.Blocking(), w.plan.ways.Shifts)
			}
		})
	}
}

// TestAddressesNobodyCanAskAbout: on loopback nothing is asked and nothing blocks.
func TestAddressesNobodyCanAskAbout(t *testing.T) {
	w := newWorld(t)
	w.plan.ways.Sources[0].IP, w.plan.ways.Sources[1].IP = netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3")
	c := w.draft(tenant.ID{})
	if v, err := w.Start(t.Context(), c.ID, "cli"); err != nil {
		t.Errorf("%v: %+v", err, v.Blocking())
	}
}

func TestUnsoundPlans(t *testing.T) {
	for name, tt := range map[string]struct {
		change      func(*changeover.Changeover)
		code, field string
	}{
		"no name":          {func(c *changeover.Changeover) { c.Name = " " }, "changeover_name", "name"},
		"two lines":        {func(c *changeover.Changeover) { c.Name = "a\nBcc: x" }, "changeover_name", "name"},
		"no old":           {func(c *changeover.Changeover) { c.Old = nil }, "changeover_sources", "old"},
		"unknown":          {func(c *changeover.Changeover) { c.New = []string{"gone"} }, "source_unknown", "new"},
		"both":             {func(c *changeover.Changeover) { c.New = []string{"old"} }, "changeover_both", "new"},
		"order":            {func(c *changeover.Changeover) { c.CutoverAt = c.TestFrom }, "changeover_order", "cutover_at"},
		"far":              {func(c *changeover.Changeover) { c.OverlapUntil = c.AnnounceAt.AddDate(3, 0, 0) }, "changeover_far", "overlap_until"},
		"step falls":       {func(c *changeover.Changeover) { c.Steps[1].Share = 10 }, "changeover_step_share", "steps/1"},
		"step before":      {func(c *changeover.Changeover) { c.Steps[0].At = c.TestFrom }, "changeover_step_time", "steps/0"},
		"not all":          {func(c *changeover.Changeover) { c.Steps = c.Steps[:2] }, "changeover_steps", "steps"},
		"domain":           {func(c *changeover.Changeover) { c.Domains = []string{"ok.example", "a b"} }, "domain_malformed", "domains/1"},
		"imprint":          {func(c *changeover.Changeover) { c.ImprintHost = "x\r\ny" }, "ehlo_malformed", "imprint_host"},
		"account not here": {func(c *changeover.Changeover) { c.Tenant = tenant.ID{9} }, "tenant_unknown", "tenant"},
	} {
		w := newWorld(t)
		c := changeover.Defaults(w.now)
		c.Name, c.Old, c.New = "Umzug", []string{"old"}, []string{"new"}
		tt.change(&c)
		_, err := w.Create(t.Context(), c, "cli")
		if f := fault.As(err); f == nil || !slices.ContainsFunc(append(f.Also, f), func(e *fault.Error) bool { return e.Code == tt.code && e.Field == tt.field }) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTwoDoNotMoveTheSameSources, but two tenants' may.
func TestTwoDoNotMoveTheSameSources(t *testing.T) {
	w := newWorld(t)
	a, b := w.draft(tenant.ID{1}), w.draft(tenant.ID{2})
	all := w.draft(tenant.ID{})
	for _, c := range []changeover.Changeover{a, b} {
		if _, err := w.Start(t.Context(), c.ID, "cli"); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.Start(t.Context(), all.ID, "cli")
	refused(t, err, fault.Conflict, "changeover_overlaps", "")
	_, err = w.Change(t.Context(), a, "cli")
	refused(t, err, fault.Conflict, "changeover_started", "")
}

// TestOneTenantsEndLeavesTheSources: its mail is assigned to the new ones, others keep
// the old ones.
func TestOneTenantsEndLeavesTheSources(t *testing.T) {
	w := newWorld(t)
	c := w.draft(tenant.ID{1})
	if _, err := w.Start(t.Context(), c.ID, "cli"); err != nil {
		t.Fatal(err)
	}
	w.wait(40 * day)
	if _, err := w.Finish(t.Context(), c.ID, "cli"); err != nil {
		t.Fatal(err)
	}
	old, _ := w.plan.ways.Source("old")
	if a := w.plan.ways.Assignments; old.State != egress.StateActive || len(a) != 1 || a[0].Tenant != c.Tenant || len(w.plan.ways.Shifts) != 0 {
		t.Errorf("assignments %+v, old is %s", a, old.State)
	}
}

// TestTickRepairs what egress lost, and goes on after an error.
func TestTickRepairs(t *testing.T) {
	w := newWorld(t)
	c := w.started()
	w.plan.ways.Shifts = nil
	w.wait(time.Minute)
	w.want(c, changeover.Announced, 0, 0, false)
}

func TestExtend(t *testing.T) {
	w := newWorld(t)
	c := w.started()
	_, err := w.Extend(t.Context(), c, w.now.Add(-day), "cli")
	refused(t, err, fault.Invalid, "changeover_past", "overlap_until")
	v, err := w.Extend(t.Context(), c, w.now.Add(200*day), "cli")
	if err != nil || !v.OverlapUntil.Equal(w.now.Add(200*day)) {
		t.Errorf("until %s, %v", v.OverlapUntil, err)
	}
}

func refused(t *testing.T, err error, kind fault.Kind, code, field string) {
	t.Helper()
	if f := fault.As(err); f == nil || f.Kind != kind || f.Code != code || f.Field != field {
		t.Errorf("have %v, want %s %s (%s)", err, kind, code, field)
	}
}
