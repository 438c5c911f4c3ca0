// Package rules is the office's pages on when addresses are suppressed by themselves and
// from what on bulk mail is halted: what holds for an account, who set it when, and
// setting it. The account's owner does so within bounds, staff of the platform for every
// account.
//
// It is a subject of the door web (floor 4). What rules and limits mean, and what the
// bounds are, is decided by package audience.
package rules

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/audit"
	"stafette/internal/bounce"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Settings keeps rules and limits; *audience.Service does.
type Settings interface {
	RulesOf(t tenant.ID) audience.Rules
	LimitsOf(t tenant.ID) audience.Limits
	Defaults() (audience.Rules, audience.Limits)
	Effective(own audience.Rules) audience.Rules
	Own(t tenant.ID) (rules, thresholds bool)
	SetRules(ctx context.Context, t tenant.ID, r audience.Rules, by audience.By) error
	SetThresholds(ctx context.Context, t tenant.ID, v *audience.Thresholds, by audience.By) error
	SettingChanges(ctx context.Context, t tenant.ID) ([]audience.SettingChange, error)
}

// Accounts tells of accounts and their people; tenant.Store does.
type Accounts interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
	Tenants(ctx context.Context, after tenant.ID, limit int) ([]tenant.Tenant, error)
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
	Keys(ctx context.Context, t tenant.ID) ([]tenant.Key, error)
}

// Reasons explains bounce classes; *bounce.Table does. An unknown class is "".
type Reasons interface {
	Sentence(class bounce.Class, lang string) string
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Settings Settings
	Accounts Accounts
	Reasons  Reasons
}

const (
	ownPath   = "/suppressions/rules"
	staffPath = "/platform/rules"
)

// Routes are the pages and forms, each for the own account and for staff.
func Routes(c Config) []frame.Route {
	list := []frame.Route{
		{Pattern: "GET " + ownPath, Permission: tenant.MessagesRead, Do: c.show},
		{Pattern: "GET " + staffPath, Access: frame.Staff, Permission: tenant.PlatformTenants, Do: c.accounts,
			Entry: frame.Entry{Room: "rules", Icon: "suppressed", Group: frame.GroupStaff}},
		{Pattern: "GET " + staffPath + ".csv", Access: frame.Staff, Permission: tenant.PlatformTenants, Do: c.exportAccounts},
		{Pattern: "GET " + staffPath + "/{tenant}", Access: frame.Staff, Permission: tenant.PlatformTenants, Do: c.show},
	}
	for path, do := range map[string]func(http.ResponseWriter, *http.Request, frame.Page) error{
		"": c.setRules, "/reset": c.resetRules, "/limits": c.setLimits, "/limits/reset": c.resetLimits,
	} {
		list = append(list,
			frame.Route{Pattern: "POST " + ownPath + path, Permission: tenant.SettingsWrite, Do: do},
			frame.Route{Pattern: "POST " + staffPath + "/{tenant}" + path, Access: frame.Staff, Permission: tenant.PlatformTenants, Do: do})
	}
	return list
}

// desk is whose rules a page is about, and who sits before it.
type desk struct {
	tenant.Tenant
	by   audience.By
	path string
}

// deskOf reads the request: staff name the account in the path, others have their own.
// What is no identifier is answered like what does not exist.
func (c Config) deskOf(r *http.Request, p frame.Page) (desk, error) {
	d := desk{Tenant: p.Who.Tenant, path: ownPath, by: audience.By{Actor: p.Who.User.ID.String()}}
	if !strings.HasPrefix(r.URL.Path, staffPath) {
		return d, nil
	}
	t, err := id.Parse[tenant.Kind](r.PathValue("tenant"))
	if err != nil {
		return d, fault.New(fault.NotFound, "tenant_not_found", "no such account")
	}
	d.by.Staff, d.path = true, staffPath+"/"+t.String()
	d.Tenant, err = c.Accounts.Tenant(r.Context(), t)
	return d, err
}

// sheet is what the page of an account shows.
type sheet struct {
	desk
	rules                 []rule
	form, limitsForm      frame.Form
	ownRules, ownLimits   bool
	may                   bool // the reader may set them
	limits                audience.Limits
	changes               []frame.Station
	room                  string
	trailTitle, trailHref string
}

