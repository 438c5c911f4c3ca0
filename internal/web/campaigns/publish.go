package campaigns

import (
	"fmt"
	"net/http"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/web/frame"
)

// page is what is said about the public page of a mailing.
type page struct {
	campaign.Publication
	link, list string // where it is, and all of the account
}

// shown reports whether the page can be opened by everybody now.
func (s sheet) shown() bool {
	return s.page.Public && (s.State == campaign.Sending || s.State == campaign.Paused || s.State == campaign.Sent)
}

func (c Config) fillPage(r *http.Request, s *sheet) (err error) {
	if c.Publisher == nil {
		return nil
	}
	if s.page.Publication, err = c.Campaigns.Published(r.Context(), s.Tenant, s.ID); err != nil {
		return fmt.Errorf("read publication: %w", err)
	}
	s.page.link, s.page.list = c.Publisher.Link(s.Tenant, s.ID), c.Publisher.ListLink(s.Tenant)
	return nil
}

// publish makes a mailing public, or takes that back.
func (c Config) publish(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	if c.Publisher == nil {
		return fault.New(fault.NotFound, campaign.CodeNotFound, "There are no public mailings here.")
	}
	said, err := c.Campaigns.Publish(r.Context(), principal(p), v.ID, campaign.Publication{Public: r.PostForm.Get("public") != "", Index: r.PostForm.Get("index") != ""})
	if f := fault.As(err); f != nil && f.Kind == fault.Invalid {
		s := sheet{Campaign: v}
		s.Add("", p.T("campaigns.page.broken"))
		return c.renderOne(w, r, p, http.StatusUnprocessableEntity, s)
	}
	if err != nil {
		return err
	}
	word := "unpublished"
	if said.Public {
		word = "published"
	}
	frame.Redirect(w, r, pathOf(v), word)
	return nil
}

// publicPage shows the page as everybody would see it, with nobody's data.
func (c Config) publicPage(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	shown, err := c.Campaigns.PublicPage(r.Context(), v)
	if err != nil {
		return err
	}
	sendSample(w, shown.HTMLPage())
	return nil
}
