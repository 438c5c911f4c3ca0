package campaigns

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/web/frame"
)

// sheet is the page of one campaign.
type sheet struct {
	campaign.Campaign
	frame.View
	frame.Form
	names map[audience.GroupID]string
	// states are those of the draft's groups.
	states map[audience.GroupID]audience.Approval
	done   string
	why    func(code string) string

	late    bool             // who sends is to see first whose local time is over
	preview campaign.Preview // of a draft
	wrong   []hindrance      // what keeps a draft from being sent
	sample  campaign.Sample
	other   campaign.Sample // of version B, where there is a trial
	unshown string          // why there is no sample
	ready   readiness
	thread  thread
	page    page
	config  Config

	report   campaign.Report // of what was begun
	earlier  []campaign.Past
	forecast campaign.Forecast
	trial    campaign.Trial
	lines    []campaign.Line
	older    string
}

func (c Config) showOne(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	return c.renderOne(w, r, p, http.StatusOK, sheet{Campaign: v})
}

func (c Config) renderOne(w http.ResponseWriter, r *http.Request, p frame.Page, status int, s sheet) error {
	var err error
	if s.names, err = c.groupNames(r, p); err != nil {
		return err
	}
	if s.states, err = audience.ApprovalsOf(r.Context(), c.Approvals, p.Tenant(), s.Groups); err != nil {
		return fmt.Errorf("read approvals: %w", err)
	}
	s.config, s.why = c, c.reasonOf(p)
	s.look(r, p)
	if err = c.fillPage(r, &s); err != nil {
		return err
	}
	column := func(key string) frame.Column { return frame.Column{Key: key, Title: p.T("campaigns.line." + key)} }
	s.View = frame.ReadView(r, frame.Listing{Path: pathOf(s.Campaign), Filters: []string{"state"}, Columns: []frame.Column{column("address"), column("state"), column("message"), column("at")}})
	s.done = p.Done("saved", "send", "scheduled", "pause", "resume", "cancel", "unschedule", "state", "unapproved", "check", "test", "asked", "approved", "declined", "withdrawn", "commented", "resolved", "read", "published", "unpublished")
	if s.State == campaign.Draft || s.State == campaign.Scheduled {
		err = c.fillDraft(r, p, &s)
	} else {
		err = errors.Join(c.fillReport(r, &s), c.fillThread(r, p, &s))
		p.Live = s.State != campaign.Cancelled
	}
	if err != nil {
		return err
	}
	// The sample is asked for on this origin, whatever host shows the content of mails.
	frame.Framing(w)
	p.Room, p.Title = room, s.Campaign.Name
	return p.Render(w, r, status, onePage(p, s))
}

func (c Config) fillDraft(r *http.Request, p frame.Page, s *sheet) (err error) {
	if err := c.fillReadiness(r, p, s); err != nil {
		return err
	}
	if err := c.fillThread(r, p, s); err != nil {
		return err
	}
	planned, err := c.planned(r, p, s)
	if err != nil {
		return err
	}
	if s.preview, err = c.Campaigns.Preview(r.Context(), planned); err != nil {
		return err
	}
	if f := fault.As(s.preview.Hindrance); f != nil {
		for _, one := range append([]*fault.Error{f}, f.Also...) {
			field, _, _ := strings.Cut(trialField(one.Field), "/")
			text := problemText(p, one, "")
			if key := "campaigns.field." + field; p.Has(key) {
				text = p.T(key) + ": " + text
			}
			s.wrong = append(s.wrong, s.hindranceOf(p, one, text))
		}
	}
	if s.sample, err = c.Campaigns.Sample(r.Context(), s.Campaign, audience.ContactID{}); fault.As(err) != nil {
		s.unshown = p.T("campaigns.sample.none")
		return nil //nolint:nilerr // the page tells it
	}
	if err == nil && s.Trial.Share > 0 {
		if s.other, err = c.Campaigns.Sample(r.Context(), s.Campaign.In(campaign.VersionB), audience.ContactID{}); fault.As(err) != nil {
			err = nil // what is wrong with it stands above
		}
	}
	return err
}

// fillFigures reads what became of a campaign and of those before it.
func (c Config) fillFigures(r *http.Request, s *sheet) (err error) {
	if s.report, err = c.Campaigns.Report(r.Context(), s.Tenant, s.ID); err != nil {
		return err
	}
	s.earlier, err = c.Campaigns.Earlier(r.Context(), s.Campaign)
	return err
}

// groupNames are the names of the account's groups.
func (c Config) groupNames(r *http.Request, p frame.Page) (map[audience.GroupID]string, error) {
	found, err := c.Groups.List(r.Context(), p.Tenant())
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	names := map[audience.GroupID]string{}
	for _, g := range found {
		names[g.ID] = g.Name
	}
	return names, nil
}

