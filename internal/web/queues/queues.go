// Package queues is where people act on mail that waits: they choose it, see what a
// command would touch, and confirm. Tenants' people see and touch their own mail,
// staff of the platform everybody's.
//
// It is a subject of the door web (floor 4). queue.Operator decides what is done; this
// package only asks and tells.
package queues

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Operator does what is commanded; *queue.Operator is one.
type Operator interface {
	Preview(ctx context.Context, by queue.Caller, a queue.Act) (queue.Preview, error)
	Perform(ctx context.Context, by queue.Caller, token string, progress func(changed, planned int64)) (queue.LogEntry, error)
	Orders(ctx context.Context, by queue.Caller, ended bool) ([]queue.Order, error)
	Log(ctx context.Context, by queue.Caller, limit int) ([]queue.LogEntry, error)
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Operator Operator
	// Ages tells how long mail has waited, of everybody.
	Ages   func(ctx context.Context) (queue.Ages, error)
	People People
}

// People tells the names of accounts and people; tenant.Store does.
type People interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
}

// Routes are the pages, those of tenants and the same for staff.
func Routes(c Config) []frame.Route {
	var list []frame.Route
	for _, of := range []struct {
		base       string
		access     frame.Access
		permission tenant.Permission
		entry      frame.Entry
	}{
		{"/queue", frame.SignedIn, tenant.MessagesCommand, frame.Entry{Room: "queue", Icon: "queued", Key: "w"}},
		{"/platform/queue", frame.Staff, tenant.PlatformQueue, frame.Entry{Room: "queues", Icon: "queued", Group: frame.GroupEgress}},
	} {
		o := office{Config: c, base: of.base, room: of.entry.Room}
		list = append(list,
			frame.Route{Pattern: "GET " + of.base, Access: of.access, Permission: of.permission, Do: o.show, Entry: of.entry},
			frame.Route{Pattern: "GET " + of.base + "/preview", Access: of.access, Permission: of.permission, Do: o.preview},
			frame.Route{Pattern: "GET " + of.base + "/orders.csv", Access: of.access, Permission: of.permission, Do: o.exportOrders},
			frame.Route{Pattern: "GET " + of.base + "/log.csv", Access: of.access, Permission: of.permission, Do: o.exportLog},
			frame.Route{Pattern: "POST " + of.base + "/commands", Access: of.access, Permission: of.permission, Do: o.perform},
		)
		if o.staff() {
			list = append(list, o.ageRoutes()...)
		}
	}
	return list
}

// office is one of the two places the pages stand at.
type office struct {
	Config
	base string
	room string
}

func (o office) staff() bool { return o.base != "/queue" }

func (o office) caller(p frame.Page) queue.Caller {
	by := queue.Caller{Tenant: p.Tenant(), Platform: o.staff(), Actor: p.Who.User.ID.String()}
	return by
}

// commands are those offered.
func (o office) commands() []queue.Command {
	list := []queue.Command{queue.Hold, queue.Resume, queue.Retry, queue.Cancel, queue.Suspend}
	if o.staff() {
		list = append(list, queue.Reroute)
	}
	return list
}

func (o office) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return o.render(w, r, p, http.StatusOK, formOf(r))
}

// fields are the names of the form.
func fields() []string {
	return []string{"command", "tenant", "stream", "tag", "domain", "state", "what", "site", "pool", "next_hop", "hours", "reason", "order"}
}

// formOf reads the form from the address, so that other pages can fill it in.
func formOf(r *http.Request) frame.Form {
	f := frame.Form{Values: map[string]string{}}
	q := r.URL.Query()
	for _, name := range fields() {
		f.Values[name] = frame.Shorten(strings.TrimSpace(strings.ToValidUTF8(q.Get(name), "")), 500)
	}
	return f
}

func (o office) render(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	p.Room, p.Title, p.Live = o.room, p.T("nav."+o.room), true
	if o.staff() {
		p.LiveAt = staffLive
	}
	orders, err := o.Operator.Orders(r.Context(), o.caller(p), false)
	if err != nil {
		return fmt.Errorf("list orders: %w", err)
	}
	log, err := o.Operator.Log(r.Context(), o.caller(p), logDepth(r))
	if err != nil {
		return fmt.Errorf("list commands: %w", err)
	}
	t := tables{form: f, names: o.names(r.Context(), p, orders, log)}
	t.orderView, t.orders = o.orderRoll(p, t.names).Read(r, given(r, o.commands(), orders, orderCommand))
	t.logView, t.log = o.logRoll(p, t.names).Read(r, given(r, o.commands(), log, logCommand))
	t.log = t.log[:min(len(t.log), logShown)]
	return p.Render(w, r, status, page(p, o, t))
}

