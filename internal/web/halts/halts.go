// Package halts shows staff of the platform whose bulk mail is halted, why, and lets
// them release it with a reason; and an account that its own is, and the way back: it says
// what it changed, by itself once in 30 days, and else staff let it go on.
//
// It is a subject of the door web (floor 4). When to halt is decided by audience.
package halts

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Breaker keeps the halts; *audience.Service does.
type Breaker interface {
	Halts(ctx context.Context) ([]audience.Halt, error)
	HaltOf(ctx context.Context, t tenant.ID) (h audience.Halt, ok bool, err error)
	ReleaseBulk(ctx context.Context, t tenant.ID, actor, why string) error
	ResumeBulk(ctx context.Context, t tenant.ID, actor, why string) error
	MayResume(ctx context.Context, t tenant.ID) (bool, error)
	LimitsOf(t tenant.ID) audience.Limits
}

// Tenants tells the names of accounts; tenant.Store does.
type Tenants interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
}

// Config is what the page stands on. All fields are needed.
type Config struct {
	Breaker Breaker
	Tenants Tenants
}

const (
	path = "/platform/halts"
	room = "halts"
	own  = "/halt"
)

// Routes are the page and its form.
func Routes(c Config) []frame.Route {
	return []frame.Route{
		{Pattern: "GET " + path, Access: frame.Staff, Permission: tenant.PlatformTenants, Do: c.show,
			Entry: frame.Entry{Room: room, Icon: "held", Group: frame.GroupStaff}},
		{Pattern: "GET " + path + ".csv", Access: frame.Staff, Permission: tenant.PlatformTenants, Do: c.export},
		{Pattern: "GET " + own, Permission: tenant.MessagesRead, Do: c.showOwn},
		{Pattern: "POST " + own, Permission: tenant.ContactsWrite, Act: "halt.resume", Do: c.resume},
		{Pattern: "POST " + path, Access: frame.Staff, Permission: tenant.PlatformTenants, Do: c.release},
	}
}

// halt is one line, with a form if it is in force.
type halt struct {
	audience.Halt
	account string
	form    frame.Form
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.page(w, r, p, http.StatusOK, tenant.ID{}, frame.Form{})
}

// page shows the halts; form is what was sent about one tenant and refused.
func (c Config) page(w http.ResponseWriter, r *http.Request, p frame.Page, status int, about tenant.ID, form frame.Form) error {
	v, found, err := c.list(r, p)
	if err != nil {
		return err
	}
	var now, before []halt
	for _, line := range found {
		if !line.InForce() {
			before = append(before, line)
			continue
		}
		if line.Tenant == about {
			line.form = form
		}
		now = append(now, line)
	}
	p.Room, p.Title = room, p.T("nav.halts")
	return p.Render(w, r, status, haltsPage(p, v, now, before))
}

// list reads the halts that the address asks for, with the names of their accounts.
func (c Config) list(r *http.Request, p frame.Page) (frame.View, []halt, error) {
	found, err := c.Breaker.Halts(r.Context())
	if err != nil {
		return frame.View{}, nil, fmt.Errorf("halts: %w", err)
	}
	list := make([]halt, len(found))
	for i, h := range found {
		list[i] = halt{Halt: h, account: h.Tenant.String()}
		if t, err := c.Tenants.Tenant(r.Context(), h.Tenant); err == nil { // without its name the page still tells
			list[i].account = t.Name
		}
	}
	v, list := roll(p).Read(r, list)
	return v, list, nil
}

func roll(p frame.Page) frame.Roll[halt] {
	cell := func(key string, text func(halt) string) frame.Cell[halt] {
		return frame.Cell[halt]{Column: frame.Column{Key: key, Title: p.T("halts.col." + key)}, Text: text}
	}
	return frame.Roll[halt]{Listing: frame.Listing{Path: path, Sort: "at", Descending: true}, Cells: []frame.Cell[halt]{
		cell("account", func(h halt) string { return h.account }),
		cell("at", func(h halt) string { return frame.Stamp(h.At) }),
		cell("figures", func(h halt) string { return Figures(p, h.Halt) }),
		cell("released", func(h halt) string {
			if h.InForce() {
				return ""
			}
			return frame.Stamp(h.ReleasedAt)
		}),
		cell("note", func(h halt) string { return h.Note }),
	}}
}

func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	_, list, err := c.list(r, p)
	if err != nil {
		return err
	}
	return roll(p).CSV(w, p, p.T("halts.file"), list)
}

func (c Config) release(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	t, err := id.Parse[tenant.Kind](r.PostForm.Get("tenant"))
	if err != nil {
		return fault.New(fault.NotFound, "halt_not_found", "There is no such tenant.")
	}
	why := strings.TrimSpace(r.PostForm.Get(field(t)))
	err = c.Breaker.ReleaseBulk(r.Context(), t, p.Who.User.ID.String(), why)
	if f := fault.As(err); f != nil && f.Kind == fault.Invalid {
		form := frame.Form{Values: map[string]string{field(t): why}}
		form.Add(field(t), p.FaultText(f, why))
		return c.page(w, r, p, http.StatusUnprocessableEntity, t, form)
	}
	if err != nil {
		return fmt.Errorf("release bulk mail: %w", err)
	}
	frame.Redirect(w, r, path, "released")
	return nil
}

// field names the input for the reason; each of the page's forms has its own, as an
// identifier may stand on a page once.
func field(t tenant.ID) string { return "reason-" + t.String() }

// Figures tells in one sentence what was too much, for staff and for the tenant.
func Figures(p frame.Page, h audience.Halt) string {
	n := h.Of(h.Cause)
	share := 0.0
	if h.Sent > 0 {
		share = float64(n) * 100 / float64(h.Sent)
	}
	return p.T("halts.figures."+string(h.Cause), "n", p.Number(int64(n)), "sent", p.Number(int64(h.Sent)),
		"share", decimal(p, share), "hours", int(h.Window/time.Hour))
}

// decimal writes a share in percent with two digits, as the reader's language does.
func decimal(p frame.Page, share float64) string {
	text := fmt.Sprintf("%.2f", share)
	if p.Lang != "en" {
		text = strings.Replace(text, ".", ",", 1)
	}
	return text
}
