// Package tickets is „Anfragen“: where an account asks the platform and reads its answers,
// also a locked one, which appeals here; and the queue of staff, who answer and decide
// appeals.
//
// It is a subject of the door web (floor 4). Package ticket keeps what was said and the
// rules of who may say it.
package tickets

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/ticket"
	"stafette/internal/web/approvals"
	"stafette/internal/web/frame"
)

// Tickets keeps them; *ticket.Service does.
type Tickets interface {
	Tickets(ctx context.Context, t tenant.ID) ([]ticket.Ticket, error)
	Ticket(ctx context.Context, t tenant.ID, k ticket.ID) (ticket.Ticket, error)
	Queue(ctx context.Context, states ...ticket.State) ([]ticket.Ticket, error)
	Find(ctx context.Context, k ticket.ID) (ticket.Ticket, error)
	Open(ctx context.Context, t tenant.Tenant, w ticket.Wish, actor string) (ticket.Ticket, error)
	Reply(ctx context.Context, k ticket.Ticket, text string, files []ticket.File, actor string, staff bool) (ticket.Ticket, error)
	Close(ctx context.Context, k ticket.Ticket, text, actor string, staff bool) (ticket.Ticket, error)
	Judges(ctx context.Context, k ticket.Ticket, email string) error
	Decide(ctx context.Context, k ticket.Ticket, grant bool, reason, actor string) (ticket.Ticket, error)
	Entries(ctx context.Context, k ticket.Ticket) ([]ticket.Entry, error)
	Files(ctx context.Context, k ticket.Ticket) ([]ticket.File, error)
	File(ctx context.Context, k ticket.Ticket, f ticket.FileID) (ticket.File, error)
}

// People names accounts and who spoke for them; tenant.Store does.
type People interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Tickets Tickets
	People  People
}

const (
	path  = "/requests"
	staff = "/platform/requests"
)

// Routes are the pages of tickets. Those of accounts are open to locked ones too.
func Routes(c Config) []frame.Route {
	own, desk := side{c, path, false}, side{c, staff, true}
	read, write := tenant.MessagesRead, tenant.ContactsWrite
	see := tenant.PlatformReviews
	mine := func(pattern string, need tenant.Permission, act string, do func(http.ResponseWriter, *http.Request, frame.Page) error) frame.Route {
		return frame.Route{Pattern: pattern, Permission: need, Act: act, WhenLocked: true, Do: do}
	}
	theirs := func(pattern string, need tenant.Permission, act string, do func(http.ResponseWriter, *http.Request, frame.Page) error) frame.Route {
		return frame.Route{Pattern: pattern, Access: frame.Staff, Permission: need, Act: act, Do: do}
	}
	list, queue := mine("GET "+path, read, "", own.list), theirs("GET "+staff, see, "", desk.list)
	list.Entry = frame.Entry{Room: "requests", Icon: "mail", Group: frame.GroupAdministration}
	queue.Entry = frame.Entry{Room: "tickets", Icon: "mail", Group: frame.GroupStaff}
	return []frame.Route{
		list,
		mine("GET "+path+".csv", read, "", own.export),
		mine("GET "+path+"/new", write, "", c.showNew),
		mine("POST "+path, write, "requests.open", c.open),
		mine("GET "+path+"/{id}", read, "", own.show),
		mine("POST "+path+"/{id}/reply", write, "requests.reply", own.reply),
		mine("POST "+path+"/{id}/close", write, "requests.close", own.close),
		mine("GET "+path+"/{id}/files/{file}", read, "", own.file),
		queue,
		theirs("GET "+staff+".csv", see, "", desk.export),
		theirs("GET "+staff+"/{id}", see, "", desk.show),
		theirs("POST "+staff+"/{id}/reply", see, "requests.answer", desk.reply),
		theirs("POST "+staff+"/{id}/close", see, "requests.close", desk.close),
		theirs("POST "+staff+"/{id}/decide", tenant.PlatformReview, "requests.decide", desk.decide),
		theirs("GET "+staff+"/{id}/files/{file}", see, "", desk.file),
	}
}

// side is one of the two sides of a ticket, with its pages.
type side struct {
	Config
	home  string
	staff bool
}

// row is a line of a list.
type row struct {
	ticket.Ticket
	account string
}

