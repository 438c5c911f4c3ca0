package ticket

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Row is a ticket as the database keeps it: what is asked for alone, and the rest sealed.
type Row struct {
	ID        ID
	Tenant    tenant.ID
	Version   int64
	Category  Category
	State     State
	ChangedAt time.Time
	Sealed    []byte
}

// Line is an Entry as the database keeps it.
type Line struct {
	ID     EntryID
	Sealed []byte
}

// Exhibit is a File as the database keeps it, both sealed. Body is nil in lists.
type Exhibit struct {
	ID         FileID
	Meta, Body []byte
}

// Store is what this room needs of the database. Each method is one whole transaction.
type Store interface {
	// Ticket returns one; NotFound "ticket_not_found".
	Ticket(ctx context.Context, t tenant.ID, k ID) (Row, error)
	// TicketOf returns one by its identifier, whosever it is; NotFound "ticket_not_found".
	TicketOf(ctx context.Context, k ID) (Row, error)
	// Tickets lists those of a tenant, changed last first, at most limit.
	Tickets(ctx context.Context, t tenant.ID, limit int) ([]Row, error)
	// TicketsIn lists those of all tenants in the states, changed first first, at most limit.
	TicketsIn(ctx context.Context, states []State, limit int) ([]Row, error)
	// SaveTicket keeps a ticket with a new entry and its files, or nothing. It must be in the
	// version before r's (none for version 1), else Conflict "ticket_changed". More files than
	// MaxFiles are Invalid "approval_files".
	SaveTicket(ctx context.Context, r Row, l Line, files []Exhibit) error
	// TicketEntries returns what was said, from old to new.
	TicketEntries(ctx context.Context, t tenant.ID, k ID) ([]Line, error)
	// TicketFiles lists the files of a ticket, without bodies.
	TicketFiles(ctx context.Context, t tenant.ID, k ID) ([]Exhibit, error)
	// TicketFile returns one; NotFound "ticket_not_found".
	TicketFile(ctx context.Context, t tenant.ID, k ID, f FileID) (Exhibit, error)
	// RewriteTicket keeps a ticket's sealed content in the version it is in, and those of its
	// entries; what was there before is not to be found afterwards. A ticket in another version
	// keeps its own.
	RewriteTicket(ctx context.Context, r Row, lines []Line) error
	// DropTickets removes closed tickets that nobody has changed since before, at most limit,
	// and returns how many.
	DropTickets(ctx context.Context, before time.Time, limit int) (int, error)
}

// Locks is what appeals need of the lock of an account.
type Locks interface {
	// LockedBy is who locked it; "" where nobody is named.
	LockedBy(ctx context.Context, t tenant.ID) (string, error)
	// Unlock lets it send again.
	Unlock(ctx context.Context, t tenant.ID, reason string) error
}

// Config is what a Service needs. Fields without a stated default are demanded.
type Config struct {
	Store  Store
	Keeper *seal.Keeper
	Locks  Locks
	Now    func() time.Time
	// Related reports whether whoever has the address email has to do with an account; nil:
	// nobody has.
	Related func(ctx context.Context, email string, t tenant.ID) (bool, error)
	// Tell tells the other side of an entry; nil: nobody.
	Tell func(ctx context.Context, k Ticket, e Entry) error
	Log  *slog.Logger // nil discards
}

// Service opens, answers and closes tickets. It is safe for concurrent use.
type Service struct{ c Config }

// New makes a Service.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c}
}

// content is what is sealed of a ticket.
type content struct {
	Subject  string `json:"subject"`
	Ref      string `json:"ref,omitempty"`
	OpenedBy string `json:"opened_by"`
}

func place(k ID) string { return "ticket/" + k.String() }

func (s *Service) open(r Row, err error) (Ticket, error) {
	if err != nil {
		return Ticket{}, err
	}
	text, err := s.c.Keeper.Open(r.Sealed, place(r.ID))
	var c content
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return Ticket{}, fmt.Errorf("open ticket %s: %w", r.ID, err)
	}
	return Ticket{ID: r.ID, Tenant: r.Tenant, Version: r.Version, Category: r.Category, State: r.State, ChangedAt: r.ChangedAt,
		Subject: c.Subject, Ref: c.Ref, OpenedBy: c.OpenedBy}, nil
}

