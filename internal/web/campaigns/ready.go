package campaigns

import (
	"fmt"
	"net/http"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
	"stafette/internal/web/letterform"
)

// readiness is what stands on the page of a draft before it can be sent: what was found, test
// mails, and who was asked.
type readiness struct {
	seen     letterform.Seen
	reviews  []campaign.Review
	standing campaign.Review
	reviewed bool // nothing about reviews keeps it back
	own      bool // the reader is who asked
	seeds    []string
}

func (c Config) fillReadiness(r *http.Request, p frame.Page, s *sheet) (err error) {
	ctx, v := r.Context(), &s.ready
	if v.seen, err = letterform.Look(ctx, c.Checks, s.Campaign); err != nil {
		return err
	}
	if v.reviews, err = c.Campaigns.Reviews(ctx, s.Tenant, s.ID); err != nil {
		return fmt.Errorf("read reviews: %w", err)
	}
	if v.standing, v.reviewed, err = c.Campaigns.Standing(ctx, s.Campaign); err != nil {
		return err
	}
	v.own = v.standing.Asked == p.Who.User.ID.String()
	set, err := c.Campaigns.Settings(ctx, s.Tenant)
	v.seeds = set.Seeds
	return err
}

// desk is where the draft lies.
func (s sheet) desk(p frame.Page) letterform.Desk {
	may := p.Can(tenant.MessagesSend)
	at := pathOf(s.Campaign)
	return letterform.Desk{Seen: s.ready.seen, Page: at, Edit: at + "/edit", Begin: at + "/check", Test: at + "/test", Sends: may, Fixes: may && s.State == campaign.Draft, Seeds: len(s.ready.seeds)}
}

// open reports whether somebody is asked about the mailing as it stands.
func (v readiness) open(c campaign.Campaign) bool {
	return v.standing.State == campaign.ReviewOpen && v.standing.Hash == campaign.Print(c)
}

// reviewMark is the mark of what came of a review.
func reviewMark(c campaign.Campaign, r campaign.Review) (mark, word string) {
	switch {
	case r.State == campaign.ReviewWithdrawn:
		return "cancelled", "withdrawn"
	case r.Hash != campaign.Print(c):
		return "held", "changed"
	case r.State == campaign.ReviewApproved:
		return "delivered", "approved"
	case r.State == campaign.ReviewDeclined:
		return "bounced", "declined"
	}
	return "queued", "open"
}

func (c Config) beginCheck(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	if err := c.Checks.Begin(r.Context(), v); err != nil {
		return err
	}
	frame.Redirect(w, r, pathOf(v), "check")
	return nil
}

func (c Config) try(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	s := sheet{Campaign: v, Form: letterform.Asked(r)}
	tried, err := c.Campaigns.SendTests(r.Context(), principal(p), v.ID, letterform.Words(s.Value("to")), s.Value("seeds") == "on", audience.ContactID{})
	refused, err := letterform.Refused(p, &s.Form, tried, err, func(f *fault.Error) string { return problemText(p, f, s.Value("to")) })
	if err != nil {
		return err
	}
	if !refused {
		frame.Redirect(w, r, pathOf(v), "test")
		return nil
	}
	return c.renderOne(w, r, p, http.StatusUnprocessableEntity, s)
}

func (c Config) ask(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	s := sheet{Campaign: v, Form: frame.Form{Values: map[string]string{"reviewer": frame.Shorten(r.PostForm.Get("reviewer"), 400)}}}
	_, err = c.Campaigns.Ask(r.Context(), principal(p), v.ID, s.Value("reviewer"))
	f := fault.As(err)
	switch {
	case err == nil:
		frame.Redirect(w, r, pathOf(v), "asked")
		return nil
	case f == nil || f.Kind == fault.NotFound:
		return err
	case f.Code == campaign.CodeState:
		frame.Redirect(w, r, pathOf(v), "state")
		return nil
	}
	s.Add("reviewer", p.T("campaigns.wrong.reviewer"))
	return c.renderOne(w, r, p, http.StatusUnprocessableEntity, s)
}

// answer is a colleague's yes or no, or the asker's taking back.
func (c Config) answer(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	review, err := id.Parse[campaign.ReviewKind](r.PostForm.Get("review"))
	if err != nil {
		return fault.New(fault.NotFound, campaign.CodeReviewUnknown, "There is no such review.")
	}
	word := r.PostForm.Get("do")
	switch word {
	case "withdrawn":
		err = c.Campaigns.Withdraw(r.Context(), principal(p), review)
	case "approved", "declined":
		err = c.Campaigns.Answer(r.Context(), principal(p), review, word == "approved", r.PostForm.Get("note"))
	default:
		return fault.Field("do", "form_malformed", "There is no such answer.")
	}
	if f := fault.As(err); f != nil && f.Kind == fault.Conflict {
		err, word = nil, "state"
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, pathOf(v), word)
	return nil
}

func (c Config) saveSettings(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	l := list{settings: frame.Form{Values: map[string]string{"seeds": frame.Shorten(r.PostForm.Get("seeds"), 8000), "review": r.PostForm.Get("review")}}}
	err := c.Campaigns.SetSettings(r.Context(), p.Tenant(), campaign.Settings{Seeds: letterform.Words(l.settings.Value("seeds")), Review: l.settings.Value("review") == "on"})
	if err == nil {
		frame.Redirect(w, r, home, "settings")
		return nil
	}
	if !fault.IsKind(err, fault.Invalid) {
		return err
	}
	l.settings.Add("seeds", p.T("campaigns.seeds.wrong"))
	most, err := c.Campaigns.Cap(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("read frequency cap: %w", err)
	}
	l.most, l.form = most, frame.Form{Values: map[string]string{}}
	return c.renderList(w, r, p, http.StatusUnprocessableEntity, l)
}
