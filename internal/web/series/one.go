package series

import (
	"fmt"
	"net/http"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/series"
	"stafette/internal/web/frame"
)

// sheet is the page of one series.
type sheet struct {
	series.Series
	frame.Form
	config Config
	group  string
	done   string
	wrong  []string // what keeps a draft from being activated
	// seen is what was found about the letters of a draft.
	seen      []stepSeen
	report    series.Report
	rehearsed []series.Rehearsed
}

func (c Config) showOne(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	return c.renderOne(w, r, p, http.StatusOK, sheet{Series: v, Form: frame.Form{Values: map[string]string{"to": p.Who.User.Email}}})
}

func (c Config) renderOne(w http.ResponseWriter, r *http.Request, p frame.Page, status int, s sheet) error {
	found, err := c.Groups.List(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("list groups: %w", err)
	}
	for _, g := range found {
		if g.ID == s.Group {
			s.group = g.Name
		}
	}
	s.config = c
	s.done = p.Done("saved", "activate", "pause", "resume", "end", "state", "unready", "out")
	if s.State == series.Draft || s.State == series.Paused {
		err := c.Series.Ready(r.Context(), s.Series)
		if f := fault.As(err); f != nil {
			s.wrong = c.hindrances(p, f)
		} else if err != nil {
			return err
		}
	}
	if s.State == series.Draft {
		if s.seen, err = c.lookAll(r, p, s.Series); err != nil {
			return err
		}
	}
	if s.report, err = c.Series.Report(r.Context(), p.Tenant(), s.ID); err != nil {
		return err
	}
	p.Room, p.Title, p.Live = room, s.Name, s.State == series.Active
	return p.Render(w, r, status, onePage(p, s))
}

// hindrances are what keeps a series from going on, in words, each once.
func (c Config) hindrances(p frame.Page, f *fault.Error) (list []string) {
	for _, one := range append([]*fault.Error{f}, f.Also...) {
		text := c.reasonOf(p, one.Code)
		if rest, ok := strings.CutPrefix(one.Field, "steps/"); ok {
			n, field, _ := strings.Cut(rest, "/")
			if key := "campaigns.field." + field; p.Has(key) {
				text = p.T(key) + ": " + text
			}
			text = p.T("series.at", "n", number(n)+1, "text", text)
		}
		list = append(list, text)
	}
	return list
}