func (s *Service) openAll(rows []Row, err error) ([]Ticket, error) {
	if err != nil {
		return nil, err
	}
	list := make([]Ticket, len(rows))
	for i, r := range rows {
		if list[i], err = s.open(r, nil); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// listed is how many tickets a list has at most.
const listed = 1000

// Tickets lists an account's tickets, changed last first.
func (s *Service) Tickets(ctx context.Context, t tenant.ID) ([]Ticket, error) {
	return s.openAll(s.c.Store.Tickets(ctx, t, listed))
}

// Ticket returns a ticket of an account; "ticket_not_found".
func (s *Service) Ticket(ctx context.Context, t tenant.ID, k ID) (Ticket, error) {
	return s.open(s.c.Store.Ticket(ctx, t, k))
}

// Queue lists the tickets of all accounts in the states, those that waited longest first; for staff.
func (s *Service) Queue(ctx context.Context, states ...State) ([]Ticket, error) {
	return s.openAll(s.c.Store.TicketsIn(ctx, states, listed))
}

// Find returns a ticket, whosever it is; for staff.
func (s *Service) Find(ctx context.Context, k ID) (Ticket, error) {
	return s.open(s.c.Store.TicketOf(ctx, k))
}

// Wish is what somebody asks.
type Wish struct {
	Category Category
	Subject  string
	Ref      string
	Text     string
	Files    []File
}

// Open opens a ticket of an account, or an appeal of one that is locked. Errors: Invalid for
// "category", "subject", "ref" or "text", "ticket_many", "ticket_locked".
func (s *Service) Open(ctx context.Context, t tenant.Tenant, w Wish, actor string) (Ticket, error) {
	var wrong []*fault.Error
	w.Subject, w.Text = strings.Join(strings.Fields(w.Subject), " "), strings.TrimSpace(w.Text)
	if !w.Category.Valid() {
		wrong = append(wrong, fault.Field("category", "ticket_category", "There is no such category."))
	}
	if n := utf8.RuneCountInString(w.Subject); n < 3 || n > maxSubject || !plain(w.Subject, "") {
		wrong = append(wrong, fault.Field("subject", "ticket_subject", "A subject has 3 to 150 characters."))
	}
	if len(w.Ref) > maxRef || w.Ref != "" && (!strings.HasPrefix(w.Ref, "/") || strings.HasPrefix(w.Ref, "//") || strings.ContainsAny(w.Ref, "\\ \r\n\t") || !plain(w.Ref, "")) {
		wrong = append(wrong, fault.Field("ref", "ticket_ref", "This is no page of the office."))
	}
	wrong = append(wrong, said(w.Text)...)
	if err := fault.Join(wrong); err != nil {
		return Ticket{}, err
	}
	if (w.Category == Appeal) != (t.State == tenant.Locked) {
		return Ticket{}, fault.Field("category", CodeLocked, "A locked account may appeal against its lock, and nothing else.")
	}
	known, err := s.c.Store.Tickets(ctx, t.ID, listed)
	if err != nil {
		return Ticket{}, err
	}
	waiting := 0
	for _, r := range known {
		if r.State == Closed {
			continue
		}
		if waiting++; waiting >= maxOpen || w.Category == Appeal && r.Category == Appeal {
			return Ticket{}, fault.New(fault.Conflict, CodeMany, "Please write to a ticket that is open.")
		}
	}
	now := s.c.Now()
	k := Ticket{ID: id.New[Kind](now), Tenant: t.ID, Category: w.Category, Subject: w.Subject, Ref: w.Ref, OpenedBy: actor}
	return s.say(ctx, k, Entry{Act: Ask, Actor: actor, Text: w.Text}, w.Files)
}

// said checks a text.
func said(text string) []*fault.Error {
	if n := utf8.RuneCountInString(text); n < 3 || n > MaxText || !plain(text, "\r\n\t") {
		return []*fault.Error{fault.Field("text", "ticket_text", "A text has 3 to 4,000 characters.")}
	}
	return nil
}

// plain reports whether a text has no control characters but those allowed.
func plain(text, allowed string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) && !strings.ContainsRune(allowed, r)
	})
}

