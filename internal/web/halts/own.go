package halts

import (
	"fmt"
	"net/http"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/web/frame"
)

// standing is how an account's own bulk mail stands.
type standing struct {
	halt   audience.Halt // zero: it goes out
	self   bool          // the account may end the halt by itself
	limits audience.Limits
	form   frame.Form
}

func (c Config) showOwn(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.ownPage(w, r, p, http.StatusOK, frame.Form{Values: map[string]string{}})
}

func (c Config) ownPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	h, _, err := c.Breaker.HaltOf(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("own halt: %w", err)
	}
	may, err := c.Breaker.MayResume(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("own halt: %w", err)
	}
	if !h.InForce() {
		h = audience.Halt{}
	}
	p.Room, p.Title = "overview", p.T("halt.title")
	return p.Render(w, r, status, ownHalt(p, standing{h, may, c.Breaker.LimitsOf(p.Tenant()), f}))
}

func (c Config) resume(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f := frame.Form{Values: map[string]string{"reason": strings.TrimSpace(r.PostForm.Get("reason"))}}
	err := c.Breaker.ResumeBulk(r.Context(), p.Tenant(), p.Who.User.ID.String(), f.Value("reason"))
	if frame.Refused(p, &f, err, "reason") {
		return c.ownPage(w, r, p, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, own, "released")
	return nil
}

// limit tells from what on it is too much.
func limit(p frame.Page, l audience.Limits, cause audience.Cause) string {
	of := l.Unsubscribes
	switch cause {
	case audience.TooManyComplaints:
		of = l.Complaints
	case audience.TooManyBounces:
		of = l.Hard
	}
	share := strings.TrimRight(strings.TrimRight(decimal(p, float64(of.Share)/10), "0"), ".,")
	return p.T("halt.limit."+string(cause), "share", share, "least", p.Number(int64(of.Least)))
}
