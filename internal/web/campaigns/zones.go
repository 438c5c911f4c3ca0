package campaigns

import (
	"net/http"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/web/frame"
)

// byRecipient is the choice of the form that a mailing goes out at everybody's own local time.
const byRecipient = "recipient"

// look fills the form of sending from the address, so that times can be looked at before
// anything is sent.
func (s *sheet) look(r *http.Request, p frame.Page) {
	q := r.URL.Query()
	if s.State != campaign.Draft || s.Values != nil || q.Get("zone") == "" && q.Get("at") == "" {
		return
	}
	s.Form = frame.Form{Values: map[string]string{"at": frame.Shorten(q.Get("at"), 40), "zone": frame.Shorten(q.Get("zone"), 20)}}
	if s.Value("zone") == byRecipient && s.Value("at") == "" {
		s.Add("at", p.T("campaigns.wrong.local"))
	}
}

// planned is the campaign as the form says it would be sent.
func (c Config) planned(r *http.Request, p frame.Page, s *sheet) (campaign.Campaign, error) {
	if s.State != campaign.Draft || s.Value("zone") != byRecipient || s.Value("at") == "" || s.Wrong("at") && !s.late || s.Wrong("zone") {
		return s.Campaign, nil
	}
	local, err := c.Campaigns.Locally(r.Context(), s.Campaign, s.Value("at"))
	if f := fault.As(err); f != nil {
		s.refuseLocal(p, f)
		return s.Campaign, nil
	}
	return local, err
}

// refuseLocal tells at its field why a mailing cannot go out at a local time.
func (s *sheet) refuseLocal(p frame.Page, f *fault.Error) {
	if f.Code == campaign.CodeZoneTrial {
		s.Add("zone", p.T("campaigns.wrong.zone"))
		return
	}
	s.Add("at", p.T("campaigns.wrong.local"))
}

// warned reports whether whoever sends has seen how many get the mailing at once because
// their local time is over. The page is shown once more if they have not.
func (c Config) warned(r *http.Request, p frame.Page, s *sheet) (bool, error) {
	local, err := c.planned(r, p, s)
	if err != nil || !s.Valid() || r.PostForm.Get("seen") == s.Value("at") {
		return s.Valid(), err
	}
	v, err := c.Campaigns.Preview(r.Context(), local)
	if err == nil && v.Late > 0 {
		s.late = true
		s.Add("at", p.T("campaigns.zone.late.again", "n", v.Late))
	}
	return s.Valid(), err
}

func zoneChoices(p frame.Page) []frame.Option {
	return []frame.Option{{Text: p.T("campaigns.zone.account", "zone", p.Zone.String())}, {Value: byRecipient, Text: p.T("campaigns.zone.recipient")}}
}

func zoneName(p frame.Page, w campaign.Wave) string {
	if w.Zone == "" {
		return p.T("campaigns.zone.unknown")
	}
	return w.Zone
}

// localText is a local time as the reader writes it.
func localText(p frame.Page, l campaign.Local) string {
	at, err := time.ParseInLocation(campaign.LocalLayout, l.At, p.Zone)
	if err != nil {
		return l.At
	}
	return p.Full(at)
}

// plannedWaves are the zones of those who would get a mailing.
func plannedWaves(p frame.Page, v campaign.Preview) []frame.Fact {
	var list []frame.Fact
	for _, w := range v.Waves {
		text := p.T("campaigns.zone.people", "n", w.Members)
		if !w.At.IsZero() && w.At.Before(p.Now) {
			text += " · " + p.T("campaigns.zone.over")
		} else if !w.At.IsZero() {
			text += " · " + p.T("campaigns.zone.at", "at", p.Full(w.At))
		}
		list = append(list, frame.Fact{Name: zoneName(p, w), Value: text})
	}
	return list
}

// wavesDone are the zones of a mailing that was begun.
func wavesDone(p frame.Page, s sheet) []frame.Fact {
	var list []frame.Fact
	for _, w := range s.report.Waves {
		state := p.T("campaigns.zone.done")
		switch {
		case s.State == campaign.Cancelled && w.Accepted+w.Excluded == 0:
			state = p.T("campaigns.zone.never")
		case s.State.Over():
		case w.At.After(p.Now):
			state = p.T("campaigns.zone.due", "n", w.Left(), "at", p.Full(w.At))
		case w.Left() > 0:
			state = p.T("campaigns.zone.running", "n", w.Left())
		}
		if w.Accepted > 0 || !w.At.After(p.Now) { // of what is to come, that nothing went yet goes without saying
			state = p.T("campaigns.zone.accepted", "n", w.Accepted) + " · " + state
		}
		list = append(list, frame.Fact{Name: zoneName(p, w), Value: state})
	}
	return list
}
