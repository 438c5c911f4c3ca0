package series

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/a-h/templ"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/series"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
	"stafette/internal/web/letterform"
)

// What is looked at before a series is activated, and what a step shares with a mailing while
// it is written: autosave, the check, test mails.

// stepSeen is a step with what was found about its letter.
type stepSeen struct {
	step series.Step
	desk letterform.Desk
}

func stepPath(v series.Series, key string) string { return pathOf(v) + "/step?key=" + key }

func (c Config) look(r *http.Request, p frame.Page, v series.Series, step series.Step) (letterform.Desk, error) {
	m, err := v.Mailing(step.Key)
	if err != nil {
		return letterform.Desk{}, err
	}
	at, may := pathOf(v)+"/step", p.Can(tenant.MessagesSend)
	d := letterform.Desk{Page: stepPath(v, step.Key), Edit: stepPath(v, step.Key), Begin: at + "/check", Test: at + "/test", Step: step.Key, Sends: may, Fixes: may && v.State != series.Ended}
	d.Seen, err = letterform.Look(r.Context(), c.Checks, m)
	return d, err
}

// lookAll are the steps of a series about whose letters something was found.
func (c Config) lookAll(r *http.Request, p frame.Page, v series.Series) (list []stepSeen, err error) {
	for _, step := range v.Definition.Steps {
		if step.Do != series.Send {
			continue
		}
		d, err := c.look(r, p, v, step)
		if err != nil {
			return nil, err
		}
		if len(d.Findings) > 0 {
			list = append(list, stepSeen{step, d})
		}
	}
	return list, nil
}

func (s sheet) sends() bool {
	return slices.ContainsFunc(s.Definition.Steps, func(step series.Step) bool { return step.Do == series.Send })
}

// trouble is the heading above what is wrong on the page of a series.
func (s sheet) trouble(p frame.Page) string {
	if s.Wrong("seen") {
		return p.T("series.troubles.activate")
	}
	return p.T("series.troubles")
}

// fillDesk reads what is known of the letter as it was saved.
func (c Config) fillDesk(r *http.Request, p frame.Page, f *stepForm) (err error) {
	if f.fresh || f.unsaved {
		return nil
	}
	if f.desk, err = c.look(r, p, f.Series, f.step); err != nil {
		return err
	}
	set, err := c.Mailings.Settings(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("read test list: %w", err)
	}
	f.desk.Seeds = len(set.Seeds)
	return nil
}

// saved reads which step a form names, as it was saved.
func (c Config) saved(w http.ResponseWriter, r *http.Request, p frame.Page) (stepForm, error) {
	if err := frame.ParseForm(w, r); err != nil {
		return stepForm{}, err
	}
	v, err := c.find(r, p)
	if err != nil {
		return stepForm{}, err
	}
	f := stepAt(v, r.PostForm.Get("key"), "", "")
	if f.fresh || f.step.Do != series.Send {
		return f, fault.New(fault.NotFound, series.CodeNotFound, "There is no such step.")
	}
	f.fill(p)
	return f, nil
}

// done leads back to the step, with word as what was done.
func done(w http.ResponseWriter, r *http.Request, f stepForm, word string) {
	http.Redirect(w, r, stepPath(f.Series, f.step.Key)+"&done="+word, http.StatusSeeOther)
}

// keep changes a series from was to v. Letters that were checked and are others now are checked
// anew, unless begin is false: a script saves them, and the page says that they were changed.
func (c Config) keep(r *http.Request, p frame.Page, was, v series.Series, switches, begin bool) (series.Series, error) {
	known, err := c.Checks.Known(r.Context(), was.Letters())
	if err != nil {
		return v, err
	}
	if v, err = c.Series.Change(r.Context(), principal(p), v, switches); err == nil {
		c.Checks.Follow(r.Context(), known, v.Letters(), begin)
	}
	return v, err
}