func (c Config) fillReport(r *http.Request, s *sheet) (err error) {
	if err = c.fillFigures(r, s); err != nil {
		return err
	}
	if s.forecast, err = c.Campaigns.Forecast(r.Context(), s.Campaign, s.report); err != nil {
		return err
	}
	if s.trial, err = c.Campaigns.Trial(r.Context(), s.Campaign); err != nil {
		return err
	}
	after, _ := id.Parse[audience.ContactKind](s.View.After)
	lines, more, err := c.Campaigns.Lines(r.Context(), s.Tenant, s.ID, campaign.LineFilter{Fate: fateOf(s.View.Filter("state")), After: after, Limit: pageSize})
	if s.lines = lines; more {
		s.older = s.With("after", lines[len(lines)-1].Contact.String())
	}
	return err
}

// fates are what the list of recipients can be narrowed to.
func fates() []string {
	list := []string{string(campaign.Excluded), string(campaign.Waiting)}
	for _, s := range []event.State{event.Queued, event.Deferred, event.Held, event.Delivered, event.Bounced, event.Expired, event.Suppressed, event.Cancelled} {
		list = append(list, string(s))
	}
	return list
}

// fateOf drops a state there is not, so that an old bookmark still opens a list.
func fateOf(text string) string {
	if slices.Contains(fates(), text) {
		return text
	}
	return ""
}

func fateText(p frame.Page, fate string) string {
	if key := "campaigns.fate." + fate; p.Has(key) {
		return p.T(key)
	}
	return p.T("state." + fate + ".label")
}

// fateMark is the mark of a recipient's state.
func fateMark(fate string) string {
	switch fate {
	case string(campaign.Excluded):
		return string(event.Suppressed)
	case string(campaign.Waiting), string(campaign.Accepted):
		return string(event.Queued)
	}
	return fate
}

func (c Config) send(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	s := sheet{Campaign: v, Form: frame.Form{Values: map[string]string{"at": frame.Shorten(r.PostForm.Get("at"), 40), "zone": frame.Shorten(r.PostForm.Get("zone"), 20)}}}
	var at time.Time
	local := s.Value("zone") == byRecipient
	if text := s.Value("at"); text != "" || local {
		if at, err = time.ParseInLocation("2006-01-02T15:04", text, p.Zone); err != nil {
			s.Add("at", p.T("campaigns.wrong.at"))
		}
	}
	ready := s.Valid()
	if ready && local {
		if ready, err = c.warned(r, p, &s); err != nil {
			return err
		}
	}
	if ready {
		var sent campaign.Campaign
		if local {
			sent, err = c.Campaigns.SendLocal(r.Context(), principal(p), v.ID, s.Value("at"))
		} else {
			sent, err = c.Campaigns.Send(r.Context(), principal(p), v.ID, at)
		}
		f := fault.As(err)
		switch {
		case err == nil && sent.State == campaign.Scheduled:
			frame.Redirect(w, r, pathOf(v), "scheduled")
			return nil
		case err == nil:
			frame.Redirect(w, r, pathOf(v), "send")
			return nil
		case f == nil:
			return err
		case f.Code == campaign.CodeState:
			frame.Redirect(w, r, pathOf(v), "state")
			return nil
		case f.Field == "at":
			s.Add("at", p.T("campaigns.wrong.at"))
		default: // the page says itself what is missing
			s.Add("", p.T("campaigns.refused"))
		}
	}
	return c.renderOne(w, r, p, http.StatusUnprocessableEntity, s)
}

// samplePolicy holds the letter: an origin of its own, no script, nothing fetched.
const samplePolicy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox"

// sample shows the HTML as the first member of the groups would get it.
func (c Config) sample(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	if v.Trial.Share > 0 && r.URL.Query().Get("version") == string(campaign.VersionB) {
		v = v.In(campaign.VersionB)
	}
	shown, err := c.Campaigns.Sample(r.Context(), v, audience.ContactID{})
	if err != nil {
		return err
	}
	sendSample(w, shown.HTML)
	return nil
}

func (c Config) exportLines(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	out := p.File(w, p.T("campaigns.lines.filename"))
	f := campaign.LineFilter{Fate: fateOf(r.URL.Query().Get("state")), Limit: 500}
	_ = out.Write(p.T("campaigns.line.address"), p.T("campaigns.line.state"), p.T("campaigns.line.reason"), p.T("campaigns.line.message"), p.T("campaigns.line.at"))
	for n, more := 0, true; more && n < maxExport; {
		var lines []campaign.Line
		if lines, more, err = c.Campaigns.Lines(r.Context(), v.Tenant, v.ID, f); err != nil {
			p.Broken(out)
			return nil //nolint:nilerr // the head is out already; the file says that it is cut
		}
		for _, l := range lines {
			f.After = l.Contact
			n++
			mail := ""
			if l.State == campaign.Accepted {
				mail = message.Of(l.Delivery).String()
			}
			if err := out.Write(addressOf(l), fateText(p, l.Told()), c.reasonOf(p)(l.Why()), mail, l.At.UTC().Format(time.RFC3339)); err != nil {
				return nil //nolint:nilerr // the reader has gone
			}
		}
	}
	_ = out.Flush() // a reader who left is no error
	return nil
}

