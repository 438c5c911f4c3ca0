package sources

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

func notFound(code string) error {
	return fault.New(fault.NotFound, code, "There is no such thing here.")
}

// sheet is the page of one source, or of one to be set up.
type sheet struct {
	ways      egress.Ways
	source    egress.Source
	isNew     bool
	standing  egress.Standing
	form      frame.Form
	findings  []egress.Finding
	revisions []line
	warmUp    []egress.Progress
}

// clockForm is how a browser writes a moment in its field.
const clockForm = "2006-01-02T15:04"

// values fills the form with a source.
func values(p frame.Page, s egress.Source, version int) map[string]string {
	v := map[string]string{
		"name": s.Name, "node": s.Node, "ehlo": s.EHLO, "state": string(s.State), "weight": strconv.Itoa(s.Weight),
		"version": strconv.Itoa(version),
	}
	if s.State == "" {
		v["state"] = string(egress.StateActive)
	}
	if s.IP.IsValid() {
		v["ip"] = s.IP.String()
	}
	if !s.ValidFrom.IsZero() {
		v["valid_from"] = s.ValidFrom.In(p.Zone).Format(clockForm)
	}
	if !s.ValidUntil.IsZero() {
		v["valid_until"] = s.ValidUntil.In(p.Zone).Format(clockForm)
	}
	return v
}

func (c Config) newSource(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	s := sheet{isNew: true, source: egress.Source{State: egress.StateNew, Weight: egress.DefaultWeight}}
	s.form.Values = values(p, s.source, egress.Absent)
	s.form.Values["pool-"+egress.DefaultPool] = "on"
	return c.sheet(w, r, p, http.StatusOK, s)
}

func (c Config) source(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	ways, err := c.Planner.Ways(r.Context())
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	source, ok := ways.Source(r.PathValue("name"))
	if !ok {
		return notFound("source_unknown")
	}
	standing := ways.Standing(egress.ThingSource, source.Name)
	return c.sheet(w, r, p, http.StatusOK, sheet{source: source, standing: standing, form: frame.Form{Values: values(p, source, standing.Version)}})
}

// sheet adds what the page shows beside the form.
func (c Config) sheet(w http.ResponseWriter, r *http.Request, p frame.Page, status int, s sheet) error {
	p.Room, p.Title = room, s.source.Name
	if s.isNew {
		p.Title = p.T("sources.new")
	}
	var err error
	if s.ways, err = c.Planner.Ways(r.Context()); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if !s.isNew {
		if err := c.known(r.Context(), p, &s); err != nil {
			return fmt.Errorf("source: %w", err)
		}
	}
	return p.Render(w, r, status, sheetPage(p, s))
}

// known adds what is known of a source that is there.
func (c Config) known(ctx context.Context, p frame.Page, s *sheet) error {
	findings, err := c.Store.Findings(ctx)
	if err != nil {
		return err
	}
	s.findings = slices.DeleteFunc(findings, func(f egress.Finding) bool { return f.Source != s.source.Name })
	if s.revisions, err = c.lines(ctx, p, egress.ThingSource, s.source.Name); err != nil {
		return err
	}
	s.warmUp, err = c.progress(ctx, p, s.ways.Plan, s.source)
	return err
}

// readSource reads the form; what cannot be read is noted in it.
func readSource(p frame.Page, f *frame.Form, posted url.Values) egress.Source {
	take := func(name string) string {
		f.Values[name] = frame.Shorten(strings.TrimSpace(strings.ToValidUTF8(posted.Get(name), "")), 300)
		return f.Values[name]
	}
	s := egress.Source{Name: take("name"), Node: take("node"), EHLO: strings.ToLower(take("ehlo")), State: egress.SourceState(take("state"))}
	if text := take("ip"); text != "" {
		var err error
		if s.IP, err = netip.ParseAddr(text); err != nil {
			f.Add("ip", p.T("fault.ip_malformed"))
		}
	}
	var err error
	if s.Weight, err = strconv.Atoi(take("weight")); err != nil {
		f.Add("weight", p.T("fault.weight_out_of_range"))
	}
	for name, into := range map[string]*time.Time{"valid_from": &s.ValidFrom, "valid_until": &s.ValidUntil} {
		if text := take(name); text != "" {
			if *into, err = time.ParseInLocation(clockForm, text, p.Zone); err != nil {
				f.Add(name, p.T("fault.time_malformed"))
			}
			*into = into.UTC()
		}
	}
	return s
}

// version is that of the thing the form was made of.
func version(f *frame.Form, posted url.Values) int {
	n, err := strconv.Atoi(posted.Get("version"))
	if err != nil {
		n = egress.Absent // no form of ours: nothing is overwritten
	}
	f.Values["version"] = strconv.Itoa(n)
	return n
}

func (c Config) createSource(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.putSource(w, r, p, "", egress.Absent)
}

func (c Config) saveSource(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.putSource(w, r, p, r.PathValue("name"), egress.AnyVersion)
}

