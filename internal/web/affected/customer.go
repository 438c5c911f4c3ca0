package affected

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/changeover/affected"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/web/frame"
)

// find reads the customer that the path names, with its plan.
func (c Config) find(r *http.Request, p frame.Page) (affected.Customer, changeover.Changeover, error) {
	number, err := id.Parse[affected.CustomerKind](r.PathValue("customer"))
	if err != nil {
		return affected.Customer{}, changeover.Changeover{}, fault.New(fault.NotFound, "customer_unknown", "There is no such customer.")
	}
	customer, err := c.Customers.Customer(r.Context(), p.Tenant(), number)
	if err != nil {
		return customer, changeover.Changeover{}, err
	}
	plan, err := c.Announcer.Of(r.Context(), p.Tenant(), customer.Changeover)
	return customer, plan, err
}

func (c Config) showCustomer(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	customer, plan, err := c.find(r, p)
	if err != nil {
		return err
	}
	return c.customerPage(w, r, p, http.StatusOK, customer, plan, customerForm(customer))
}

func customerForm(c affected.Customer) frame.Form {
	on := func(b bool) string {
		if b {
			return "on"
		}
		return ""
	}
	var emails []string
	for _, one := range c.Emails {
		emails = append(emails, one.String())
	}
	return frame.Form{Values: map[string]string{"lists": on(c.Lists), "needs_old": on(c.NeedsOld), "settled": on(!c.Settled.IsZero()),
		"note": c.Note, "emails": strings.Join(emails, "\n")}}
}

func (c Config) customerPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, customer affected.Customer, plan changeover.Changeover, form frame.Form) error {
	p.Room, p.Title = room, customer.Title()
	return p.Render(w, r, status, customerPage(p, plan, customer, form, c.Announcer.PageURL(p.Tenant(), customer.ID)))
}

// maxEmails bounds where a domain's announcement goes.
const maxEmails = 5

func (c Config) saveCustomer(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	customer, plan, err := c.find(r, p)
	if err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{}}
	for _, name := range []string{"lists", "needs_old", "settled", "note", "emails"} {
		form.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	customer.Lists, customer.NeedsOld = form.Values["lists"] == "on", form.Values["needs_old"] == "on"
	customer.Note = affected.Line(form.Values["note"], 300)
	switch settled := form.Values["settled"] == "on"; {
	case !settled:
		customer.Settled = time.Time{}
	case customer.Settled.IsZero():
		customer.Settled = p.Now.UTC().Truncate(time.Millisecond)
	}
	if customer.Kind == affected.Domain {
		customer.Emails = nil
		for _, text := range strings.Fields(form.Values["emails"]) {
			a, err := message.ParseAddress(text)
			if err != nil {
				form.Add("emails", p.FaultText(fault.As(err), text))
				continue
			}
			customer.Emails = append(customer.Emails, a)
		}
		if len(customer.Emails) > maxEmails {
			form.Add("emails", p.T("affected.emails.many", "n", maxEmails))
		}
	}
	if !form.Valid() {
		return c.customerPage(w, r, p, http.StatusUnprocessableEntity, customer, plan, form)
	}
	if err := c.Customers.PutCustomer(r.Context(), customer); err != nil {
		return fmt.Errorf("keep customer: %w", err)
	}
	frame.Redirect(w, r, customerPath(customer), "saved")
	return nil
}

// deed ends a button of the customer's page: what was refused is told on the page.
func (c Config) deed(w http.ResponseWriter, r *http.Request, p frame.Page, done string, do func(affected.Customer) error) error {
	customer, plan, err := c.find(r, p)
	if err != nil {
		return err
	}
	err = do(customer)
	if f := fault.As(err); f != nil && (f.Kind == fault.Conflict || f.Kind == fault.Limited || f.Kind == fault.Invalid) {
		form := customerForm(customer)
		form.Add("", p.FaultText(f, ""))
		return c.customerPage(w, r, p, http.StatusConflict, customer, plan, form)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, customerPath(customer), done)
	return nil
}