// rule is one, as a row of the form and in words.
type rule struct {
	audience.Rule
	outcome, streams, when, scope, ends string
}

// key names the rule in the form.
func (r rule) key() string {
	parts := []string{r.Class}
	for _, s := range r.Streams {
		parts = append(parts, string(s))
	}
	return strings.Join(parts, " ")
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	d, err := c.deskOf(r, p)
	if err != nil {
		return err
	}
	return c.render(w, r, p, http.StatusOK, d, c.Settings.RulesOf(d.ID), frame.Form{}, frame.Form{})
}

// render shows rules, those in force or those that were sent and refused.
func (c Config) render(w http.ResponseWriter, r *http.Request, p frame.Page, status int, d desk, rules audience.Rules, f, limits frame.Form) error {
	s := sheet{desk: d, form: f, limitsForm: limits, may: d.by.Staff || p.Can(tenant.SettingsWrite), limits: c.Settings.LimitsOf(d.ID),
		room: "suppressions", trailTitle: p.T("nav.suppressions"), trailHref: "/suppressions"}
	if d.by.Staff {
		s.room, s.trailTitle, s.trailHref = "rules", p.T("nav.rules"), staffPath
	}
	s.ownRules, s.ownLimits = c.Settings.Own(d.ID)
	for _, one := range rules {
		s.rules = append(s.rules, c.words(p, one))
	}
	changes, err := c.Settings.SettingChanges(r.Context(), d.ID)
	if err != nil {
		return fmt.Errorf("read changes of rules: %w", err)
	}
	s.changes = c.stations(r.Context(), p, d, changes)
	p.Room, p.Title = s.room, p.T("rules.title")
	return p.Render(w, r, status, rulesPage(p, s))
}

// words says what a rule does.
func (c Config) words(p frame.Page, r audience.Rule) rule {
	v := rule{Rule: r, outcome: c.className(p, r.Class), streams: p.T("sup.stream.any"), scope: p.T("sup.rules.same"), ends: p.T("sup.ends.never")}
	var streams []string
	for _, s := range r.Streams {
		streams = append(streams, p.T("stream."+string(s)))
	}
	if len(streams) > 0 {
		v.streams = strings.Join(streams, ", ")
	}
	if r.Everywhere {
		v.scope = p.T("sup.stream.any")
	}
	if r.Lasts > 0 {
		v.ends = p.T("sup.rules.after", "n", r.Lasts)
	}
	switch r.Count {
	case 0:
		v.when, v.scope, v.ends = p.T("sup.rules.never"), "", ""
	case 1:
		v.when = p.T("sup.rules.once")
	default:
		v.when = p.T("sup.rules.count", "n", r.Count, "days", r.Within)
	}
	return v
}

// className is what an outcome is called: the sentence of a bounce, or a word of ours.
func (c Config) className(p frame.Page, class string) string {
	if p.Has("sup.class." + class) {
		return p.T("sup.class." + class)
	}
	if s := c.Reasons.Sentence(bounce.Class(class), string(p.Lang)); s != "" {
		return s
	}
	return class
}

// stations are the changes, from new to old, in words.
func (c Config) stations(ctx context.Context, p frame.Page, d desk, changes []audience.SettingChange) []frame.Station {
	var list []frame.Station
	_, limits := c.Settings.Defaults()
	for _, one := range changes {
		s := frame.Station{Clock: p.Time(one.At), Small: p.Date(one.At), Mark: "queued", Title: p.T("rules.changed.rules"), Route: c.actor(ctx, p, d, one.Actor)}
		if one.RulesSet {
			s.Text = c.difference(p, c.Settings.Effective(one.RulesBefore), c.Settings.Effective(one.Rules))
		} else {
			s.Title = p.T("rules.changed.limits")
			s.Text = numbers(p, one.Before, limits) + " → " + numbers(p, one.After, limits)
		}
		if one.RulesSet && one.Rules == nil || !one.RulesSet && one.After == nil {
			s.Title = p.T("rules.changed.reset")
		}
		list = append(list, s)
	}
	return list
}