func (c Config) beginCheck(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f, err := c.saved(w, r, p)
	if err != nil {
		return err
	}
	m, err := f.Mailing(f.step.Key)
	if err != nil {
		return err
	}
	if err := c.Checks.Begin(r.Context(), m); err != nil {
		return err
	}
	done(w, r, f, "check")
	return nil
}

// try sends test mails of a step.
func (c Config) try(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f, err := c.saved(w, r, p)
	if err != nil {
		return err
	}
	f.tests = letterform.Asked(r)
	tried, err := c.Series.SendTests(r.Context(), principal(p), f.ID, f.step.Key, letterform.Words(f.tests.Value("to")), f.tests.Value("seeds") == "on", audience.ContactID{})
	refused, err := letterform.Refused(p, &f.tests, tried, err, func(e *fault.Error) string { return c.testProblem(p, e) })
	if err != nil {
		return err
	}
	if !refused {
		done(w, r, f, "test")
		return nil
	}
	return c.renderStep(w, r, p, http.StatusUnprocessableEntity, f)
}

func (c Config) testProblem(p frame.Page, e *fault.Error) string {
	if key := "campaigns.wrong." + e.Field; e.Code == campaign.CodeValue && p.Has(key) {
		return p.T(key)
	}
	if key := "campaigns.problem." + e.Code; p.Has(key) {
		return p.T(key, "detail", e.Detail)
	}
	return c.reasonOf(p, e.Code)
}

// autosaves says where a script keeps the form while it is written: that of a step which was
// saved before, of a draft. What is under way changes by a person's word alone.
func (f stepForm) autosaves() templ.Attributes {
	if f.fresh || f.State != series.Draft {
		return nil
	}
	return templ.Attributes{"data-autosave": pathOf(f.Series) + "/step/autosave"}
}

// autosaved is the answer to a script that saves while somebody writes.
type autosaved struct {
	Revision int64  `json:"revision,omitempty"`
	Clash    bool   `json:"clash,omitempty"` // another window or person saved meanwhile
	Wrong    string `json:"wrong,omitempty"` // what keeps it from being saved as it stands
}

// autosave keeps the letter of a step as it stands in the form, unless somebody else saved
// since it was opened.
func (c Config) autosave(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f, err := c.posted(w, r, p)
	if err != nil {
		return err
	}
	if f.fresh || f.step.Do != series.Send {
		return fault.New(fault.NotFound, series.CodeNotFound, "There is no such step.")
	}
	var said autosaved
	if err := c.readLetter(r, p, &f); err != nil {
		return err
	}
	if f.State != series.Draft {
		said.Clash = true // it was activated meanwhile
	} else if f.Valid() {
		changed := kept(f.Series)
		changed.Revision = int64(whole(f.Value("revision")))
		changed.Definition.Steps[f.place] = f.step
		after, err := c.keep(r, p, f.Series, changed, false, false)
		e := fault.As(err)
		switch {
		case err == nil:
			said.Revision = after.Revision
		case e == nil:
			return err
		case e.Code == series.CodeState:
			said.Clash = true
		default:
			c.problems(p, &f.Form, e, fmt.Sprintf("steps/%d/", f.place))
		}
	}
	if !f.Valid() {
		said.Wrong = p.T("campaigns.autosave.wrong", "n", f.Count())
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(said)
}

// activate lets contacts begin a draft, once whoever does it has seen what was found about its
// letters.
func (c Config) activate(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	if v.State == series.Draft && r.PostForm.Get("seen") != "on" && c.Series.Ready(r.Context(), v) == nil {
		found, err := c.lookAll(r, p, v)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			s := sheet{Series: v, Form: frame.Form{Values: map[string]string{"to": p.Who.User.Email}}}
			s.Add("seen", p.T("series.check.unseen"))
			return c.renderOne(w, r, p, http.StatusUnprocessableEntity, s)
		}
	}
	return c.act("activate", c.Series.Activate)(w, r, p)
}