func addressOf(l campaign.Line) string {
	if l.Address == (message.Address{}) {
		return ""
	}
	return l.Address.String()
}

// progress is how many of all recipients have their answer, as far as they are known. At local
// times all members count: most are written down when their time comes.
func progress(s sheet) (done, total int) {
	members := int64(0)
	for _, w := range s.report.Waves {
		members += w.Accepted + w.Excluded + w.Left()
	}
	return int(s.Accepted + s.Excluded), int(max(s.Total, s.Accepted+s.Excluded, members))
}

// underway reports whether there is still something to hold back: mail that was not handed
// over, or lies in the queue.
func underway(s sheet) bool {
	if s.State != campaign.Sent {
		return true
	}
	for _, state := range []event.State{event.Queued, event.Sending, event.Deferred, event.Held} {
		if s.report.Fates[state] > 0 {
			return true
		}
	}
	return false
}

// figures are the head of a report.
func figures(p frame.Page, s sheet) []frame.Figure {
	n := func(states ...event.State) (sum int64) {
		for _, v := range states {
			sum += s.report.Fates[v]
		}
		return sum
	}
	return []frame.Figure{
		{Name: p.T("campaigns.figure.accepted"), Value: p.Number(s.Accepted)},
		{Name: p.T("campaigns.figure.delivered"), Value: p.Number(n(event.Delivered)), Note: p.T("campaigns.figure.delivered.note")},
		{Name: p.T("campaigns.figure.open"), Value: p.Number(n(event.Queued, event.Sending, event.Deferred, event.Held))},
		{Name: p.T("campaigns.figure.rejected"), Value: p.Number(n(event.Bounced, event.Expired))},
		{Name: p.T("campaigns.figure.excluded"), Value: p.Number(s.Excluded)},
		{Name: p.T("campaigns.figure.opened"), Value: p.Number(s.report.Persons.Opened), Note: p.T("campaigns.figure.machines", "n", s.report.Machines.Opened)},
		{Name: p.T("campaigns.figure.clicked"), Value: p.Number(s.report.Persons.Clicked), Note: p.T("campaigns.figure.machines", "n", s.report.Machines.Clicked)},
		{Name: p.T("campaigns.figure.unsubscribed"), Value: p.Number(s.report.Unsubscribed)},
		{Name: p.T("campaigns.figure.complained"), Value: p.Number(s.report.Complained)},
	}
}

// reasons are those of counts, most first.
func reasons(counts map[string]int64) []string {
	list := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(list, func(a, b string) int { return int(counts[b] - counts[a]) })
	return list
}

func facts(p frame.Page, s sheet) []frame.Fact {
	var groups []string
	for _, g := range s.Groups {
		name := s.names[g]
		if name == "" {
			name = p.T("campaigns.group.gone")
		}
		groups = append(groups, name)
	}
	list := []frame.Fact{{Name: p.T("campaigns.field.group_ids"), Value: strings.Join(groups, ", ")}, {Name: p.T("campaigns.field.from"), Value: s.Letter.From},
		{Name: p.T("campaigns.field.subject"), Value: s.Letter.Subject}}
	if s.Letter.ReplyTo != "" {
		list = append(list, frame.Fact{Name: p.T("campaigns.field.reply_to"), Value: s.Letter.ReplyTo})
	}
	list = append(list, paceFacts(p, s)...)
	if s.State != campaign.Draft && !s.StartAt.IsZero() {
		list = append(list, frame.Fact{Name: p.T("campaigns.start"), Value: p.Full(s.StartAt)})
	}
	if s.Local.At != "" {
		list = append(list, frame.Fact{Name: p.T("campaigns.zone.recipient"), Value: localText(p, s.Local)})
	}
	if !s.FinishedAt.IsZero() {
		list = append(list, frame.Fact{Name: p.T("campaigns.finished"), Value: p.Full(s.FinishedAt)})
	}
	return append(list, frame.Fact{Name: p.T("campaigns.number"), Value: s.ID.String(), Mono: true})
}

func share(n, of int64) string {
	if of == 0 {
		return "0"
	}
	return strconv.FormatInt(n*100/of, 10)
}
