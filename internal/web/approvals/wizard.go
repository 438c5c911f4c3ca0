package approvals

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"stafette/internal/approval"
	"stafette/internal/fault"
	"stafette/internal/web/frame"
)

func number10(n int) string { return strconv.Itoa(n) }

const steps = 3

func stepOf(r *http.Request) (int, error) {
	n, err := strconv.Atoi(r.PathValue("step"))
	if err != nil || n < 1 || n > steps {
		return 0, fault.New(fault.NotFound, approval.CodeUnknown, "There is no such step.")
	}
	return n, nil
}

func (v page) step(n int) string { return fmt.Sprintf("%s/step/%d", v.path(), n) }

// begun is what was written so far; somebody who was turned down begins with what they
// submitted.
func (v page) begun() approval.Submission {
	if !v.DraftedAt.IsZero() {
		return v.Draft
	}
	s := v.Submission
	s.Read = false
	return s
}

// writable reports whether the account may describe the group now.
func (v page) writable() bool { return v.State == approval.Required || v.State == approval.Rejected }

func (c Config) showStep(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	n, err := stepOf(r)
	if err != nil {
		return err
	}
	v, err := c.read(r, p)
	if err != nil {
		return err
	}
	if !v.writable() {
		frame.Redirect(w, r, v.path(), "")
		return nil
	}
	form := formOf(v.begun())
	if n == steps && form.Value("email") == "" {
		form.Values["name"], form.Values["email"] = p.Who.User.Name, p.Who.User.Email
	}
	return c.renderStep(w, r, p, v, n, http.StatusOK, form)
}

func (c Config) renderStep(w http.ResponseWriter, r *http.Request, p frame.Page, v page, n, status int, f frame.Form) error {
	p.Room, p.Title = Room, p.T("approval.of", "group", v.group.Name)
	return p.Render(w, r, status, wizardPage(p, v, n, f))
}

// takeStep keeps what was typed before it is held against any rule, so that nothing is
// lost, and leads on.
func (c Config) takeStep(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	n, err := stepOf(r)
	if err != nil {
		return err
	}
	v, err := c.read(r, p)
	if err != nil {
		return err
	}
	in, err := readForm(w, r, p.Now)
	s := v.begun()
	before := s.Sources
	merge(&s, n, in)
	if err == nil {
		_, err = c.Approvals.SaveDraft(r.Context(), p.Tenant(), v.group.ID, s, in.files, p.Who.User.ID.String())
	}
	if err != nil {
		return c.again(w, r, p, v, n, s, err)
	}
	switch {
	case in.values.Get("to") == "back" && n > 1:
		frame.Redirect(w, r, v.step(n-1), "")
		return nil
	case n == 2 && more(before, s.Sources):
		frame.Redirect(w, r, v.step(2)+"#questions", "")
		return nil
	}
	return c.forward(w, r, p, v, n, s)
}

// more reports whether a source was chosen whose questions did not stand on the page yet.
func more(before, now []approval.Source) bool {
	return slices.ContainsFunc(now, func(s approval.Source) bool {
		return !slices.ContainsFunc(before, func(o approval.Source) bool { return o.Kind == s.Kind })
	})
}

// merge puts what a step asks into the draft.
func merge(s *approval.Submission, n int, in posted) {
	switch n {
	case 1:
		s.Read = in.values.Get("read") == "on"
	case 2:
		s.Sources = sourcesOf(in.values)
	case steps:
		s.Contact = approval.Contact{Name: in.values.Get("name"), Email: in.values.Get("email"), Phone: in.values.Get("phone")}
	}
}

// forward checks a step and goes to the next; the last one submits.
func (c Config) forward(w http.ResponseWriter, r *http.Request, p frame.Page, v page, n int, s approval.Submission) error {
	var err error
	switch {
	case n == 1 && !s.Read:
		err = fault.Field("read", "approval_read", "Say that the group has only addresses that may be used.")
	case n == 2:
		err = s.CheckSources()
	case n == steps:
		if _, err = c.Approvals.Submit(r.Context(), p.Tenant(), v.group.ID, s, p.Who.User.ID.String()); err == nil {
			frame.Redirect(w, r, v.path(), "submitted")
			return nil
		}
	}
	if err != nil {
		return c.again(w, r, p, v, n, s, err)
	}
	frame.Redirect(w, r, v.step(n+1), "")
	return nil
}

// again shows a step that was refused; on the last one, what an earlier one lacks leads
// there.
func (c Config) again(w http.ResponseWriter, r *http.Request, p frame.Page, v page, n int, s approval.Submission, err error) error {
	form := formOf(s)
	if !tell(p, &form, s, err) {
		return err
	}
	if n == steps {
		switch {
		case form.Wrong("read"):
			n = 1
		case !form.Wrong("name") && !form.Wrong("email") && !form.Wrong("phone") && s.CheckSources() != nil:
			n = 2
		}
	}
	v.Draft, v.DraftedAt = s, maxTime(v.DraftedAt, p.Now)
	return c.renderStep(w, r, p, v, n, http.StatusUnprocessableEntity, form)
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
