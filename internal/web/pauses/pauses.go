// Package pauses shows how mail to a group fares against its limits, why it was stopped, and
// the way back: an account says what it did, once by itself, and else staff let it go on.
// Staff see the pauses of all accounts and set limits for one.
//
// It is a subject of the door web (floor 4). Package pause judges; the group's own page
// (groups) shows Panel.
package pauses

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"stafette/internal/audience"
	"stafette/internal/audit"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/pause"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Pauses keeps them; *pause.Service does.
type Pauses interface {
	Standing(ctx context.Context, t tenant.ID, g audience.GroupID) (pause.Standing, error)
	Release(ctx context.Context, t tenant.ID, g audience.GroupID, actor, note string, staff bool) error
	Pauses(ctx context.Context) ([]pause.Pause, error)
	LimitsOf(ctx context.Context, t tenant.ID) (pause.Limits, bool, error)
	SetLimits(ctx context.Context, t tenant.ID, l *pause.Limits, reason string) error
	BoundsOf(ctx context.Context, t tenant.ID, g audience.GroupID) (pause.Bounds, error)
	Tighten(ctx context.Context, t tenant.ID, g audience.GroupID, v pause.Shares, actor string) error
	Allow(ctx context.Context, t tenant.ID, g audience.GroupID, v pause.Shares, actor, reason string) error
}

// Groups tells of groups; audience.GroupStore does.
type Groups interface {
	Group(ctx context.Context, t tenant.ID, g audience.GroupID) (audience.Group, error)
}

// Tenants tells the names of accounts; tenant.Store does.
type Tenants interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Pauses  Pauses
	Groups  Groups
	Tenants Tenants
}

const (
	one    = "/groups/{id}/pause"
	staff  = "/platform/pauses"
	own    = one + "/limits"
	limits = "/platform/tenants/{tenant}/limits"
	single = "/platform/tenants/{tenant}/groups/{id}/limits"
)

// Path is the page of a group's figures.
func Path(g audience.GroupID) string { return "/groups/" + g.String() + "/pause" }

// Routes are the pages of pauses.
func Routes(c Config) []frame.Route {
	of := func(pattern string, need tenant.Permission, act string, do func(http.ResponseWriter, *http.Request, frame.Page) error) frame.Route {
		return frame.Route{Pattern: pattern, Access: frame.Staff, Permission: need, Act: act, Do: do}
	}
	list := of("GET "+staff, tenant.PlatformReviews, "", c.list)
	list.Entry = frame.Entry{Room: "pauses", Icon: "held", Group: frame.GroupStaff}
	return []frame.Route{
		{Pattern: "GET " + one, Permission: tenant.MessagesRead, Do: c.show},
		{Pattern: "POST " + one, Permission: tenant.ContactsWrite, Act: "groups.resume", Do: c.resume},
		{Pattern: "POST " + own, Permission: tenant.SettingsWrite, Act: "groups.limits", Do: c.tighten},
		list,
		of("GET "+single, tenant.PlatformReviews, "", c.showSingle),
		of("POST "+single, tenant.PlatformReview, "pauses.limits", c.allow),
		of("GET "+staff+".csv", tenant.PlatformReviews, "", c.export),
		of("POST "+staff, tenant.PlatformReview, "pauses.release", c.release),
		of("GET "+limits, tenant.PlatformReviews, "", c.showLimits),
		of("POST "+limits, tenant.PlatformReview, "pauses.limits", c.setLimits),
	}
}

// Panel is what a group's own page shows: that it is paused, or the way to its figures.
func (c Config) Panel(ctx context.Context, p frame.Page, g audience.Group) (templ.Component, error) {
	s, err := c.Pauses.Standing(ctx, p.Tenant(), g.ID)
	if err != nil {
		return nil, fmt.Errorf("read figures of group: %w", err)
	}
	return panel(p, g, s), nil //nolint:contextcheck // a component gets its context when it is drawn
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.page(w, r, p, http.StatusOK, frame.Form{Values: map[string]string{}})
}

func (c Config) group(r *http.Request, p frame.Page) (audience.Group, error) {
	g, err := id.Parse[audience.GroupKind](r.PathValue("id"))
	if err != nil {
		return audience.Group{}, fault.New(fault.NotFound, "group_not_found", "There is no such group.")
	}
	return c.Groups.Group(r.Context(), p.Tenant(), g)
}

