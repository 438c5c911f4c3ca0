package contacts

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/consent"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/web/frame"
	"stafette/internal/web/messages"
)

// The views of a Kundenakte, as addresses name them.
const (
	tabMessages      = ""
	tabNotifications = "notifications"
	tabHistory       = "history"
	tabNotes         = "notes"
	tabRecord        = "data"
)

// notifications are the streams of mail that a system sends by itself (requirement D1).
func notifications() []tenant.Stream {
	return []tenant.Stream{tenant.Reminder, tenant.Transactional, tenant.System}
}

// counted bounds the numbers on the tabs.
const counted = 1000

// dossier is a Kundenakte: of a contact, or of an address nobody stored.
type dossier struct {
	audience.Contact
	stored bool
	// revocable is until when the last merge into the contact can be taken back; zero: it
	// cannot.
	revocable time.Time
	tab       string
	done      string

	addresses []standing
	bans      []ban
	optins    []consent.Consent
	streams   []frame.Fact
	complaint string // stream of a complaint that holds for it alone

	messages, notifications int
	rows                    []messages.Row
	older                   string
	stations                []frame.Station
	notes                   []note
	form                    frame.Form // of the note
	editing                 audience.NoteID
	fields                  []frame.Fact
}

// standing is how an address fares.
type standing struct {
	address message.Address
	mark    string // icon and colour
	text    string
	consent *tracking.Consent // to being tracked; nil: nobody tracks
}

// ban is a suppression of one of the addresses.
type ban struct {
	audience.Entry
	why, scope, since, until string
}

// base is the address of the page.
func (d dossier) base() string {
	if d.stored {
		return "/contacts/" + d.ID.String()
	}
	return "/contacts/address?address=" + url.QueryEscape(d.Main().String())
}

