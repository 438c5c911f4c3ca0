package series

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/series"
	"stafette/internal/web/blockform"
	"stafette/internal/web/frame"
	"stafette/internal/web/letterform"
)

// editor is the form of what a series says beside its steps.
type editor struct {
	frame.Form
	series.Series
	groups []frame.Option
	fields []frame.Option
}

func (c Config) showNew(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.form(w, r, p, http.StatusOK, editor{Form: frame.Form{Values: map[string]string{"trigger": string(series.Confirmed), "hour": "9"}}})
}

func (c Config) showEdit(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	t := v.Definition.Trigger
	e := editor{Series: v, Form: frame.Form{Values: map[string]string{"name": v.Name, "group": v.Group.String(), "trigger": string(t.On), "tag": t.Tag, "event": t.Event, "field": t.Field,
		"hour": strconv.Itoa(t.Hour), "zone": v.Definition.Zone, "again": "", "revision": strconv.FormatInt(v.Revision, 10), "under_way": "stay"}}}
	if v.Again > 0 {
		e.Values["again"] = strconv.Itoa(v.Again)
	}
	return c.form(w, r, p, http.StatusOK, e)
}

func (c Config) form(w http.ResponseWriter, r *http.Request, p frame.Page, status int, e editor) error {
	found, err := c.Groups.List(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("list groups: %w", err)
	}
	for _, g := range found {
		e.groups = append(e.groups, frame.Option{Value: g.ID.String(), Text: g.Name})
	}
	fields, err := c.Fields.Fields(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("list fields: %w", err)
	}
	for _, f := range fields {
		if f.Type == audience.DateField {
			e.fields = append(e.fields, frame.Option{Value: f.Key, Text: f.Title()})
		}
	}
	p.Room, p.Title = room, p.T("series.new")
	if !e.ID.IsZero() {
		p.Title = p.T("series.edit.title", "name", e.Series.Name)
	}
	return p.Render(w, r, status, formPage(p, e))
}

// read takes the form over v.
func (e *editor) read(r *http.Request) {
	for _, name := range []string{"name", "group", "trigger", "tag", "event", "field", "hour", "zone", "again", "revision", "under_way"} {
		e.Values[name] = frame.Shorten(strings.TrimSpace(r.PostForm.Get(name)), 400)
	}
	v := e.Values
	e.Group, _ = id.Parse[audience.GroupKind](v["group"])
	e.Series.Name, e.Again = v["name"], whole(v["again"])
	e.Definition.Zone = v["zone"]
	e.Definition.Trigger = series.Trigger{On: series.On(v["trigger"]), Tag: v["tag"], Event: v["event"], Field: v["field"], Hour: whole(v["hour"])}
}

