package campaigns

import (
	"strconv"
	"strings"

	"stafette/internal/campaign"
	"stafette/internal/web/frame"
)

// trialFields are those of the form that describe a second version.
func trialFields() []string {
	return []string{"trial_share", "trial_hours", "other_subject", "other_from", "other_html", "other_text"}
}

// trialField is the field of the form for one that a refusal names.
func trialField(name string) string {
	of, part, ok := strings.Cut(name, "/")
	switch {
	case !ok || of != "trial":
		return name
	case part == "share" || part == "hours":
		return "trial_" + part
	}
	return "other_" + part
}

// showTrial fills the form from the campaign.
func (e *editor) showTrial() {
	t, o := e.Trial, e.Letter.Other
	if t.Share == 0 {
		return
	}
	e.Values["trial_share"], e.Values["trial_hours"] = strconv.Itoa(t.Share), strconv.Itoa(t.Hours)
	e.Values["other_subject"], e.Values["other_from"], e.Values["other_html"], e.Values["other_text"] = o.Subject, o.From, o.HTML, o.Text
}

// readTrial fills the campaign from the form: without a share there is no trial.
func (e *editor) readTrial(p frame.Page) {
	v := &e.Campaign
	v.Trial, v.Letter.Other = campaign.Trial{}, campaign.Other{}
	if strings.TrimSpace(e.Value("trial_share")) == "" {
		for _, name := range trialFields()[2:] {
			if strings.TrimSpace(e.Value(name)) != "" {
				e.Add("trial_share", p.T("campaigns.wrong.trial_share"))
				return
			}
		}
		return
	}
	for name, to := range map[string]*int{"trial_share": &v.Trial.Share, "trial_hours": &v.Trial.Hours} {
		n, err := strconv.Atoi(strings.TrimSpace(e.Value(name)))
		if *to = n; err != nil || n < 1 {
			e.Add(name, p.T("campaigns.wrong."+name))
		}
	}
	v.Letter.Other = campaign.Other{Subject: strings.TrimSpace(e.Value("other_subject")), From: strings.TrimSpace(e.Value("other_from")),
		HTML: e.Value("other_html"), Text: e.Value("other_text")}
}

// tried reports whether the form says anything of a trial.
func tried(e editor) bool {
	for _, name := range trialFields() {
		if e.Value(name) != "" {
			return true
		}
	}
	return false
}

// trialFacts tell what a trial will do.
func trialFacts(p frame.Page, c campaign.Campaign) []frame.Fact {
	if c.Trial.Share == 0 {
		return nil
	}
	list := []frame.Fact{{Name: p.T("campaigns.trial"), Value: p.T("campaigns.trial.plan", "share", c.Trial.Share, "hours", c.Trial.Hours)}}
	o := c.Letter.Other
	for _, part := range []struct{ name, value string }{{"subject", o.Subject}, {"from", o.From}} {
		if part.value != "" {
			list = append(list, frame.Fact{Name: p.T("campaigns.field.other_" + part.name), Value: part.value})
		}
	}
	if o.HTML != "" || o.Text != "" {
		list = append(list, frame.Fact{Name: p.T("campaigns.trial.content"), Value: p.T("campaigns.trial.content.other")})
	}
	return list
}

// trialWord says in a sentence how a trial stands, or how it was decided and why; "" of one
// that ended with its mailing.
func trialWord(p frame.Page, s campaign.State, t campaign.Trial) string {
	switch {
	case t.Winner == "" && s.Over():
		return ""
	case t.Winner != "" && t.Clear:
		return p.T("campaigns.trial.clear", "version", versionWord(t.Winner))
	case t.Winner != "":
		return p.T("campaigns.trial.unclear")
	case t.EndsAt.IsZero():
		return p.T("campaigns.trial.begins")
	}
	return p.T("campaigns.trial.waits", "at", p.Full(t.EndsAt))
}

func versionWord(v campaign.Version) string { return strings.ToUpper(string(v)) }

// versionFigures compares the versions.
func versionFigures(p frame.Page, t campaign.Trial) []frame.Figure {
	figure := func(version string, n campaign.TrialCount) frame.Figure {
		return frame.Figure{Name: p.T("campaigns.trial.version", "version", version), Value: p.T("campaigns.trial.share", "share", share(n.Clicked, n.Accepted)),
			Note: p.T("campaigns.trial.counts", "clicked", n.Clicked, "accepted", n.Accepted)}
	}
	return []frame.Figure{figure("A", t.A), figure("B", t.B)}
}