// at is the address of the page with a view and where it goes on.
func (d dossier) at(tab, after string) string {
	q := url.Values{}
	path := "/contacts/" + d.ID.String()
	if !d.stored {
		path = "/contacts/address"
		q.Set("address", d.Main().String())
	}
	for name, value := range map[string]string{"tab": tab, "after": after} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// key names the person in forms.
func (d dossier) key() string {
	if d.stored {
		return d.ID.String()
	}
	return d.Main().String()
}

func errNoContact() error {
	return fault.New(fault.NotFound, "contact_not_found", "There is no such thing here.")
}

// contactOf reads the contact that the path names. What is no identifier is answered like
// what does not exist.
func (c Config) contactOf(r *http.Request, p frame.Page) (audience.Contact, error) {
	contact, err := id.Parse[audience.ContactKind](r.PathValue("id"))
	if err != nil {
		return audience.Contact{}, errNoContact()
	}
	return c.Book.Contact(r.Context(), p.Tenant(), contact)
}

func (c Config) showContact(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	found, err := c.contactOf(r, p)
	if err != nil {
		return err
	}
	return c.dossier(w, r, p, http.StatusOK, dossier{Contact: found, stored: true})
}

// showAddress opens the Kundenakte of an address: that of its contact, or one that holds
// nothing but the mail.
func (c Config) showAddress(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	a, err := message.ParseAddress(r.URL.Query().Get("address"))
	if err != nil {
		return errNoContact()
	}
	found, stored, err := c.Book.Of(r.Context(), p.Tenant(), a)
	if err != nil {
		return err
	}
	if !stored {
		found = audience.Contact{Tenant: p.Tenant(), Addresses: []message.Address{a}}
	}
	return c.dossier(w, r, p, http.StatusOK, dossier{Contact: found, stored: stored})
}

// dossier fills in the page and shows it.
func (c Config) dossier(w http.ResponseWriter, r *http.Request, p frame.Page, status int, d dossier) error {
	if d.tab == "" {
		d.tab = r.URL.Query().Get("tab")
	}
	known := []string{tabMessages, tabNotifications, tabHistory}
	if d.stored {
		known = append(known, tabNotes, tabRecord)
	}
	if !slices.Contains(known, d.tab) {
		d.tab = tabMessages
	}
	d.done = p.Done("created", "changed", "merged", "unmerged", "merge-stays", "noted", "access")
	if d.stored {
		var err error
		if d.revocable, _, err = c.Book.Undoable(r.Context(), p.Tenant(), d.ID); err != nil {
			return err
		}
	}
	if err := c.standings(r, p, &d); err != nil {
		return err
	}
	if err := c.optins(r, p, &d); err != nil {
		return err
	}
	for _, n := range []struct {
		to      *int
		streams []tenant.Stream
	}{{&d.messages, nil}, {&d.notifications, notifications()}} {
		var err error
		if *n.to, err = c.Mail.CountTo(r.Context(), p.Tenant(), d.Addresses, n.streams, counted); err != nil {
			return fmt.Errorf("count messages: %w", err)
		}
	}
	if err := c.fill(r, p, &d); err != nil {
		return err
	}
	p.Room, p.Title = room, d.Name()
	return p.Render(w, r, status, dossierPage(p, d))
}

func (c Config) fill(r *http.Request, p frame.Page, d *dossier) error {
	switch d.tab {
	case tabMessages:
		return c.mail(r, p, d, nil)
	case tabNotifications:
		return c.mail(r, p, d, notifications())
	case tabHistory:
		return c.history(r, p, d)
	case tabNotes:
		return c.readNotes(r, p, d)
	}
	return c.record(r, p, d)
}

// mail fills in a list of messages.
func (c Config) mail(r *http.Request, p frame.Page, d *dossier, streams []tenant.Stream) error {
	f := insight.PersonFilter{Streams: streams, Limit: pageSize}
	if after, err := id.Parse[message.DeliveryKind](r.URL.Query().Get("after")); err == nil {
		f.After = after
	}
	found, more, err := c.Mail.To(r.Context(), p.Tenant(), d.Addresses, f)
	if err != nil {
		return fmt.Errorf("list messages: %w", err)
	}
	for _, a := range found {
		row := c.row(p, a)
		if len(d.Addresses) > 1 {
			row.Detail = a.Recipient.String()
		}
		d.rows = append(d.rows, row)
	}
	if more {
		d.older = d.at(d.tab, found[len(found)-1].Delivery.ID.String())
	}
	return nil
}

// row tells of one delivery as lists tell of messages.
func (c Config) row(p frame.Page, a insight.Addressed) messages.Row {
	m := a.Message
	m.Deliveries, m.DeliveryCount = []insight.Delivery{a.Delivery}, 1
	row := c.Teller.Row(p, m, "")
	row.Detail = ""
	return row
}

// standings tells how each address fares and whether it may be written to.
func (c Config) standings(r *http.Request, p frame.Page, d *dossier) error {
	var held []audience.Entry // of the main address
	for i, a := range d.Addresses {
		s, err := c.standing(r, p, a)
		if err != nil {
			return err
		}
		page, err := c.List.Suppressions(r.Context(), p.Tenant(), audience.Filter{Hash: c.List.Hash(p.Tenant(), a)})
		if err != nil {
			return fmt.Errorf("read suppressions: %w", err)
		}
		for _, e := range page.Entries {
			if !e.Active(p.Now) {
				continue
			}
			e.Address = a
			d.bans = append(d.bans, banOf(p, e))
			if i == 0 {
				held = append(held, e)
			}
			if e.Stream == "" {
				s.mark, s.text = "suppressed", p.T("contacts.standing.suppressed", "reason", p.T("sup.reason."+string(e.Reason)))
			}
			if e.Reason == audience.Complaint && e.Stream != "" {
				d.complaint = p.T("stream." + string(e.Stream))
			}
		}
		if c.Consents != nil {
			said, err := c.Consents.Of(r.Context(), p.Tenant(), a)
			if err != nil {
				return err
			}
			s.consent = &said
		}
		d.addresses = append(d.addresses, s)
	}
	for _, stream := range tenant.Streams() {
		f := frame.Fact{Name: p.T("stream." + string(stream)), Value: p.T("contacts.may.yes")}
		for _, e := range held {
			if e.Stream == "" || e.Stream == stream {
				f.Value = p.T("contacts.may.no", "reason", p.T("sup.reason."+string(e.Reason)), "date", p.Date(e.CreatedAt))
			}
		}
		d.streams = append(d.streams, f)
	}
	return nil
}

func banOf(p frame.Page, e audience.Entry) ban {
	b := ban{Entry: e, why: p.T("sup.reason." + string(e.Reason)), scope: p.T("sup.stream.any"), since: p.Date(e.CreatedAt)}
	if e.Stream != "" {
		b.scope = p.T("stream." + string(e.Stream))
	}
	if !e.ExpiresAt.IsZero() {
		b.until = p.Date(e.ExpiresAt)
	}
	return b
}

func (c Config) standing(r *http.Request, p frame.Page, a message.Address) (standing, error) {
	s := standing{address: a, mark: "queued", text: p.T("contacts.standing.never")}
	last, _, err := c.Mail.To(r.Context(), p.Tenant(), []message.Address{a}, insight.PersonFilter{Limit: 1})
	if err != nil {
		return s, fmt.Errorf("read last message: %w", err)
	}
	if len(last) == 0 {
		return s, nil
	}
	one := last[0].Delivery
	row := c.row(p, last[0])
	s.mark = string(one.State)
	switch {
	case row.Mark == event.MarkLateBounce:
		s.mark, s.text = "bounced", p.T("contacts.standing.bounced", "reason", row.Reason)
	case one.State == event.Delivered:
		s.text = p.T("contacts.standing.delivered", "time", p.Near(one.UpdatedAt))
	case one.State == event.Bounced, one.State == event.Expired:
		s.text = p.T("contacts.standing.bounced", "reason", row.Reason)
	default:
		s.text = p.T("contacts.standing.other", "state", p.T("state."+string(one.State)+".label"), "time", p.Near(one.UpdatedAt))
	}
	return s, nil
}

const historyShown = 100

// moment is a station with its time, to be put in order.
type moment struct {
	at time.Time
	frame.Station
}

// history puts together what happened to the contact, to its addresses, and to its mail
// where that did not arrive.
func (c Config) history(r *http.Request, p frame.Page, d *dossier) error {
	names := c.names(r.Context(), p)
	var all []moment
	if d.stored {
		acts, err := c.Book.Acts(r.Context(), p.Tenant(), d.ID)
		if err != nil {
			return fmt.Errorf("read acts: %w", err)
		}
		for _, a := range acts {
			all = append(all, moment{a.At, frame.Station{Mark: "queued", Title: p.T("contacts.act." + string(a.Type)), Text: fieldNames(p, a.Fields), Route: names.of(a.Actor)}})
		}
	}
	if d.stored && c.Groups != nil {
		joined, err := c.joined(r, p, d.ID, names)
		if err != nil {
			return err
		}
		all = append(all, joined...)
	}
	for _, a := range d.Addresses {
		acts, err := c.List.History(r.Context(), p.Tenant(), c.List.Hash(p.Tenant(), a))
		if err != nil {
			return fmt.Errorf("read history: %w", err)
		}
		for _, act := range acts {
			all = append(all, moment{act.At, banStation(p, names, a, act)})
		}
	}
	found, _, err := c.Mail.To(r.Context(), p.Tenant(), d.Addresses, insight.PersonFilter{Limit: 2 * historyShown})
	if err != nil {
		return fmt.Errorf("list messages: %w", err)
	}
	for _, a := range found {
		if s, ok := c.mailStation(p, a); ok {
			all = append(all, moment{a.UpdatedAt, s})
		}
	}
	slices.SortStableFunc(all, func(a, b moment) int { return b.at.Compare(a.at) })
	for _, m := range all[:min(len(all), historyShown)] {
		m.Clock, m.Small = p.Time(m.at), p.Date(m.at)
		d.stations = append(d.stations, m.Station)
	}
	return nil
}

func banStation(p frame.Page, names names, a message.Address, act audience.Act) frame.Station {
	mark := map[audience.ActType]string{audience.ActSuppressed: "suppressed", audience.ActLifted: "delivered", audience.ActErased: "cancelled"}[act.Type]
	s := frame.Station{Mark: mark, Title: p.T("sup.act." + string(act.Type)), Text: a.String(), Route: names.of(act.Actor), Reply: act.Note}
	if act.Reason != "" {
		s.Text += ", " + p.T("sup.reason."+string(act.Reason))
	}
	if act.Stream != "" {
		s.Text += ", " + p.T("stream."+string(act.Stream))
	}
	return s
}

// mailStation tells of mail that did not simply arrive.
func (c Config) mailStation(p frame.Page, a insight.Addressed) (frame.Station, bool) {
	row := c.row(p, a)
	s := frame.Station{Mark: string(a.State), Title: p.T("state." + string(a.State) + ".label"), Text: messages.Subject(p, a.Subject), Route: row.Reason}
	switch {
	case row.Mark != "":
		s.Mark, s.Title = "bounced", p.T("mark."+string(row.Mark)+".label")
		if row.Mark == event.MarkComplained {
			s.Mark = "signal"
		}
		return s, true
	case a.State == event.Bounced, a.State == event.Expired, a.State == event.Suppressed, a.State == event.Cancelled:
		return s, true
	}
	return s, false
}
