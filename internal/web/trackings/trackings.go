// Package trackings is the page „Verwaltung › Systemeinstellungen › Trackings“: whether
// and how far mail is tracked, on which legal basis and why, for the account and for each
// stream, what a change would do before it is made, and who changed what; and the page on
// which the office records what a recipient said about it.
//
// It is a subject of the door web (floor 4). Package tracking decides what may be told and
// keeps what was said; what recipients did stands on the pages of messages.
package trackings

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/web/frame"
)

// Settings is what a tenant allows; tracking.Settings is one.
type Settings interface {
	Allowed(ctx context.Context, t tenant.ID) (tracking.Allowed, error)
	History(ctx context.Context, t tenant.ID) ([]tracking.Setting, []tracking.StreamLevel, error)
	Set(ctx context.Context, to tracking.Allowed) (tracking.Allowed, error)
}

// Consents keeps what recipients say; *tracking.Consents does.
type Consents interface {
	Of(ctx context.Context, t tenant.ID, a message.Address) (tracking.Consent, error)
	History(ctx context.Context, t tenant.ID, a message.Address) ([]tracking.Consent, error)
	Record(ctx context.Context, c tracking.Consent) error
	URL(t tenant.ID, a message.Address) string
}

// People tells names; tenant.Store does.
type People interface {
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Settings Settings
	Consents Consents
	People   People
	// Days is how long single activities are kept.
	Days int
}

const (
	room = "trackings"
	path = "/settings/tracking"
	// ConsentPath is the page of one recipient's consent, with ?address=.
	ConsentPath = "/contacts/tracking-consent"
)

// Routes are the pages and their forms.
func Routes(c Config) []frame.Route {
	return []frame.Route{
		{Pattern: "GET " + path, Permission: tenant.SettingsRead, Do: c.show, Entry: frame.Entry{Room: room, Icon: "eye", Group: frame.GroupAdministration}},
		{Pattern: "POST " + path, Permission: tenant.SettingsWrite, Act: "settings.tracking", Do: c.save},
		{Pattern: "POST " + path + "/preview", Permission: tenant.SettingsWrite, Act: frame.Unrecorded, Do: c.preview},
		{Pattern: "GET " + ConsentPath, Permission: tenant.MessagesRead, Do: c.showConsent},
		{Pattern: "POST " + ConsentPath, Permission: tenant.ContactsWrite, Act: "contacts.tracking-consent", Do: c.recordConsent},
	}
}

// board is what the page of settings shows.
type board struct {
	frame.Form
	now     tracking.Allowed
	next    tracking.Allowed // what the form asks for, where effect is shown
	effect  bool
	changes []tracking.Change
	since   string // who set the present state, and when
	done    string
	days    int

	history []change
}

// change is one line of the history.
type change struct {
	at                           string
	who, what, level, basis, why string
}

// streamField is the field of a stream's limit.
func streamField(s tenant.Stream) string { return "stream-" + string(s) }

// limitable are the streams whose tracking a tenant decides; the others are never tracked.
func limitable() []tenant.Stream {
	return []tenant.Stream{tenant.Transactional, tenant.Reminder, tenant.Newsletter}
}

// values writes what is allowed into a form.
func values(a tracking.Allowed) map[string]string {
	v := map[string]string{"level": a.Level.String(), "basis": string(a.Basis), "justification": a.Justification}
	for _, s := range limitable() {
		v[streamField(s)] = a.Streams[s].String()
	}
	return v
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	b := board{done: p.Done("saved")}
	return c.page(w, r, p, http.StatusOK, b)
}

// page fills in what is in force and its history, and shows it.
func (c Config) page(w http.ResponseWriter, r *http.Request, p frame.Page, status int, b board) error {
	ctx, t := r.Context(), p.Tenant()
	var err error
	if b.now, err = c.Settings.Allowed(ctx, t); err != nil {
		return err
	}
	if b.Values == nil {
		b.Values = values(b.now)
	}
	b.days = c.Days
	names := map[string]string{}
	b.since = c.name(ctx, p, names, b.now.By)
	if b.effect {
		b.changes = b.now.Changes(b.next)
	}
	if err := c.readHistory(ctx, p, names, &b); err != nil {
		return err
	}
	p.Room, p.Title = room, p.T("nav.trackings")
	return p.Render(w, r, status, settingsPage(p, b))
}