// number is that of a text of digits, 0 for another.
func number(text string) (n int) {
	for _, c := range text {
		if c < '0' || c > '9' || n > 1<<20 {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// waiting is how many stand at a step.
func (s sheet) waiting(key string) (n int64) {
	for _, p := range s.report.Places {
		if p.Step == key {
			n += p.Waiting
		}
	}
	return n
}

// counts are what a step came to.
func (s sheet) counts(key string) (list []series.Count) {
	for _, c := range s.report.Counts {
		if c.Step == key && c.Outcome != series.Naming {
			list = append(list, c)
		}
	}
	return list
}

func (s sheet) countText(p frame.Page, c series.Count) string {
	text := p.T("series.outcome."+string(c.Outcome), "n", c.N)
	if c.Reason != "" {
		text += " (" + s.config.reasonOf(p, c.Reason) + ")"
	}
	return text
}

func (s sheet) figures(p frame.Page) []frame.Figure {
	var on, through, out int64
	for _, at := range s.report.Places {
		on += at.Waiting
	}
	for reason, n := range s.report.Over {
		if reason == series.ReasonEnd {
			through += n
		} else {
			out += n
		}
	}
	return []frame.Figure{{Value: p.Number(s.Entered), Name: p.T("series.figure.entered")}, {Value: p.Number(on), Name: p.T("series.figure.on")},
		{Value: p.Number(through), Name: p.T("series.figure.through")}, {Value: p.Number(out), Name: p.T("series.figure.out")}}
}

func (s sheet) facts(p frame.Page) []frame.Fact {
	again := p.T("series.again.never")
	if s.Again > 0 {
		again = p.T("series.again.days", "n", s.Again)
	} else if s.Definition.Trigger.On == series.Dated {
		again = p.T("series.again.yearly")
	}
	zone := s.Definition.Zone
	if zone == "" {
		zone = p.T("series.zone.own")
	}
	return []frame.Fact{{Name: p.T("series.field.trigger"), Value: triggerText(p, s.Definition.Trigger)}, {Name: p.T("series.field.group_id"), Value: s.group},
		{Name: p.T("series.field.again_after_days"), Value: again}, {Name: p.T("series.field.zone"), Value: zone}, {Name: p.T("series.version"), Value: p.Number(s.Version)}}
}

func (c Config) rehearse(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	s := sheet{Series: v, Form: frame.Form{Values: map[string]string{"contact": frame.Shorten(r.PostForm.Get("contact"), 400), "to": frame.Shorten(r.PostForm.Get("to"), 400)}}}
	person, err := c.contact(r, p, s.Value("contact"))
	if err != nil {
		return err
	}
	if person.ID.IsZero() {
		s.Add("contact", p.T("series.rehearse.nobody"))
		return c.renderOne(w, r, p, http.StatusUnprocessableEntity, s)
	}
	var to []string
	if text := strings.TrimSpace(s.Value("to")); text != "" {
		to = []string{text}
	}
	s.rehearsed, err = c.Series.Rehearse(r.Context(), principal(p), v.ID, person.ID, to)
	if f := fault.As(err); f != nil {
		s.rehearsed = nil
		field := ""
		if f.Field == "to" {
			field = "to"
		}
		s.Add(field, c.reasonOf(p, f.Code))
		return c.renderOne(w, r, p, http.StatusUnprocessableEntity, s)
	}
	if err != nil {
		return err
	}
	return c.renderOne(w, r, p, http.StatusOK, s)
}

// contact finds who has an address; zero for nobody.
func (c Config) contact(r *http.Request, p frame.Page, text string) (audience.Contact, error) {
	a, err := message.ParseAddress(strings.TrimSpace(text))
	if err != nil {
		return audience.Contact{}, nil //nolint:nilerr // no address is nobody's
	}
	person, _, err := c.Book.Of(r.Context(), p.Tenant(), a)
	return person, err
}

// runsView is the page of who stands where.
type runsView struct {
	frame.View
	series.Series
	config Config
	lines  []series.Line
	older  string
}

func (c Config) filter(v frame.View) series.RunFilter {
	f := series.RunFilter{Step: v.Filter("step"), Limit: pageSize}
	if state := v.Filter("state"); state == "on" || state == "over" {
		f.State = state
	}
	f.After, _ = id.Parse[audience.ContactKind](v.After)
	return f
}

func (c Config) runs(r *http.Request, p frame.Page) (runsView, error) {
	v, err := c.find(r, p)
	if err != nil {
		return runsView{}, err
	}
	column := func(key string) frame.Column { return frame.Column{Key: key, Title: p.T("series.run." + key)} }
	return runsView{Series: v, config: c, View: frame.ReadView(r, frame.Listing{Path: pathOf(v) + "/runs", Filters: []string{"step", "state"},
		Columns: []frame.Column{column("contact"), column("step"), column("due"), column("entered")}})}, nil
}

func (c Config) showRuns(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	s, err := c.runs(r, p)
	if err != nil {
		return err
	}
	lines, more, err := c.Series.Runs(r.Context(), p.Tenant(), s.ID, c.filter(s.View))
	if err != nil {
		return err
	}
	if s.lines = lines; more {
		s.older = s.With("after", lines[len(lines)-1].Contact.String())
	}
	p.Room, p.Title, p.Live = room, p.T("series.runs"), true
	return p.Render(w, r, http.StatusOK, runsPage(p, s))
}

func (c Config) exportRuns(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	s, err := c.runs(r, p)
	if err != nil {
		return err
	}
	rows := [][]string{{p.T("series.run.contact"), p.T("series.run.step"), p.T("series.run.due"), p.T("series.run.entered")}}
	f := c.filter(s.View)
	f.Limit = 500
	for more := true; more && len(rows) <= maxExport; {
		var lines []series.Line
		if lines, more, err = c.Series.Runs(r.Context(), p.Tenant(), s.ID, f); err != nil {
			return err
		}
		for _, l := range lines {
			f.After = l.Contact
			due := ""
			if !l.DueAt.IsZero() {
				due = frame.Stamp(l.DueAt)
			}
			rows = append(rows, []string{s.who(p, l), s.where(p, l), due, frame.Stamp(l.EnteredAt)})
		}
	}
	return p.CSV(w, p.T("series.filename.runs"), rows)
}

func (s runsView) who(p frame.Page, l series.Line) string {
	if l.Address.Domain == "" {
		return p.T("series.run.gone")
	}
	return l.Address.String()
}

// where says at which step a run stands, or why it is over.
func (s runsView) where(p frame.Page, l series.Line) string {
	if l.Over() {
		return s.config.reasonOf(p, l.Reason)
	}
	return stepName(p, s.Definition, l.Step)
}

// stepName is a step by number and words; of a version that is not the newest, by its key.
func stepName(p frame.Page, d series.Definition, key string) string {
	step, i := d.Step(key)
	if i < 0 {
		return key
	}
	return p.T("series.at", "n", i+1, "text", stepText(p, d, step))
}

// journey is the way of one contact.
type journey struct {
	series.Series
	config Config
	lines  []series.Line
	deeds  []series.Deed
}

func (c Config) showJourney(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	contact, err := id.Parse[audience.ContactKind](r.URL.Query().Get("contact"))
	j := journey{Series: v, config: c}
	if err == nil {
		if j.lines, _, err = c.Series.Runs(r.Context(), p.Tenant(), v.ID, series.RunFilter{Contact: contact, Limit: pageSize}); err != nil {
			return err
		}
		if j.deeds, err = c.Series.Journey(r.Context(), p.Tenant(), v.ID, contact); err != nil {
			return err
		}
	}
	p.Room, p.Title = room, p.T("series.journey")
	return p.Render(w, r, http.StatusOK, journeyPage(p, j))
}

// stations are the deeds of one run, and what is to come.
func (j journey) stations(p frame.Page, l series.Line) (list []frame.Station) {
	mark := map[series.Outcome]string{series.Sent: "delivered", series.Excluded: "held", series.Naming: "sending"}
	for _, d := range j.deeds {
		if d.Entry != l.Entry {
			continue
		}
		s := frame.Station{Clock: p.Clock.Time(d.At), Small: p.Date(d.At), Mark: mark[d.Outcome], Title: stepName(p, j.Definition, d.Step), Text: p.T("series.deed." + string(d.Outcome))}
		if s.Mark == "" {
			s.Mark = "queued"
		}
		if d.Reason != "" {
			s.Text += " " + j.config.reasonOf(p, d.Reason)
		}
		list = append(list, s)
	}
	if l.Over() {
		return append(list, frame.Station{Clock: p.Clock.Time(l.EndedAt), Small: p.Date(l.EndedAt), Mark: "cancelled", Title: p.T("series.over"), Text: j.config.reasonOf(p, l.Reason)})
	}
	return append(list, frame.Station{Clock: p.Clock.Time(l.DueAt), Small: p.Date(l.DueAt), Mark: "deferred", Title: stepName(p, j.Definition, l.Step), Text: p.T("series.next"), Next: true})
}

func (c Config) takeOut(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	contact, err := id.Parse[audience.ContactKind](r.PostForm.Get("contact"))
	word := "state"
	if err == nil {
		err = c.Series.TakeOut(r.Context(), p.Tenant(), v.ID, contact)
		if word = "out"; fault.IsKind(err, fault.Conflict) {
			err, word = nil, "state"
		}
		if err != nil {
			return err
		}
	}
	frame.Redirect(w, r, pathOf(v), word)
	return nil
}