// Reply adds what somebody says to a ticket: the account (staff false) or the platform. One
// that is closed is opened again by its account. Errors: Invalid for "text", "ticket_many",
// "ticket_closed", "ticket_changed".
func (s *Service) Reply(ctx context.Context, k Ticket, text string, files []File, actor string, staff bool) (Ticket, error) {
	text = strings.TrimSpace(text)
	if err := fault.Join(said(text)); err != nil {
		return k, err
	}
	if k.State == Closed && (staff || k.Category == Appeal) {
		return k, fault.New(fault.Conflict, CodeClosed, "The ticket is closed.")
	}
	act := Ask
	if staff {
		act = Answer
	}
	return s.say(ctx, k, Entry{Act: act, Actor: actor, Staff: staff, Text: text}, files)
}

// Close closes a ticket; text may be empty. An appeal is decided instead.
func (s *Service) Close(ctx context.Context, k Ticket, text, actor string, staff bool) (Ticket, error) {
	if text = strings.TrimSpace(text); text != "" {
		if err := fault.Join(said(text)); err != nil {
			return k, err
		}
	}
	if k.State == Closed || k.Category == Appeal && staff {
		return k, fault.New(fault.Conflict, CodeClosed, "The ticket cannot be closed.")
	}
	return s.say(ctx, k, Entry{Act: Close, Actor: actor, Staff: staff, Text: text}, nil)
}

// Judges refuses who has to do with the account of an appeal: such a person of the platform
// neither reads nor answers nor decides it. Other tickets are open to all staff. Errors:
// Forbidden "appeal_partial".
func (s *Service) Judges(ctx context.Context, k Ticket, email string) error {
	if s.c.Related == nil || k.Category != Appeal {
		return nil
	}
	own, err := s.c.Related(ctx, email, k.Tenant)
	if err != nil {
		return fmt.Errorf("compare reader with account: %w", err)
	}
	if own {
		return fault.New(fault.Forbidden, CodePartial, "Nobody judges the appeal of an account they have to do with.")
	}
	return nil
}

// Decide decides an appeal, with a reason that the account reads: granted unlocks it. Who
// locked the account does not. Errors: Invalid for "text", "appeal_own", "ticket_closed".
func (s *Service) Decide(ctx context.Context, k Ticket, grant bool, reason, actor string) (Ticket, error) {
	reason = strings.Join(strings.Fields(reason), " ")
	if n := utf8.RuneCountInString(reason); n < 3 || n > 500 || !plain(reason, "") {
		return k, fault.Field("text", "reason_malformed", "A reason has 3 to 500 characters.")
	}
	if k.Category != Appeal || k.State == Closed {
		return k, fault.New(fault.Conflict, CodeClosed, "There is no appeal to decide.")
	}
	by, err := s.c.Locks.LockedBy(ctx, k.Tenant)
	if err != nil {
		return k, err
	}
	if by == actor {
		return k, fault.New(fault.Forbidden, CodeOwn, "Who locked the account does not decide its appeal.")
	}
	act := Deny
	if grant {
		act = Grant
		if err := s.c.Locks.Unlock(ctx, k.Tenant, reason); err != nil {
			return k, fmt.Errorf("unlock account: %w", err)
		}
	}
	return s.say(ctx, k, Entry{Act: act, Actor: actor, Staff: true, Text: reason}, nil)
}