func (c Config) readHistory(ctx context.Context, p frame.Page, names map[string]string, b *board) error {
	settings, streams, err := c.Settings.History(ctx, p.Tenant())
	if err != nil {
		return err
	}
	for _, l := range streams {
		b.history = append(b.history, change{
			at: p.Full(l.At), who: c.name(ctx, p, names, l.By), what: p.T("stream." + string(l.Stream)), level: levelName(p, l.Level), basis: "–", why: "–",
		})
	}
	for _, s := range settings {
		line := change{at: p.Full(s.At), who: c.name(ctx, p, names, s.By), what: p.T("trk.effect.account"), level: levelName(p, s.Level), basis: basisName(p, s.Basis), why: s.Justification}
		if line.why == "" {
			line.why = "–"
		}
		b.history = append(b.history, line)
	}
	return nil
}

// name is who did something, remembered in known.
func (c Config) name(ctx context.Context, p frame.Page, known map[string]string, by string) string {
	if name, ok := known[by]; ok {
		return name
	}
	name := p.T("trk.who.system")
	switch u, err := id.Parse[tenant.UserKind](by); {
	case by == tracking.ByRecipient:
		name = p.T("trk.who.recipient")
	case err == nil:
		name = by
		if user, err := c.People.User(ctx, p.Tenant(), u); err == nil {
			if name = user.Name; name == "" {
				name = user.Email
			}
		}
	case strings.HasPrefix(by, tenant.KeyKind{}.Prefix()+"_"):
		name = p.T("trk.who.key")
	}
	known[by] = name
	return name
}

// posted reads the form; what makes no sense stands at its field.
func posted(w http.ResponseWriter, r *http.Request, p frame.Page) (board, error) {
	b := board{Form: frame.Form{Values: map[string]string{}}}
	if err := frame.ParseForm(w, r); err != nil {
		return b, err
	}
	level := func(field string) tracking.Level {
		b.Values[field] = r.PostForm.Get(field)
		l, err := tracking.ParseLevel(b.Values[field])
		if e := fault.As(err); e != nil {
			b.Add(field, p.FaultText(e, b.Values[field]))
		}
		return l
	}
	b.Values["basis"], b.Values["justification"] = r.PostForm.Get("basis"), strings.TrimSpace(r.PostForm.Get("justification"))
	b.next = tracking.Allowed{Setting: tracking.Setting{
		Tenant: p.Tenant(), Level: level("level"), Basis: tracking.Basis(b.Values["basis"]), Justification: b.Values["justification"], By: p.Who.User.ID.String(),
	}, Streams: map[tenant.Stream]tracking.Level{}}
	for _, s := range limitable() {
		if l := level(streamField(s)); l != tracking.Unset {
			b.next.Streams[s] = l
		}
	}
	if b.Valid() {
		frame.Refused(p, &b.Form, b.next.Check(), "level")
	}
	return b, nil
}

// preview shows what the form would change.
func (c Config) preview(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	b, err := posted(w, r, p)
	if err != nil {
		return err
	}
	if b.effect = b.Valid(); !b.effect {
		return c.page(w, r, p, http.StatusUnprocessableEntity, b)
	}
	return c.page(w, r, p, http.StatusOK, b)
}

func (c Config) save(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	b, err := posted(w, r, p)
	if err != nil {
		return err
	}
	if b.Valid() {
		_, err = c.Settings.Set(r.Context(), b.next)
		frame.Refused(p, &b.Form, err, "level")
	}
	if !b.Valid() {
		return c.page(w, r, p, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return fmt.Errorf("save tracking: %w", err)
	}
	frame.Redirect(w, r, path, "saved")
	return nil
}

func levelName(p frame.Page, l tracking.Level) string {
	if l == tracking.Unset {
		return p.T("trk.stream.inherit")
	}
	return p.T("trk.level." + l.String())
}

func basisName(p frame.Page, b tracking.Basis) string {
	if b == tracking.BasisNone {
		return p.T("trk.basis.none")
	}
	return p.T("trk.basis." + string(b))
}