func (s side) roll(p frame.Page) frame.Roll[row] {
	cell := func(key string, text func(row) string) frame.Cell[row] {
		return frame.Cell[row]{Column: frame.Column{Key: key, Title: p.T("ticket.col." + key)}, Text: text}
	}
	cells := []frame.Cell[row]{
		cell("subject", func(v row) string { return v.Subject }),
		cell("category", func(v row) string { return p.T("ticket.category." + string(v.Category)) }),
		cell("state", func(v row) string { return word(p, s.staff, v.State) }),
		cell("changed", func(v row) string { return frame.Stamp(v.ChangedAt) }),
	}
	if s.staff {
		cells = slices.Insert(cells, 1, cell("account", func(v row) string { return v.account }))
	}
	states := make([]string, 0, len(ticket.States()))
	for _, one := range ticket.States() {
		states = append(states, string(one))
	}
	return frame.Roll[row]{Listing: frame.Listing{Path: s.home, Sort: "changed", Descending: !s.staff, Filters: []string{"state"}, Choices: map[string][]string{"state": states}}, Cells: cells}
}

// word is what a state is called by a side.
func word(p frame.Page, staff bool, s ticket.State) string {
	if staff {
		return p.T("ticket.state.staff." + string(s))
	}
	return p.T("ticket.state." + string(s))
}

// mark is the mark of a state, in the colours of deliveries.
func mark(staff bool, s ticket.State) string {
	switch {
	case s == ticket.Closed:
		return "delivered"
	case (s == ticket.Open) == staff:
		return "signal"
	}
	return "queued"
}

func (s side) rows(r *http.Request, p frame.Page) (frame.View, []row, error) {
	var found []ticket.Ticket
	var err error
	roll := s.roll(p)
	state := ticket.State(frame.ReadView(r, roll.Listing).Filter("state"))
	switch {
	case !s.staff:
		found, err = s.Tickets.Tickets(r.Context(), p.Tenant())
	case state != "":
		found, err = s.Tickets.Queue(r.Context(), state)
	default:
		found, err = s.Tickets.Queue(r.Context(), ticket.Open, ticket.Answered)
	}
	if err != nil {
		return frame.View{}, nil, fmt.Errorf("tickets: %w", err)
	}
	names := map[tenant.ID]string{}
	var list []row
	for _, k := range found {
		if state != "" && k.State != state {
			continue
		}
		v := row{Ticket: k}
		if s.staff {
			if err := s.Tickets.Judges(r.Context(), k, p.Who.User.Email); fault.IsKind(err, fault.Forbidden) {
				continue // the appeal of an account that the reader has to do with
			} else if err != nil {
				return frame.View{}, nil, fmt.Errorf("tickets: %w", err)
			}
			v.account = s.account(r.Context(), names, k.Tenant)
		}
		list = append(list, v)
	}
	v, list := roll.Read(r, list)
	return v, list, nil
}

func (s side) account(ctx context.Context, known map[tenant.ID]string, t tenant.ID) string {
	if known[t] == "" {
		known[t] = t.String()
		if one, err := s.People.Tenant(ctx, t); err == nil { // without its name the line still tells
			known[t] = one.Name
		}
	}
	return known[t]
}

func (s side) list(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, list, err := s.rows(r, p)
	if err != nil {
		return err
	}
	p.Room = s.room()
	p.Title = p.T("nav." + p.Room)
	return p.Render(w, r, http.StatusOK, listPage(p, s, v, list))
}

func (s side) room() string {
	if s.staff {
		return "tickets"
	}
	return "requests"
}

func (s side) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	_, list, err := s.rows(r, p)
	if err != nil {
		return err
	}
	return s.roll(p).CSV(w, p, p.T("ticket.file"), list)
}

func (c Config) showNew(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f := frame.Form{Values: map[string]string{"category": r.URL.Query().Get("category"), "ref": r.URL.Query().Get("ref"), "subject": ""}}
	if !slices.Contains(ticket.Asked(), ticket.Category(f.Values["category"])) {
		f.Values["category"] = string(ticket.Other)
	}
	if key := "ticket.subject." + f.Values["category"]; f.Values["ref"] != "" && p.Has(key) {
		f.Values["subject"] = p.T(key)
	}
	return c.newForm(w, r, p, http.StatusOK, f)
}