// putSource saves what the form says; name is "" for a new source.
func (c Config) putSource(w http.ResponseWriter, r *http.Request, p frame.Page, name string, at int) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f := frame.Form{Values: map[string]string{}}
	s := readSource(p, &f, r.PostForm)
	var pools []string
	for key := range r.PostForm {
		if pool, ok := strings.CutPrefix(key, "pool-"); ok {
			pools = append(pools, pool)
			f.Values[key] = "on"
		}
	}
	slices.Sort(pools)
	shown := sheet{isNew: name == "", source: s, form: f}
	if name != "" {
		s.Name, at = name, version(&shown.form, r.PostForm)
		shown.source.Name = name
	}
	if shown.form.Valid() {
		err := c.Planner.SaveSource(r.Context(), s, pools, p.Who.User.ID.String(), at)
		if err == nil {
			frame.Redirect(w, r, atSource+url.PathEscape(s.Name), "saved")
			return nil
		}
		if !refused(p, &shown.form, err) {
			return fmt.Errorf("save source: %w", err)
		}
	}
	return c.sheet(w, r, p, http.StatusUnprocessableEntity, shown)
}

// refused notes a refusal in the form, each part at its field; false if it is none.
func refused(p frame.Page, f *frame.Form, err error) bool {
	e := fault.As(err)
	if e == nil || e.Kind != fault.Invalid && e.Kind != fault.Conflict {
		return false
	}
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		field, _, _ := strings.Cut(one.Field, "/")
		f.Add(field, p.FaultText(one, f.Value(field)))
	}
	return true
}

func (c Config) follow(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	name := r.PathValue("name")
	if err := c.Planner.FollowConfiguration(r.Context(), name, p.Who.User.ID.String(), version(&frame.Form{Values: map[string]string{}}, r.PostForm)); err != nil {
		return fmt.Errorf("follow configuration: %w", err)
	}
	frame.Redirect(w, r, atSource+url.PathEscape(name), "follows")
	return nil
}

// restore takes the last change of a thing back, or makes it what a revision says.
func (c Config) restore(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	thing, name, by := egress.Thing(r.PostForm.Get("thing")), r.PostForm.Get("name"), p.Who.User.ID.String()
	at := version(&frame.Form{Values: map[string]string{}}, r.PostForm)
	var err error
	if text := r.PostForm.Get("revision"); text != "" {
		n, bad := strconv.Atoi(text)
		if bad != nil {
			return notFound("revision_unknown")
		}
		err = c.Planner.Restore(r.Context(), thing, name, n, by, at)
	} else {
		err = c.Planner.Undo(r.Context(), thing, name, by, at)
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	frame.Redirect(w, r, back(thing, name), "restored")
	return nil
}

// back is the page of a thing.
func back(t egress.Thing, name string) string {
	switch t {
	case egress.ThingSource:
		return atSource + url.PathEscape(name)
	case egress.ThingPace:
		return atWarmUp
	}
	return home
}

// assign sends mail to a pool, or ends that.
func (c Config) assign(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f := frame.Form{Values: map[string]string{}}
	for _, name := range []string{"tenant", "stream", "pool"} {
		f.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	a := egress.Assignment{Stream: tenant.Stream(f.Value("stream")), Pool: f.Value("pool")}
	if text := f.Value("tenant"); text != "" {
		var err error
		if a.Tenant, err = id.Parse[tenant.Kind](text); err != nil {
			f.Add("tenant", p.T("fault.tenant_unknown"))
		}
	}
	if a.Pool == "" && r.PostForm.Get("end") == "" {
		f.Add("pool", p.T("fault.pool_unknown"))
	}
	if f.Valid() {
		err := c.Planner.Assign(r.Context(), a, p.Who.User.ID.String(), egress.AnyVersion)
		if err == nil {
			frame.Redirect(w, r, home, "saved")
			return nil
		}
		if !refused(p, &f, err) {
			return fmt.Errorf("assign pool: %w", err)
		}
	}
	return c.board(w, r, p, http.StatusUnprocessableEntity, f)
}

// line is a revision as people read it.
type line struct {
	egress.Revision
	who     string
	changes []change
	last    bool // of its thing: can be undone
}

// change is one field that a revision changed.
type change struct{ field, before, after string }

// lines words the revisions of a thing, newest first.
func (c Config) lines(ctx context.Context, p frame.Page, t egress.Thing, name string) ([]line, error) {
	list, err := c.Planner.Revisions(ctx, t, name)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var lines []line
	for _, r := range list {
		key := string(r.Thing) + " " + r.Name
		lines = append(lines, line{Revision: r, who: c.who(ctx, p, r.By), changes: changes(r), last: !seen[key]})
		seen[key] = true
	}
	return lines, nil
}

func (c Config) history(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title = room, p.T("sources.history")
	lines, err := c.lines(r.Context(), p, "", "")
	if err != nil {
		return fmt.Errorf("history of sources: %w", err)
	}
	return p.Render(w, r, http.StatusOK, historyPage(p, lines))
}