// preview shows what the command of the address would touch.
func (o office) preview(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f := formOf(r)
	act := o.act(p, &f)
	if f.Valid() {
		v, err := o.Operator.Preview(r.Context(), o.caller(p), act)
		if err == nil {
			p.Room, p.Title = o.room, p.T("queues.preview.title")
			n := o.names(r.Context(), p, nil, []queue.LogEntry{{Act: v.Act}})
			for i, t := range v.Tenants {
				v.Tenants[i].Name = o.accountName(r.Context(), t.Name)
			}
			return p.Render(w, r, http.StatusOK, previewPage(p, o, n, v))
		}
		refusal := fault.As(err)
		if refusal == nil || refusal.Kind != fault.Invalid {
			return err
		}
		f.Add(known(refusal.Field), p.FaultText(refusal, f.Value(known(refusal.Field))))
	}
	return o.render(w, r, p, http.StatusUnprocessableEntity, f)
}

// known is the field of the form that a refusal is about, "" for the whole form.
func known(field string) string {
	switch field {
	case "expires_at":
		return "hours"
	case "command", "site", "pool", "next_hop", "reason":
		return field
	}
	return ""
}

// act reads the form; what cannot be read is noted at its field.
func (o office) act(p frame.Page, f *frame.Form) queue.Act {
	a := queue.Act{Command: queue.Command(f.Value("command")), Reason: f.Value("reason"), Site: f.Value("site"), Pool: f.Value("pool"), NextHop: f.Value("next_hop")}
	a.Selection = queue.Selection{Stream: tenant.Stream(f.Value("stream")), Tag: f.Value("tag"), Domain: strings.TrimPrefix(f.Value("domain"), "@")}
	malformed := func(field string) {
		f.Add(field, p.FaultText(fault.Field(field, "id_malformed", ""), f.Value(field)))
	}
	var err error
	if text := f.Value("tenant"); text != "" && o.staff() {
		if a.Selection.Tenant, err = id.Parse[tenant.Kind](text); err != nil {
			malformed("tenant")
		}
	}
	if text := f.Value("order"); text != "" {
		if a.Order, err = id.Parse[queue.OrderKind](text); err != nil {
			malformed("order")
		}
	}
	switch text := f.Value("what"); {
	case text == "":
	case strings.HasPrefix(text, message.Kind{}.Prefix()+"_"):
		if a.Selection.Message, err = id.Parse[message.Kind](text); err != nil {
			malformed("what")
		}
	default:
		if a.Selection.Delivery, err = id.Parse[message.DeliveryKind](text); err != nil {
			malformed("what")
		}
	}
	if s := event.State(f.Value("state")); s != "" {
		a.Selection.States = []event.State{s}
	}
	if text := f.Value("hours"); text != "" {
		d, err := time.ParseDuration(text + "h")
		if err != nil || d <= 0 || d > 366*24*time.Hour {
			f.Add("hours", p.T("queues.hours.wrong"))
		}
		a.Expires = p.Now.Add(d)
	}
	return a
}

// perform does what a preview showed. It goes on if the reader leaves.
func (o office) perform(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	l, err := o.Operator.Perform(context.WithoutCancel(r.Context()), o.caller(p), r.PostForm.Get("token"), nil)
	if err != nil {
		return err
	}
	frame.Redirect(w, r, o.base, string(l.Act.Command))
	return nil
}

// about says what a selection or scope is about, in one line.
func about(p frame.Page, parts ...string) string {
	var list []string
	for _, s := range parts {
		if s != "" {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return p.T("queues.everything")
	}
	return strings.Join(list, " · ")
}

func stream(p frame.Page, s tenant.Stream) string {
	if s == "" {
		return ""
	}
	return p.Either("stream."+string(s), "queues.other", "word", string(s))
}

// confirmText says what happens on a yes.
func confirmText(p frame.Page, v queue.Preview) string {
	if v.Estimated {
		return p.T("queues.confirm.open", "time", p.Time(v.Expires))
	}
	return p.T("queues.confirm", "time", p.Time(v.Expires))
}