// locked reports whether the reader's account is.
func locked(p frame.Page) bool { return p.Who.Tenant.State == tenant.Locked }

func (c Config) newForm(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	if p.Room, p.Title = "requests", p.T("ticket.new"); locked(p) {
		p.Title = p.T("ticket.appeal")
	}
	return p.Render(w, r, status, newPage(p, f))
}

func (c Config) open(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	in, files, err := approvals.ReadUpload(w, r, p.Now)
	f := frame.Form{Values: map[string]string{"category": in.Get("category"), "ref": in.Get("ref"), "subject": in.Get("subject"), "text": in.Get("text")}}
	var k ticket.Ticket
	if err == nil {
		wish := ticket.Wish{Category: ticket.Category(in.Get("category")), Subject: in.Get("subject"), Ref: in.Get("ref"), Text: in.Get("text"), Files: files}
		if locked(p) {
			wish.Category, wish.Subject = ticket.Appeal, p.T("ticket.appeal")
		}
		k, err = c.Tickets.Open(r.Context(), p.Who.Tenant, wish, p.Who.User.ID.String())
	}
	if refused(p, &f, err) {
		return c.newForm(w, r, p, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, path+"/"+k.ID.String(), "opened")
	return nil
}

// refused puts what is wrong into the form, also of files that are too large and of what
// the state does not allow.
func refused(p frame.Page, f *frame.Form, err error) bool {
	if e := fault.As(err); e != nil {
		switch {
		case e.Kind == fault.TooLarge:
			f.Add("file", p.FaultText(e, ""))
			return true
		case e.Kind == fault.Conflict || e.Code == ticket.CodeOwn:
			f.Add("text", p.FaultText(e, ""))
			return true
		}
	}
	return frame.Refused(p, f, err, "text")
}

// thread is what the page of a ticket shows.
type thread struct {
	ticket.Ticket
	side
	account string
	entries []ticket.Entry
	files   map[ticket.FileID]ticket.File
	names   map[string]string
}

func (v thread) path() string { return v.home + "/" + v.ID.String() }

// read finds the ticket of the path: of the own account, or for staff of any.
func (s side) read(r *http.Request, p frame.Page) (ticket.Ticket, error) {
	k, err := id.Parse[ticket.Kind](r.PathValue("id"))
	if err != nil {
		return ticket.Ticket{}, fault.New(fault.NotFound, ticket.CodeUnknown, "There is no such ticket.")
	}
	if s.staff {
		found, err := s.Tickets.Find(r.Context(), k)
		if err == nil {
			err = s.Tickets.Judges(r.Context(), found, p.Who.User.Email)
		}
		return found, err
	}
	return s.Tickets.Ticket(r.Context(), p.Tenant(), k)
}

func (s side) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	k, err := s.read(r, p)
	if err != nil {
		return err
	}
	return s.page(w, r, p, http.StatusOK, k, frame.Form{Values: map[string]string{}})
}

func (s side) page(w http.ResponseWriter, r *http.Request, p frame.Page, status int, k ticket.Ticket, f frame.Form) error {
	v := thread{Ticket: k, side: s, files: map[ticket.FileID]ticket.File{}, names: map[string]string{}}
	var err error
	if v.entries, err = s.Tickets.Entries(r.Context(), k); err != nil {
		return err
	}
	files, err := s.Tickets.Files(r.Context(), k)
	if err != nil {
		return err
	}
	for _, one := range files {
		v.files[one.ID] = one
	}
	v.account = s.account(r.Context(), map[tenant.ID]string{}, k.Tenant)
	for _, e := range v.entries {
		v.names[e.Actor] = s.name(r.Context(), p, k, e)
	}
	p.Room, p.Title = s.room(), k.Subject
	return p.Render(w, r, status, ticketPage(p, v, f))
}

// name is who spoke. Which person of the platform it was is told to staff alone.
func (s side) name(ctx context.Context, p frame.Page, k ticket.Ticket, e ticket.Entry) string {
	of := k.Tenant
	if e.Staff {
		if of = (tenant.ID{}); !s.staff {
			return p.T("ticket.by.platform")
		}
	}
	if u, err := id.Parse[tenant.UserKind](e.Actor); err == nil {
		if who, err := s.People.User(ctx, of, u); err == nil && who.Name != "" { // who left is not named any more
			return who.Name
		}
	}
	if e.Staff {
		return p.T("ticket.by.platform")
	}
	return p.T("ticket.by.account")
}

