package groups

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/web/frame"
)

// ruleRows is how many tests the form has. Filters of programs may be larger and nested;
// those are shown and kept as they are.
const ruleRows = 6

// draft is the form of a group.
type draft struct {
	frame.Form
	audience.Group
	subjects []frame.Option
	compares []frame.Option
	choices  []choice
	nested   bool // the filter is one that the form cannot show
	counted  bool // Members is what the filter in the form picks
}

func rule(n int, part string) string { return "rule" + strconv.Itoa(n) + "-" + part }

// subjects are what a test may look at.
func (c Config) subjects(r *http.Request, p frame.Page) (list []frame.Option, declared []audience.Field, err error) {
	if declared, err = c.Book.Fields(r.Context(), p.Tenant()); err != nil {
		return nil, nil, fmt.Errorf("read fields: %w", err)
	}
	list = []frame.Option{{Value: "", Text: p.T("groups.rule.none")}}
	for _, s := range audience.SegmentSubjects() {
		list = append(list, frame.Option{Value: s, Text: p.T("groups.subject." + s)})
	}
	for _, f := range declared {
		list = append(list, frame.Option{Value: "fields/" + f.Key, Text: f.Title()})
	}
	return list, declared, nil
}

func comparisons(p frame.Page) []frame.Option {
	var list []frame.Option
	for _, is := range []audience.Comparison{audience.Has, audience.Lacks, audience.Equals, audience.Differs, audience.Begins, audience.Contains, audience.Empty,
		audience.Present, audience.Less, audience.More, audience.Before, audience.After, audience.Within} {
		list = append(list, frame.Option{Value: string(is), Text: p.T("groups.is." + string(is))})
	}
	return list
}

func (c Config) showNew(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	kind := string(audience.Static)
	if r.URL.Query().Get("kind") == string(audience.Dynamic) {
		kind = string(audience.Dynamic)
	}
	d := draft{Form: frame.Form{Values: map[string]string{"kind": kind, "join": "all"}}}
	d.Kind = audience.Composition(kind)
	return c.form(w, r, p, http.StatusOK, d)
}

func (c Config) form(w http.ResponseWriter, r *http.Request, p frame.Page, status int, d draft) error {
	var err error
	if d.subjects, _, err = c.subjects(r, p); err != nil {
		return err
	}
	if d.choices == nil {
		if d.choices, err = c.choices(r, p); err != nil {
			return err
		}
	}
	d.compares = comparisons(p)
	p.Room, p.Title = room, p.T("groups.new.title")
	if !d.ID.IsZero() {
		p.Title = p.T("groups.edit.title")
	}
	return p.Render(w, r, status, formPage(p, d))
}

func (c Config) showEdit(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	g, err := c.groupOf(r, p)
	if err != nil {
		return err
	}
	d := draft{Group: g, Form: frame.Form{Values: map[string]string{
		"name": g.Name, "description": g.Description, "kind": string(g.Kind), "version": strconv.FormatInt(g.Version, 10), "join": "all"}}}
	if d.choices, err = c.choices(r, p); err != nil {
		return err
	}
	if g.Segment != nil {
		d.nested = !d.fill(*g.Segment)
	}
	return c.form(w, r, p, http.StatusOK, d)
}

// fill writes a filter into the form; false if it is more than the form shows.
func (d *draft) fill(s audience.Segment) bool {
	tests := s.All
	switch {
	case s.Of != "":
		tests = []audience.Segment{s}
	case len(s.Any) > 0:
		tests, d.Values["join"] = s.Any, "any"
	case s.Not != nil:
		return false
	}
	if len(tests) > ruleRows {
		return false
	}
	for n, test := range tests {
		if test.Of == "" {
			return false
		}
		d.Values[rule(n, "of")], d.Values[rule(n, "is")], d.Values[rule(n, "value")] = test.Of, string(test.Is), called(d.choices, test.Of, test.Value)
	}
	return true
}

// read takes a filter out of a posted form, with the rows that its tests stand in.
func (d *draft) read(r *http.Request) (seg audience.Segment, rows []int) {
	var tests []audience.Segment
	for n := range ruleRows {
		for _, part := range []string{"of", "is", "value"} {
			d.Values[rule(n, part)] = strings.TrimSpace(r.PostForm.Get(rule(n, part)))
		}
		if d.Values[rule(n, "of")] == "" {
			continue
		}
		test := audience.Segment{Of: d.Values[rule(n, "of")], Is: audience.Comparison(d.Values[rule(n, "is")]), Value: d.Values[rule(n, "value")]}
		test.Value = valued(d.choices, test.Of, test.Value)
		if test.Is == audience.Empty || test.Is == audience.Present {
			test.Value = ""
		}
		tests, rows = append(tests, test), append(rows, n)
	}
	if d.Values["join"] == "any" {
		return audience.Segment{Any: tests}, rows
	}
	return audience.Segment{All: tests}, rows
}

func (c Config) create(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.save(w, r, p, audience.Group{})
}

func (c Config) change(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	g, err := c.groupOf(r, p)
	if err != nil {
		return err
	}
	return c.save(w, r, p, g)
}

