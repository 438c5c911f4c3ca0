package contacts

import (
	"fmt"
	"net/http"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/web/frame"
)

// joined tells of the groups a contact is in, each with what brought it there.
func (c Config) joined(r *http.Request, p frame.Page, contact audience.ContactID, names names) ([]moment, error) {
	list, err := c.Groups.Of(r.Context(), p.Tenant(), contact)
	if err != nil {
		return nil, fmt.Errorf("list groups of contact: %w", err)
	}
	var all []moment
	for _, m := range list {
		g, err := c.Groups.Group(r.Context(), p.Tenant(), m.Group)
		if fault.IsKind(err, fault.NotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("read group of contact: %w", err)
		}
		facts, err := c.Groups.Facts(r.Context(), p.Tenant(), m.Group, p.Now)
		if err != nil {
			return nil, fmt.Errorf("read origin of group: %w", err)
		}
		s := frame.Station{Mark: "queued", Title: p.T("contacts.joined", "group", g.Name)}
		for _, b := range facts.Batches {
			if b.ID != m.Batch {
				continue
			}
			s.Text, s.Route = p.T("groups.origin."+string(b.Origin)), names.of(b.Actor)
			if b.Origin == audience.OriginImport {
				s.Text = p.T("contacts.joined.import", "name", b.Name, "source", b.Source)
			}
		}
		all = append(all, moment{m.AddedAt, s})
	}
	return all, nil
}