// say does something to the ticket of the path with what was sent.
func (s side) say(w http.ResponseWriter, r *http.Request, p frame.Page, done string, do func(k ticket.Ticket, text string, files []ticket.File, choice string) error) error {
	k, err := s.read(r, p)
	if err != nil {
		return err
	}
	in, files, err := approvals.ReadUpload(w, r, p.Now)
	f := frame.Form{Values: map[string]string{"text": in.Get("text"), "verdict": in.Get("verdict")}}
	if err == nil {
		err = do(k, in.Get("text"), files, in.Get("verdict"))
	}
	if refused(p, &f, err) {
		return s.page(w, r, p, http.StatusUnprocessableEntity, k, f)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, s.home+"/"+k.ID.String(), done)
	return nil
}

func (s side) reply(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return s.say(w, r, p, "sent", func(k ticket.Ticket, text string, files []ticket.File, _ string) error {
		_, err := s.Tickets.Reply(r.Context(), k, text, files, p.Who.User.ID.String(), s.staff)
		return err
	})
}

func (s side) close(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return s.say(w, r, p, "closed", func(k ticket.Ticket, _ string, _ []ticket.File, _ string) error {
		_, err := s.Tickets.Close(r.Context(), k, "", p.Who.User.ID.String(), s.staff)
		return err
	})
}

func (s side) decide(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return s.say(w, r, p, "decided", func(k ticket.Ticket, text string, _ []ticket.File, verdict string) error {
		if verdict != string(ticket.Grant) && verdict != string(ticket.Deny) {
			return fault.Field("verdict", "ticket_verdict", "Choose one.")
		}
		_, err := s.Tickets.Decide(r.Context(), k, verdict == string(ticket.Grant), text, p.Who.User.ID.String())
		return err
	})
}

// file hands out a file to keep: what strangers brought is never shown within the office.
func (s side) file(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	k, err := s.read(r, p)
	if err != nil {
		return err
	}
	unknown := fault.New(fault.NotFound, ticket.CodeUnknown, "There is no such file.")
	name := ticket.FileID{}
	if err := name.UnmarshalText([]byte(r.PathValue("file"))); err != nil {
		return unknown
	}
	f, err := s.Tickets.File(r.Context(), k, name)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", f.Type)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}))
	h.Set("Content-Length", strconv.Itoa(len(f.Body)))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", "no-store")
	_, err = w.Write(f.Body)
	return err
}

// stations are what was said, for the slip.
func stations(p frame.Page, v thread) (list []frame.Station) {
	for _, e := range v.entries {
		s := frame.Station{Clock: p.Time(e.At()), Small: p.Date(e.At()), Mark: "queued", Title: p.T("ticket.act." + string(e.Act)), Text: e.Text, Route: v.names[e.Actor]}
		switch e.Act {
		case ticket.Answer:
			s.Mark = "signal"
		case ticket.Close, ticket.Grant:
			s.Mark = "delivered"
		case ticket.Deny:
			s.Mark = "bounced"
		}
		for _, name := range e.Files {
			s.Route += " · " + v.files[name].Name
		}
		list = append(list, s)
	}
	return list
}

// waited is how long a ticket has lain, in words.
func waited(p frame.Page, at time.Time) string {
	hours := int(p.Now.Sub(at).Hours())
	if hours < 1 {
		return p.T("ticket.waited.hardly")
	}
	return p.T("ticket.waited", "d", hours/24, "h", hours%24)
}

// canReply reports whether the reader may write into the ticket.
func (v thread) canReply(p frame.Page) bool {
	if v.staff {
		return v.State != ticket.Closed
	}
	return p.Can(tenant.ContactsWrite) && (v.State != ticket.Closed || v.Category != ticket.Appeal)
}

// shown are the files in the order of their names.
func (v thread) shown() []ticket.File {
	list := make([]ticket.File, 0, len(v.files))
	for _, f := range v.files {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b ticket.File) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return list
}