// difference says which outcomes are treated otherwise, and how.
func (c Config) difference(p frame.Page, before, after audience.Rules) string {
	var all []string
	said := map[string]bool{}
	for _, r := range slices.Concat(before, after) {
		if said[r.Class] {
			continue
		}
		said[r.Class] = true
		if was, is := c.told(p, before, r.Class), c.told(p, after, r.Class); was != is {
			all = append(all, c.className(p, r.Class)+" "+was+" → "+is)
		}
	}
	return strings.Join(all, " · ")
}

// told is what rules say about a class.
func (c Config) told(p frame.Page, rules audience.Rules, class string) string {
	var all []string
	for _, r := range rules {
		if r.Class == class {
			w := c.words(p, r)
			all = append(all, strings.Join(slices.DeleteFunc([]string{w.streams, w.when, w.scope, w.ends}, func(s string) bool { return s == "" }), ", "))
		}
	}
	return strings.Join(all, "; ")
}

func numbers(p frame.Page, v *audience.Thresholds, defaults audience.Limits) string {
	t := defaults.Thresholds()
	if v != nil {
		t = *v
	}
	return p.T("rules.limits.words", "sent", t.Sent, "complaints", t.Complaints.Least, "share", t.Complaints.Share, "hard", t.Hard.Least, "hardshare", t.Hard.Share, "leavers", unsubscribes(t, defaults).Least, "leavershare", unsubscribes(t, defaults).Share)
}

// unsubscribes are those of t, or the platform's where it has none.
func unsubscribes(t audience.Thresholds, defaults audience.Limits) audience.Threshold {
	if t.Unsubscribes == (audience.Threshold{}) {
		return defaults.Thresholds().Unsubscribes
	}
	return t.Unsubscribes
}

// actor says who set something: a person or key of the account, or staff.
func (c Config) actor(ctx context.Context, p frame.Page, d desk, actor string) string {
	u, err := id.Parse[tenant.UserKind](actor)
	if err != nil {
		if keys, err := c.Accounts.Keys(ctx, d.ID); err == nil { // without names the page still tells
			for _, k := range keys {
				if k.ID.String() == actor {
					return p.T("sup.by", "name", k.Name)
				}
			}
		}
		return p.T("sup.by.unknown")
	}
	if user, err := c.Accounts.User(ctx, d.ID, u); err == nil {
		return p.T("sup.by", "name", user.Name)
	}
	if user, err := c.Accounts.User(ctx, tenant.ID{}, u); err == nil && d.by.Staff {
		return p.T("sup.by", "name", user.Name)
	}
	return p.T("rules.by.platform")
}

// setRules reads the rows of the form. Classes that say what the defaults say are left to
// the defaults, so that the account follows when these change.
func (c Config) setRules(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	d, err := c.deskOf(r, p)
	if err == nil {
		err = frame.ParseForm(w, r)
	}
	if err != nil {
		return err
	}
	sent, f := rows(r)
	own, at := c.own(sent)
	err = c.Settings.SetRules(r.Context(), d.ID, own, d.by)
	if e := fault.As(err); e != nil && e.Kind == fault.Invalid {
		for _, one := range append([]*fault.Error{e}, e.Also...) {
			f.Add(fieldOf(one.Field, at), p.FaultText(one, ""))
		}
		return c.render(w, r, p, http.StatusUnprocessableEntity, d, sent, f, frame.Form{})
	}
	if err != nil {
		return fmt.Errorf("set rules: %w", err)
	}
	frame.Redirect(w, r, d.path, "rules")
	return nil
}

// rows are the rules of the form as they were sent, and what stood in its fields.
func rows(r *http.Request) (audience.Rules, frame.Form) {
	var list audience.Rules
	f := frame.Form{Values: map[string]string{}}
	for n := 0; ; n++ {
		i := strconv.Itoa(n)
		words := strings.Fields(r.PostForm.Get("rule-" + i))
		if len(words) == 0 || n > 100 {
			return list, f
		}
		one := audience.Rule{Class: words[0], Everywhere: r.PostForm.Get("everywhere-"+i) == "on"}
		for _, s := range words[1:] {
			one.Streams = append(one.Streams, tenant.Stream(s))
		}
		for field, to := range map[string]*int{"count-": &one.Count, "within-": &one.Within, "lasts-": &one.Lasts} {
			text := strings.TrimSpace(r.PostForm.Get(field + i))
			f.Values[field+i] = text
			if text == "" {
				continue
			}
			var err error
			if *to, err = strconv.Atoi(text); err != nil {
				*to = -1 // no number: refused with its field
			}
		}
		list = append(list, one)
	}
}