// whole is a number as it was written; -1 for what is none, 0 for nothing.
func whole(text string) int {
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

func (c Config) create(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	e := editor{Form: frame.Form{Values: map[string]string{}}}
	e.read(r)
	v, err := c.Series.Create(r.Context(), principal(p), e.Series)
	if fault.IsKind(err, fault.Invalid) || fault.IsKind(err, fault.Conflict) {
		c.problems(p, &e.Form, fault.As(err), "")
		return c.form(w, r, p, http.StatusUnprocessableEntity, e)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, pathOf(v), "saved")
	return nil
}

func (c Config) change(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	e := editor{Series: kept(v), Form: frame.Form{Values: map[string]string{}}}
	e.read(r)
	e.Revision = int64(whole(e.Value("revision")))
	_, err = c.keep(r, p, v, e.Series, e.Value("under_way") == "switch", true)
	if f := fault.As(err); f != nil {
		c.problems(p, &e.Form, f, "")
		return c.form(w, r, p, http.StatusUnprocessableEntity, e)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, pathOf(v), "saved")
	return nil
}

// kept is a series whose letters stay as they are.
func kept(v series.Series) series.Series {
	v.Definition.Steps = slices.Clone(v.Definition.Steps)
	for i := range v.Definition.Steps {
		v.Definition.Steps[i].Letter = nil
	}
	return v
}

// problems puts refusals at the fields of a form; under is the path of the step it shows.
func (c Config) problems(p frame.Page, form *frame.Form, f *fault.Error, under string) {
	names := map[string]string{"group_id": "group", "again_after_days": "again", "trigger/tag": "tag", "trigger/event": "event", "trigger/field": "field", "trigger/hour": "hour", "trigger/on": "trigger",
		"minutes": "amount", "do": "", "key": "", "mjml": "html"}
	for _, one := range append([]*fault.Error{f}, f.Also...) {
		field, mine := strings.CutPrefix(one.Field, under)
		if name, ok := names[field]; ok {
			field = name
		}
		text := c.reasonOf(p, one.Code)
		if strings.HasPrefix(field, "blocks/") || one.Field == under+"mjml" {
			text = blockform.Sentence(p, one)
		} else {
			field, _, _ = strings.Cut(field, "/")
		}
		if key := "series.wrong." + field; one.Code == series.CodeValue && p.Has(key) {
			text = p.T(key)
		}
		if !mine || under == "" && strings.HasPrefix(one.Field, "steps") {
			text, field = strings.Join(c.hindrances(p, &fault.Error{Code: one.Code, Field: one.Field}), " "), ""
		}
		form.Add(field, text)
	}
}

// stepForm is the form of one step.
type stepForm struct {
	frame.Form
	series.Series
	step      series.Step
	place     int // of the step, or where it is put in
	fresh     bool
	earlier   []frame.Option // steps that send, before it
	later     []frame.Option // steps after it
	templates []frame.Option
	mailings  []frame.Option
	desk      letterform.Desk // of the letter as it was saved
	tests     frame.Form
	done      string
	letterForm
}

// stepAt reads which step an address or a form names: an existing one by its key, or a new one
// that does do and stands behind another.
func stepAt(v series.Series, key, do, after string) stepForm {
	f := stepForm{Series: v, Form: frame.Form{Values: map[string]string{}}}
	if step, i := v.Definition.Step(key); i >= 0 {
		f.step, f.place = step, i
		return f
	}
	f.fresh = true
	f.step = series.Step{Do: series.Do(do)}
	if !slices.Contains(series.Does(), f.step.Do) {
		f.step.Do = series.Send
	}
	if _, i := v.Definition.Step(after); i >= 0 {
		f.place = i + 1
	} else if after == "" {
		f.place = len(v.Definition.Steps)
	}
	for n := len(v.Definition.Steps) + 1; ; n++ {
		f.step.Key = string(f.step.Do) + "-" + strconv.Itoa(n)
		if _, i := v.Definition.Step(f.step.Key); i < 0 {
			return f
		}
	}
}

func (c Config) showStep(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	f := stepAt(v, q.Get("key"), q.Get("do"), q.Get("after"))
	f.fill(p)
	f.done = p.Done("check", "test")
	return c.renderStep(w, r, p, http.StatusOK, f)
}

// fill puts the step into the form.
func (f *stepForm) fill(p frame.Page) {
	s, v := f.step, f.Values
	v["revision"], v["under_way"] = strconv.FormatInt(f.Revision, 10), "stay"
	v["unit"], v["weekday"], v["hour"], v["tag"], v["else"], v["of"] = "days", s.Weekday, strconv.Itoa(s.Hour), s.Tag, s.Else, s.Of
	for _, unit := range units() {
		if s.Minutes > 0 && s.Minutes%unit.minutes == 0 {
			v["amount"], v["unit"] = strconv.FormatInt(s.Minutes/unit.minutes, 10), unit.name
			break
		}
	}
	if s.Local {
		v["local"] = "on"
	}
	v["condition"] = "tag"
	switch {
	case s.Did != "":
		v["condition"] = s.Did
	case s.Filter != nil && s.Filter.Of == "tag" && s.Filter.Is == audience.Has:
		v["tag"] = s.Filter.Value
	case s.Filter != nil:
		v["condition"] = "filter"
		if text, err := json.MarshalIndent(s.Filter, "", "  "); err == nil {
			v["filter"] = string(text)
		}
	}
	if s.Do == series.Send {
		f.fillLetter(p)
	}
}

func (c Config) renderStep(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f stepForm) error {
	for i, s := range f.Definition.Steps {
		o := frame.Option{Value: s.Key, Text: stepName(p, f.Definition, s.Key)}
		if i < f.place && s.Do == series.Send {
			f.earlier = append(f.earlier, o)
		}
		if i > f.place || f.fresh && i == f.place {
			f.later = append(f.later, o)
		}
	}
	if f.step.Do == series.Send {
		if err := c.choices(r, p, &f); err != nil {
			return fmt.Errorf("read what letters are made of: %w", err)
		}
		if err := c.fillDesk(r, p, &f); err != nil {
			return err
		}
		blockform.Framing(w)
	}
	p.Room, p.Title = room, p.T("series.step.title", "n", f.place+1, "do", p.T("series.do."+string(f.step.Do)))
	return p.Render(w, r, status, stepPage(p, f))
}

// posted reads the form of a step.
func (c Config) posted(w http.ResponseWriter, r *http.Request, p frame.Page) (stepForm, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return stepForm{}, &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
	}
	v, err := c.find(r, p)
	if err != nil {
		return stepForm{}, err
	}
	post := r.PostForm
	does := post.Get("does") // "do" is that of buttons, too
	if does == "" {
		does = post.Get("do")
	}
	f := stepAt(v, post.Get("key"), does, post.Get("after"))
	for _, name := range []string{"revision", "under_way", "amount", "unit", "weekday", "hour", "local", "tag", "else", "of", "condition", "filter", "from", "reply_to", "subject", "preview", "template", "mailing", "html", "text", "view", "contact", "tracking"} {
		f.Values[name] = post.Get(name)
	}
	if f.step.Do == series.Send {
		err = errors.Join(c.written(r, p, &f), c.limits(r, p, &f))
	}
	return f, err
}