// say keeps an entry, and tells of it.
func (s *Service) say(ctx context.Context, k Ticket, e Entry, files []File) (Ticket, error) {
	now := s.c.Now().UTC().Truncate(time.Millisecond)
	e.ID = id.New[EntryKind](now)
	k.Version, k.ChangedAt = k.Version+1, now
	switch e.Act {
	case Ask:
		k.State = Open
	case Answer:
		k.State = Answered
	default:
		k.State = Closed
	}
	if k.Version > maxEntries {
		return k, fault.New(fault.Conflict, CodeMany, "The ticket is too long. Please open another.")
	}
	exhibits := make([]Exhibit, len(files))
	for i, f := range files {
		meta, err := json.Marshal(fileMeta{f.Name, f.Type, f.Size})
		if err != nil {
			return k, fmt.Errorf("seal file: %w", err)
		}
		at := place(k.ID) + "/" + f.ID.String()
		exhibits[i] = Exhibit{ID: f.ID, Meta: s.c.Keeper.Seal(meta, at), Body: s.c.Keeper.Seal(f.Body, at+"/body")}
		e.Files = append(e.Files, f.ID)
	}
	text, err := json.Marshal(content{k.Subject, k.Ref, k.OpenedBy})
	if err != nil {
		return k, fmt.Errorf("seal ticket: %w", err)
	}
	line, err := json.Marshal(e)
	if err != nil {
		return k, fmt.Errorf("seal entry: %w", err)
	}
	err = s.c.Store.SaveTicket(ctx, Row{k.ID, k.Tenant, k.Version, k.Category, k.State, k.ChangedAt, s.c.Keeper.Seal(text, place(k.ID))},
		Line{e.ID, s.c.Keeper.Seal(line, place(k.ID)+"/"+e.ID.String())}, exhibits)
	if err != nil {
		return k, err
	}
	if s.c.Tell != nil {
		if err := s.c.Tell(ctx, k, e); err != nil {
			s.c.Log.ErrorContext(ctx, "nobody told of a ticket", "ticket", k.ID.String(), "err", err)
		}
	}
	return k, nil
}

// fileMeta is what is kept of a file besides its bytes.
type fileMeta struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Size int    `json:"size"`
}

// Entries returns what was said, from old to new.
func (s *Service) Entries(ctx context.Context, k Ticket) ([]Entry, error) {
	lines, err := s.c.Store.TicketEntries(ctx, k.Tenant, k.ID)
	if err != nil {
		return nil, err
	}
	list := make([]Entry, len(lines))
	for i, l := range lines {
		text, err := s.c.Keeper.Open(l.Sealed, place(k.ID)+"/"+l.ID.String())
		if err == nil {
			err = json.Unmarshal(text, &list[i])
		}
		if err != nil {
			return nil, fmt.Errorf("open entry %s: %w", l.ID, err)
		}
		list[i].ID = l.ID
	}
	return list, nil
}

// Files lists the files of a ticket, without bodies.
func (s *Service) Files(ctx context.Context, k Ticket) ([]File, error) {
	found, err := s.c.Store.TicketFiles(ctx, k.Tenant, k.ID)
	if err != nil {
		return nil, err
	}
	list := make([]File, len(found))
	for i, x := range found {
		if list[i], err = s.file(k, x); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// File returns one; "ticket_not_found".
func (s *Service) File(ctx context.Context, k Ticket, f FileID) (File, error) {
	x, err := s.c.Store.TicketFile(ctx, k.Tenant, k.ID, f)
	if err != nil {
		return File{}, err
	}
	return s.file(k, x)
}

func (s *Service) file(k Ticket, x Exhibit) (File, error) {
	at := place(k.ID) + "/" + x.ID.String()
	text, err := s.c.Keeper.Open(x.Meta, at)
	var m fileMeta
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	f := File{ID: x.ID, Name: m.Name, Type: m.Type, Size: m.Size}
	if err == nil && x.Body != nil {
		f.Body, err = s.c.Keeper.Open(x.Body, at+"/body")
	}
	if err != nil {
		return File{}, fmt.Errorf("open file %s: %w", x.ID, err)
	}
	return f, nil
}

// kept is for how long a closed ticket is kept: as long as somebody may have to show what
// was said.
const kept = 3 * 365 * 24 * time.Hour

// Sweep removes closed tickets whose time is over.
func (s *Service) Sweep(ctx context.Context) error {
	_, err := s.c.Store.DropTickets(ctx, s.c.Now().Add(-kept), 500)
	return err
}