func (c Config) page(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	g, err := c.group(r, p)
	if err != nil {
		return err
	}
	s, err := c.Pauses.Standing(r.Context(), p.Tenant(), g.ID)
	if err != nil {
		return err
	}
	b, err := c.Pauses.BoundsOf(r.Context(), p.Tenant(), g.ID)
	if err != nil {
		return err
	}
	p.Room, p.Title = "groups", p.T("pause.of", "group", g.Name)
	return p.Render(w, r, status, standingPage(p, g, s, b, f))
}

func (c Config) resume(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	g, err := c.group(r, p)
	if err != nil {
		return err
	}
	f := frame.Form{Values: map[string]string{"note": strings.TrimSpace(r.PostForm.Get("note"))}}
	err = c.Pauses.Release(r.Context(), p.Tenant(), g.ID, p.Who.User.ID.String(), f.Value("note"), false)
	if frame.Refused(p, &f, err, "note") {
		return c.page(w, r, p, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, Path(g.ID), "released")
	return nil
}

// line is a pause with names.
type line struct {
	pause.Pause
	account, group string
}

func roll(p frame.Page) frame.Roll[line] {
	cell := func(key string, text func(line) string) frame.Cell[line] {
		return frame.Cell[line]{Column: frame.Column{Key: key, Title: p.T("pauses.col." + key)}, Text: text}
	}
	return frame.Roll[line]{Listing: frame.Listing{Path: staff, Sort: "at", Descending: true}, Cells: []frame.Cell[line]{
		cell("account", func(l line) string { return l.account }),
		cell("group", func(l line) string { return l.group }),
		cell("at", func(l line) string { return frame.Stamp(l.At) }),
		cell("figures", func(l line) string { return Figures(p, l.Pause) }),
		cell("released", func(l line) string {
			if l.InForce() {
				return ""
			}
			return frame.Stamp(l.ReleasedAt)
		}),
		cell("note", func(l line) string { return l.Note }),
	}}
}

func (c Config) lines(r *http.Request, p frame.Page) (frame.View, []line, error) {
	found, err := c.Pauses.Pauses(r.Context())
	if err != nil {
		return frame.View{}, nil, fmt.Errorf("pauses: %w", err)
	}
	list := make([]line, len(found))
	for i, one := range found {
		list[i] = line{one, one.Tenant.String(), one.Group.String()}
		if t, err := c.Tenants.Tenant(r.Context(), one.Tenant); err == nil { // without names the line still tells
			list[i].account = t.Name
		}
		if g, err := c.Groups.Group(r.Context(), one.Tenant, one.Group); err == nil {
			list[i].group = g.Name
		}
	}
	v, list := roll(p).Read(r, list)
	return v, list, nil
}

func (c Config) list(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.listPage(w, r, p, http.StatusOK, "", frame.Form{})
}

func (c Config) listPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, about string, f frame.Form) error {
	v, list, err := c.lines(r, p)
	if err != nil {
		return err
	}
	p.Room, p.Title = "pauses", p.T("nav.pauses")
	return p.Render(w, r, status, listPage(p, v, list, about, f))
}

func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	_, list, err := c.lines(r, p)
	if err != nil {
		return err
	}
	return roll(p).CSV(w, p, p.T("pauses.file"), list)
}

// field names the input for the reason; each of the page's forms has its own, as an
// identifier may stand on a page once.
func field(g audience.GroupID) string { return "note-" + g.String() }

func (c Config) release(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	t, err := id.Parse[tenant.Kind](r.PostForm.Get("tenant"))
	g, bad := id.Parse[audience.GroupKind](r.PostForm.Get("group"))
	if err != nil || bad != nil {
		return fault.New(fault.NotFound, pause.CodeNone, "There is no such pause.")
	}
	why := strings.TrimSpace(r.PostForm.Get(field(g)))
	err = c.Pauses.Release(r.Context(), t, g, p.Who.User.ID.String(), why, true)
	if e := fault.As(err); e != nil && e.Kind == fault.Invalid {
		f := frame.Form{Values: map[string]string{field(g): why}}
		f.Add(field(g), p.FaultText(e, why))
		return c.listPage(w, r, p, http.StatusUnprocessableEntity, g.String(), f)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, staff, "released")
	return nil
}

func tenantOf(r *http.Request) (tenant.ID, error) {
	t, err := id.Parse[tenant.Kind](r.PathValue("tenant"))
	if err != nil {
		return t, fault.New(fault.NotFound, "tenant_not_found", "There is no such account.")
	}
	return t, nil
}