func (c Config) test(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.deed(w, r, p, "tested", func(customer affected.Customer) error {
		return c.Announcer.Test(r.Context(), p.Tenant(), customer.ID, ingest.Principal{Tenant: p.Tenant(), Actor: p.Who.User.ID.String(), Door: "office"})
	})
}

func (c Config) remind(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.deed(w, r, p, "reminded", func(customer affected.Customer) error {
		return c.Announcer.Remind(r.Context(), p.Tenant(), customer.ID)
	})
}

func softwareText(p frame.Page, c affected.Customer) string {
	if c.Software == "" {
		return ""
	}
	return p.T("leads.software." + c.Software)
}

func problemText(p frame.Page, c affected.Customer) string {
	if problem := c.Problem(p.Now); problem != affected.NoProblem {
		return p.T("affected.problem." + string(problem))
	}
	return p.T("affected.problem.none")
}

// problemMark colours a problem as delivery states are coloured.
func problemMark(c affected.Customer, now time.Time) string {
	switch c.Problem(now) {
	case affected.XMLMissing, affected.BlamesNew, affected.RefusesMore:
		return "bounced"
	case affected.DefersMore, affected.IsSlower:
		return "deferred"
	case affected.TestSilent, affected.AdmitsByList:
		return "held"
	}
	return "delivered"
}

func stateText(p frame.Page, plan changeover.Changeover, c affected.Customer) string {
	return p.T("affected.state."+string(c.State(plan.New)), "n", c.Proven(plan.New), "total", len(plan.New))
}

// evidenceText says on what the finding rests, with its counts.
func evidenceText(p frame.Page, c affected.Customer) string {
	f := c.Finding
	mails := func(n affected.Side) string { return p.Number(int64(n.Mails)) }
	switch c.Problem(p.Now) {
	case affected.XMLMissing:
		if f.Cases > 0 {
			return p.T("affected.evidence.cases", "n", f.Cases, "date", p.Date(f.CaseAt))
		}
		return p.T("affected.evidence.half")
	case affected.BlamesNew:
		if f.Fallback.Count > 0 {
			return p.T("affected.evidence.fallback", "n", f.Fallback.Count, "reply", frame.Shorten(f.Fallback.Reply, 120))
		}
		return p.T("affected.evidence.blamed", "n", f.Blamed.Count, "reply", frame.Shorten(f.Blamed.Reply, 120))
	case affected.RefusesMore, affected.DefersMore, affected.IsSlower:
		for _, s := range f.Sites {
			switch {
			case s.Is(affected.Refused):
				return p.T("affected.evidence.refused", "new", s.New.Refused, "newof", mails(s.New), "old", s.Old.Refused, "oldof", mails(s.Old))
			case s.Is(affected.Deferred):
				return p.T("affected.evidence.deferred", "new", s.New.Deferred, "newof", mails(s.New), "old", s.Old.Deferred, "oldof", mails(s.Old))
			case s.Is(affected.Slower):
				return p.T("affected.evidence.slower", "more", i18n.Span(p.Lang, s.New.Median-s.Old.Median), "new", mails(s.New), "old", mails(s.Old))
			}
		}
	case affected.TestSilent:
		return p.T("affected.evidence.silent", "n", len(c.Tests), "date", p.Date(c.Tests[0].SentAt))
	case affected.AdmitsByList:
		if c.Note != "" {
			return c.Note
		}
		return p.T("affected.evidence.lists")
	}
	if n := compared(f); n > 0 {
		return p.T("affected.evidence.alike", "n", n)
	}
	return p.T("affected.evidence.few")
}

// compared counts the mails over new sources at sites where there were enough of both.
func compared(f affected.Finding) (n int) {
	for _, s := range f.Sites {
		if !s.Is(affected.TooFew) {
			n += s.New.Mails
		}
	}
	return n
}
