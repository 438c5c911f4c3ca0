package affected

import (
	"fmt"
	"net/http"
	"strings"

	"stafette/internal/changeover"
	"stafette/internal/changeover/affected"
	"stafette/internal/changeover/announce"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/web/frame"
)

// draft is the page of an announcement.
type draft struct {
	plan      changeover.Changeover
	a         announce.Announcement
	form      frame.Form
	letter    message.Draft
	hindered  string // why there is no preview
	affected  int    // customers who would be told
	all       int
	told      int
	questions string
}

func (c Config) showAnnouncement(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	plan, err := c.plan(r, p)
	if err != nil {
		return err
	}
	a, err := c.Announcer.Announcement(r.Context(), p.Tenant(), plan.ID)
	if err != nil {
		return fmt.Errorf("read announcement: %w", err)
	}
	return c.announcementPage(w, r, p, http.StatusOK, plan, a, frame.Form{Values: map[string]string{
		"reason_de": a.ReasonDE, "reason_en": a.ReasonEN, "contact": a.Contact,
		"unconcerned": strings.Join(a.Unconcerned, ", "), "concerned": strings.Join(a.Concerned, ", "), "remind": onText(a.Remind),
	}})
}

func onText(b bool) string {
	if b {
		return "on"
	}
	return ""
}

// announcementPage shows form and preview; the preview is of what is kept.
func (c Config) announcementPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, plan changeover.Changeover, a announce.Announcement, form frame.Form) error {
	d := draft{plan: plan, a: a, form: form, questions: c.Announcer.QuestionsURL(p.Tenant(), plan.ID)}
	list, err := c.Customers.Customers(r.Context(), p.Tenant(), plan.ID)
	if err != nil {
		return fmt.Errorf("list customers: %w", err)
	}
	sample := affected.Customer{Tenant: p.Tenant(), Changeover: plan.ID, Name: p.T("affected.mail.sample")}
	for _, one := range list {
		switch {
		case !one.Informed.IsZero():
			d.told++
		case len(one.Emails) > 0:
			d.all++
			if one.Affected(p.Now) {
				d.affected++
			}
		}
	}
	if d.letter, err = c.Announcer.Preview(r.Context(), a, sample); err != nil {
		f := fault.As(err)
		if f == nil || f.Kind != fault.Invalid {
			return fmt.Errorf("preview announcement: %w", err)
		}
		d.hindered = p.FaultText(f, "")
	}
	p.Room, p.Title = room, p.T("affected.mail.title")
	return p.Render(w, r, status, announcementPage(p, d))
}

func (c Config) saveAnnouncement(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	plan, err := c.plan(r, p)
	if err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{}}
	for _, name := range []string{"reason_de", "reason_en", "contact", "unconcerned", "concerned", "remind"} {
		form.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	a := announce.Announcement{Tenant: p.Tenant(), Changeover: plan.ID, ReasonDE: form.Values["reason_de"], ReasonEN: form.Values["reason_en"],
		Contact: form.Values["contact"], Unconcerned: names(form.Values["unconcerned"]), Concerned: names(form.Values["concerned"]), Remind: form.Values["remind"] == "on"}
	err = c.Announcer.Save(r.Context(), a)
	f := fault.As(err)
	switch {
	case err == nil:
		frame.Redirect(w, r, planPath(plan.ID)+"/announcement", "saved")
		return nil
	case f == nil || f.Kind != fault.Invalid:
		return fmt.Errorf("save announcement: %w", err)
	}
	for _, one := range append([]*fault.Error{f}, f.Also...) {
		form.Add(one.Field, p.FaultText(one, form.Values[one.Field]))
	}
	kept, err := c.Announcer.Announcement(r.Context(), p.Tenant(), plan.ID)
	if err != nil {
		return fmt.Errorf("read announcement: %w", err)
	}
	return c.announcementPage(w, r, p, http.StatusUnprocessableEntity, plan, kept, form)
}

// names reads names separated by commas.
func names(text string) (list []string) {
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one != "" {
			list = append(list, one)
		}
	}
	return list
}

func (c Config) send(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	plan, err := c.plan(r, p)
	if err != nil {
		return err
	}
	err = c.Announcer.Send(r.Context(), p.Tenant(), plan.ID, announce.Scope(r.PostForm.Get("scope")), p.Who.User.ID.String())
	if f := fault.As(err); f != nil && (f.Kind == fault.Invalid || f.Kind == fault.Conflict) {
		a, err := c.Announcer.Announcement(r.Context(), p.Tenant(), plan.ID)
		if err != nil {
			return fmt.Errorf("read announcement: %w", err)
		}
		var form frame.Form
		form.Add("", p.FaultText(f, ""))
		return c.announcementPage(w, r, p, http.StatusUnprocessableEntity, plan, a, form)
	}
	if err != nil {
		return fmt.Errorf("send announcement: %w", err)
	}
	frame.Redirect(w, r, planPath(plan.ID), "sending")
	return nil
}

func (c Config) stop(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	plan, err := c.plan(r, p)
	if err != nil {
		return err
	}
	if err := c.Announcer.Stop(r.Context(), p.Tenant(), plan.ID); err != nil {
		return fmt.Errorf("stop announcement: %w", err)
	}
	frame.Redirect(w, r, planPath(plan.ID), "stopped")
	return nil
}