func limitsPath(t tenant.ID) string { return strings.Replace(limits, "{tenant}", t.String(), 1) }

func (c Config) showLimits(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.limitsPage(w, r, p, http.StatusOK, frame.Form{})
}

func (c Config) limitsPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	t, err := tenantOf(r)
	if err != nil {
		return err
	}
	of, err := c.Tenants.Tenant(r.Context(), t)
	if err != nil {
		return err
	}
	l, own, err := c.Pauses.LimitsOf(r.Context(), t)
	if err != nil {
		return err
	}
	if f.Values == nil {
		f.Values = map[string]string{"hours": strconv.Itoa(l.Hours), "sent": strconv.FormatInt(l.Sent, 10), "warn": percent(p, l.Warn)}
		for _, cause := range pause.Causes() {
			f.Values[string(cause)] = percent(p, l.Of(cause).Share)
		}
	}
	p.Room, p.Title = "pauses", p.T("pauses.limits.of", "name", of.Name)
	return p.Render(w, r, status, limitsForm(p, of, own, f))
}

func (c Config) setLimits(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	t, err := tenantOf(r)
	if err != nil {
		return err
	}
	if r.PostForm.Get("default") != "" {
		if err := c.Pauses.SetLimits(r.Context(), t, nil, ""); err != nil {
			return err
		}
		frame.Redirect(w, r, limitsPath(t), "default")
		return nil
	}
	l, _, err := c.Pauses.LimitsOf(r.Context(), t)
	if err != nil {
		return err
	}
	f := frame.Form{Values: map[string]string{}}
	get := func(name string) string {
		f.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
		return f.Values[name]
	}
	hours, _ := strconv.Atoi(get("hours"))
	sent, _ := strconv.ParseInt(get("sent"), 10, 64)
	l.Hours, l.Sent, l.Warn = hours, sent, share(get("warn"))
	l.Hard.Share, l.Complaints.Share, l.Unsubscribes.Share = share(get(string(pause.Hard))), share(get(string(pause.Complaints))), share(get(string(pause.Unsubscribes)))
	reason := get("reason")
	err = c.Pauses.SetLimits(audit.Note(r.Context(), func(a *audit.Act) { a.Detail = reason }), t, &l, reason)
	if frame.Refused(p, &f, err, "hours") {
		return c.limitsPage(w, r, p, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, limitsPath(t), "saved")
	return nil
}

// share reads a share in percent as parts of ten thousand; what is none is -1, which no
// check lets pass.
func share(text string) int64 {
	f, err := strconv.ParseFloat(strings.TrimSuffix(strings.ReplaceAll(strings.TrimSpace(text), ",", "."), "%"), 64)
	if err != nil || !(f >= 0 && f <= 100) {
		return -1
	}
	return int64(f*100 + 0.5)
}

// percent writes parts of ten thousand as a share in percent, as the reader's language does.
func percent(p frame.Page, parts int64) string {
	text := strconv.FormatFloat(float64(parts)/100, 'f', -1, 64)
	if p.Lang != "en" {
		text = strings.Replace(text, ".", ",", 1)
	}
	return text
}

// shareOf is n of sent in parts of ten thousand.
func shareOf(n, sent int64) int64 { return n * 10_000 / max(sent, 1) }

// Figures tells in one sentence what was too much.
func Figures(p frame.Page, one pause.Pause) string {
	n := one.Figures.Of(one.Cause)
	return p.T("pause.figures."+string(one.Cause), "n", p.Number(n), "sent", p.Number(one.Figures.Sent),
		"share", percent(p, shareOf(n, one.Figures.Sent)), "days", (one.Figures.Hours+23)/24)
}

// figures are those of a group beside their limits.
func figures(p frame.Page, s pause.Standing) []frame.Figure {
	list := []frame.Figure{{Name: p.T("pause.sent"), Value: p.Number(s.Figures.Sent), Note: p.T("pause.sent.note", "days", (s.Limits.Hours+23)/24, "n", p.Number(s.Limits.Sent))}}
	for _, cause := range pause.Causes() {
		n := s.Figures.Of(cause)
		list = append(list, frame.Figure{Name: p.T("pause.cause." + string(cause)), Value: percent(p, shareOf(n, s.Figures.Sent)), Unit: "%",
			Note: p.T("pause.limit", "n", p.Number(n), "share", percent(p, s.Limits.Of(cause).Share), "least", s.Limits.Of(cause).Least)})
	}
	return list
}