func (c Config) save(w http.ResponseWriter, r *http.Request, p frame.Page, g audience.Group) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	d := draft{Group: g, Form: frame.Form{Values: map[string]string{}}}
	for _, name := range []string{"name", "description", "kind", "version", "join"} {
		d.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	fresh := g.ID.IsZero()
	if fresh {
		d.Kind = audience.Composition(d.Values["kind"])
	}
	d.Name, d.Description = d.Values["name"], d.Values["description"]
	var err error
	if d.choices, err = c.choices(r, p); err != nil {
		return err
	}
	var rows []int
	if d.Kind == audience.Dynamic && r.PostForm.Get("nested") == "" {
		seg, at := d.read(r)
		d.Segment, rows = &seg, at
	}
	if r.PostForm.Get("count") != "" {
		return c.preview(w, r, p, d, rows)
	}
	d.Version, _ = strconv.ParseInt(d.Values["version"], 10, 64) // what is none is no version
	made, done := g, "changed"
	if fresh {
		done = "created"
		made, err = c.Groups.Create(r.Context(), p.Tenant(), d.Group, p.Who.User.ID.String())
	} else {
		_, err = c.Groups.Change(r.Context(), p.Tenant(), d.Group)
	}
	if d.refused(p, err, rows) {
		// Whoever saves again has seen that somebody else did.
		d.Values["version"] = strconv.FormatInt(g.Version, 10)
		return c.form(w, r, p, http.StatusUnprocessableEntity, d)
	}
	if err != nil {
		return fmt.Errorf("save group: %w", err)
	}
	frame.Redirect(w, r, groupPath(made), done)
	return nil
}

// preview says how many a filter picks, without keeping it.
func (c Config) preview(w http.ResponseWriter, r *http.Request, p frame.Page, d draft, rows []int) error {
	if d.Segment == nil {
		return c.form(w, r, p, http.StatusOK, d)
	}
	n, err := c.Groups.Count(r.Context(), p.Tenant(), *d.Segment)
	if d.refused(p, err, rows) {
		return c.form(w, r, p, http.StatusUnprocessableEntity, d)
	}
	if err != nil {
		return fmt.Errorf("count filter: %w", err)
	}
	d.Members, d.counted = n, true
	return c.form(w, r, p, http.StatusOK, d)
}

// refused puts a refusal at its field; one of a test at the row it stands in.
func (d *draft) refused(p frame.Page, err error, rows []int) bool {
	e := fault.As(err)
	if e == nil || e.Kind != fault.Invalid && e.Kind != fault.Conflict && e.Kind != fault.Limited {
		return false
	}
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		field := one.Field
		if rest, ok := strings.CutPrefix(field, "segment"); ok {
			field = "rules"
			parts := strings.Split(strings.Trim(rest, "/"), "/")
			if len(parts) == 3 {
				if n, err := strconv.Atoi(parts[1]); err == nil && n < len(rows) {
					field = rule(rows[n], parts[2])
				}
			}
		}
		d.Add(field, p.FaultText(one, d.Value(field)))
	}
	return true
}

// inWords tells a filter as a list of sentences; a nested one is told by its depth.
func (c Config) inWords(ctx context.Context, p frame.Page, g audience.Group) ([]string, error) {
	if g.Segment == nil {
		return nil, nil
	}
	declared, err := c.Book.Fields(ctx, p.Tenant())
	if err != nil {
		return nil, fmt.Errorf("read fields: %w", err)
	}
	groups, err := c.Groups.List(ctx, p.Tenant())
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	teller := teller{p, declared, groups}
	return teller.lines(*g.Segment, 0), nil
}

type teller struct {
	p        frame.Page
	declared []audience.Field
	groups   []audience.Group
}

func (t teller) lines(s audience.Segment, depth int) []string {
	indent := strings.Repeat("– ", depth)
	switch {
	case s.Of != "":
		return []string{indent + t.test(s)}
	case s.Not != nil:
		return append([]string{indent + t.p.T("groups.join.not")}, t.lines(*s.Not, depth+1)...)
	}
	list, parts := []string{indent + t.p.T("groups.join.all")}, s.All
	if len(s.Any) > 0 {
		list[0], parts = indent+t.p.T("groups.join.any"), s.Any
	}
	for _, part := range parts {
		list = append(list, t.lines(part, depth+1)...)
	}
	return list
}

func (t teller) test(s audience.Segment) string {
	subject := t.p.T("groups.subject.gone")
	if key := s.FieldKey(); key != "" {
		for _, f := range t.declared {
			if f.Key == key {
				subject = f.Title()
			}
		}
	} else if t.p.Has("groups.subject." + s.Of) {
		subject = t.p.T("groups.subject." + s.Of)
	}
	value := s.Value
	if key := valueText(s.Of, value); t.p.Has(key) {
		value = t.p.T(key)
	}
	if g, err := id.Parse[audience.GroupKind](s.Value); s.Of == "group" && err == nil {
		value = t.p.T("groups.subject.gone")
		for _, one := range t.groups {
			if one.ID == g {
				value = one.Name
			}
		}
	}
	return strings.TrimSpace(subject + " " + t.p.T("groups.is."+string(s.Is)) + " " + value)
}