func (c Config) saveStep(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f, err := c.posted(w, r, p)
	if err != nil {
		return err
	}
	v, post := f.Series, r.PostForm
	if f.step.Do == series.Send && post.Get("act") == "" && f.rearrange(r, p) {
		return c.renderStep(w, r, p, http.StatusOK, f)
	}
	if err := c.read(r, p, &f); err != nil {
		return err
	}
	changed := kept(v)
	changed.Revision = int64(whole(f.Value("revision")))
	steps := changed.Definition.Steps
	switch act := post.Get("act"); {
	case f.fresh:
		steps = slices.Insert(steps, f.place, f.step)
	case act == "delete":
		steps = slices.Delete(steps, f.place, f.place+1)
	case act == "up" && f.place > 0:
		steps[f.place], steps[f.place-1] = steps[f.place-1], steps[f.place]
	case act == "down" && f.place+1 < len(steps):
		steps[f.place], steps[f.place+1] = steps[f.place+1], steps[f.place]
	case act == "up", act == "down":
	default:
		steps[f.place] = f.step
	}
	changed.Definition.Steps = steps
	if f.Valid() {
		_, err = c.keep(r, p, v, changed, f.Value("under_way") == "switch", true)
		if err == nil {
			frame.Redirect(w, r, pathOf(v), "saved")
			return nil
		}
		if fault.As(err) == nil {
			return err
		}
		c.problems(p, &f.Form, fault.As(err), "steps/"+strconv.Itoa(f.place)+"/")
	}
	return c.renderStep(w, r, p, http.StatusUnprocessableEntity, f)
}

// read takes the form over the step.
func (c Config) read(r *http.Request, p frame.Page, f *stepForm) error {
	s := &f.step
	switch s.Do {
	case series.Wait:
		s.Weekday, s.Hour, s.Local, s.Minutes = f.Value("weekday"), whole(f.Value("hour")), f.Value("local") == "on", 0
		for _, u := range units() {
			if u.name == f.Value("unit") {
				s.Minutes = int64(whole(f.Value("amount"))) * u.minutes
			}
		}
	case series.Check:
		c.readCheck(p, f)
	case series.Tag, series.Untag:
		s.Tag = f.Value("tag")
	case series.Send:
		return c.readLetter(r, p, f)
	case series.End:
	}
	return nil
}

func (c Config) readCheck(p frame.Page, f *stepForm) {
	s := &f.step
	s.Else, s.Filter, s.Did, s.Of = f.Value("else"), nil, "", ""
	switch f.Value("condition") {
	case series.Opened, series.Clicked:
		s.Did, s.Of = f.Value("condition"), f.Value("of")
	case "filter":
		filter, err := audience.ParseSegment([]byte(f.Value("filter")))
		if err != nil {
			f.Add("filter", c.reasonOf(p, fault.As(err).Code))
		}
		s.Filter = &filter
	default:
		s.Filter = &audience.Segment{Of: "tag", Is: audience.Has, Value: strings.TrimSpace(f.Value("tag"))}
		if s.Filter.Value == "" {
			f.Add("tag", p.T("series.wrong.tag"))
		}
	}
}
