package leads

import (
	"fmt"
	"net/http"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/lead"
	"stafette/internal/web/frame"
)

const suspects = "/lead-suspects"

// doubt is a suspect lead with what it says.
type doubt struct {
	lead.Lead
	enquiry lead.Enquiry
}

// doubts is the page of suspect leads.
type doubts struct {
	frame.View
	list  []doubt
	older string
}

const doubtsPage = 20

func (c Config) showSuspects(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v := doubts{View: frame.ReadView(r, frame.Listing{Path: suspects})}
	f := lead.Filter{State: lead.Suspect, Tests: true, Limit: doubtsPage}
	if after, err := id.Parse[lead.Kind](v.After); err == nil {
		f.After = after
	}
	page, err := c.Leads.Leads(r.Context(), p.Tenant(), f)
	if err != nil {
		return fmt.Errorf("list suspect leads: %w", err)
	}
	if page.More {
		v.older = v.With("after", page.Leads[len(page.Leads)-1].ID.String())
	}
	for _, l := range page.Leads {
		if len(l.Sealed) == 0 { // its time is over
			continue
		}
		one := doubt{Lead: l}
		if one.enquiry, _, err = c.Leads.Open(r.Context(), l); err != nil && !fault.IsKind(err, fault.Invalid) {
			return fmt.Errorf("open suspect lead: %w", err)
		}
		v.list = append(v.list, one)
	}
	p.Room, p.Title = room, p.T("leads.suspects.title")
	return p.Render(w, r, http.StatusOK, suspectsPage(p, v))
}

// decide releases a suspect lead or discards it, as the path says. Where somebody was
// faster, the lead's page tells what they decided.
func (c Config) decide(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	l, err := c.find(r, p)
	if err != nil {
		return err
	}
	do, done := c.Leads.Release, "released"
	if strings.HasSuffix(r.URL.Path, "/discard") {
		do, done = c.Leads.Discard, "discarded"
	}
	_, err = do(r.Context(), p.Tenant(), l.ID)
	switch {
	case fault.IsKind(err, fault.Conflict):
		frame.Redirect(w, r, home+"/"+l.ID.String(), "decided")
	case err != nil:
		return fmt.Errorf("decide about suspect lead: %w", err)
	default:
		frame.Redirect(w, r, suspects, done)
	}
	return nil
}