// own keeps the rules of classes that differ from the defaults; at says which row each was.
func (c Config) own(sent audience.Rules) (own audience.Rules, at []int) {
	defaults, _ := c.Settings.Defaults()
	same := func(class string) bool {
		of := func(r audience.Rules) audience.Rules {
			return slices.DeleteFunc(slices.Clone(r), func(v audience.Rule) bool { return v.Class != class })
		}
		return slices.EqualFunc(of(sent), of(defaults), func(a, b audience.Rule) bool {
			return a.Count == b.Count && a.Within == b.Within && a.Lasts == b.Lasts && a.Everywhere == b.Everywhere && slices.Equal(a.Streams, b.Streams)
		})
	}
	for i, r := range sent {
		if !same(r.Class) {
			own, at = append(own, r), append(at, i)
		}
	}
	return own, at
}

// fieldOf is the name in the form of a field that a refusal names: "rules/0/count".
func fieldOf(pointer string, at []int) string {
	parts := strings.Split(pointer, "/")
	if len(parts) == 3 {
		if n, err := strconv.Atoi(parts[1]); err == nil && n < len(at) {
			return parts[2] + "-" + strconv.Itoa(at[n])
		}
	}
	return ""
}

func (c Config) resetRules(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.reset(w, r, p, func(d desk) error { return c.Settings.SetRules(r.Context(), d.ID, nil, d.by) })
}

func (c Config) resetLimits(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.reset(w, r, p, func(d desk) error { return c.Settings.SetThresholds(r.Context(), d.ID, nil, d.by) })
}

func (c Config) reset(w http.ResponseWriter, r *http.Request, p frame.Page, do func(desk) error) error {
	d, err := c.deskOf(r, p)
	if err != nil {
		return err
	}
	if err := do(d); err != nil {
		return fmt.Errorf("go back to defaults: %w", err)
	}
	frame.Redirect(w, r, d.path, "reset")
	return nil
}

// limitFields are the names of the form's fields with the numbers they set.
func limitFields(v *audience.Thresholds) map[string]*int {
	return map[string]*int{"sent": &v.Sent, "complaints-least": &v.Complaints.Least, "complaints-share": &v.Complaints.Share,
		"hard-least": &v.Hard.Least, "hard-share": &v.Hard.Share, "unsubscribes-least": &v.Unsubscribes.Least, "unsubscribes-share": &v.Unsubscribes.Share}
}

func (c Config) setLimits(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	d, err := c.deskOf(r, p)
	if err == nil {
		err = frame.ParseForm(w, r)
	}
	if err != nil {
		return err
	}
	v, f := &audience.Thresholds{}, frame.Form{Values: map[string]string{}}
	for name, to := range limitFields(v) {
		f.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
		*to, _ = strconv.Atoi(f.Values[name]) // what is no number is 0, which is refused
	}
	ctx := r.Context()
	if d.by.Staff {
		d.by.Reason = strings.TrimSpace(r.PostForm.Get("reason"))
		f.Values["reason"] = d.by.Reason
		ctx = audit.Note(ctx, func(a *audit.Act) { a.Detail = d.by.Reason })
	}
	err = c.Settings.SetThresholds(ctx, d.ID, v, d.by)
	if e := fault.As(err); e != nil && e.Kind == fault.Invalid {
		for _, one := range append([]*fault.Error{e}, e.Also...) {
			f.Add(strings.ReplaceAll(one.Field, "/", "-"), p.FaultText(one, ""))
		}
		return c.render(w, r, p, http.StatusUnprocessableEntity, d, c.Settings.RulesOf(d.ID), frame.Form{}, f)
	}
	if err != nil {
		return fmt.Errorf("set limits: %w", err)
	}
	frame.Redirect(w, r, d.path, "limits")
	return nil
}
