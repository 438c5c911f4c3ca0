// Package record shows and exports who did what: the entries of a tenant's audit chain
// for its owner, those of the platform for its operators.
//
// It is a subject of the door web (floor 4). Entries are written by the store and
// chained by audit.
package record

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"stafette/internal/audit"
	"stafette/internal/spreadsheet"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Entries reads chains; audit.Store does.
type Entries interface {
	Audit(ctx context.Context, t tenant.ID, f audit.Filter) ([]audit.Entry, error)
	AuditChain(ctx context.Context, t tenant.ID, after int64, limit int) ([]audit.Entry, error)
	PutAudit(ctx context.Context, a audit.Act) error
}

// People tells names; account.People does.
type People interface {
	Users(ctx context.Context, t tenant.ID) ([]tenant.User, error)
	Keys(ctx context.Context, t tenant.ID) ([]tenant.Key, error)
}

// Config is what the page stands on. All of it is needed.
type Config struct {
	Entries Entries
	People  People
}

const (
	room       = "record"
	pageSize   = 50
	exportPage = 500
)

// side is one of the two offices that have the page.
type side struct {
	Config
	path string
}

// Routes are the page and its exports, for tenants and for staff.
func Routes(c Config) []frame.Route {
	own, staff := side{c, "/record"}, side{c, "/platform/record"}
	return []frame.Route{
		{Pattern: "GET /record", Permission: tenant.AuditRead, Do: own.show, Entry: frame.Entry{Room: room, Icon: "queued", Group: frame.GroupAdministration}},
		{Pattern: "GET /record.csv", Permission: tenant.AuditRead, WhenLocked: true, Do: own.exportCSV},
		{Pattern: "GET /record.json", Permission: tenant.AuditRead, WhenLocked: true, Do: own.exportJSON},
		{Pattern: "GET /platform/record", Access: frame.Staff, Permission: tenant.PlatformStaff, Do: staff.show, Entry: frame.Entry{Room: room, Icon: "queued", Group: frame.GroupSystem}},
		{Pattern: "GET /platform/record.csv", Access: frame.Staff, Permission: tenant.PlatformStaff, Do: staff.exportCSV},
		{Pattern: "GET /platform/record.json", Access: frame.Staff, Permission: tenant.PlatformStaff, Do: staff.exportJSON},
	}
}

func (s side) listing(p frame.Page) frame.Listing {
	column := func(key string) frame.Column { return frame.Column{Key: key, Title: p.T("record.col." + key)} }
	network := column("network")
	network.Extra = true
	at := column("at")
	at.Sortable = true
	return frame.Listing{
		Name: "record", Path: s.path, Sort: "at", Descending: true, Filters: []string{"action", "actor", "from", "to"},
		Columns: []frame.Column{at, column("actor"), column("action"), column("target"), column("detail"), network},
	}
}

// question is the view as the record is asked for it; what makes no sense is dropped.
func question(p frame.Page, v frame.View) audit.Filter {
	f := audit.Filter{Action: v.Filter("action"), Actor: v.Filter("actor"), OldestFirst: !v.Descending}
	zone := p.Day(p.Now).Location()
	if day, err := time.ParseInLocation(time.DateOnly, v.Filter("from"), zone); err == nil {
		f.From = day
	}
	if day, err := time.ParseInLocation(time.DateOnly, v.Filter("to"), zone); err == nil {
		f.To = day.AddDate(0, 0, 1)
	}
	if n, err := strconv.ParseInt(v.After, 10, 64); err == nil && n > 0 {
		return goingOn(f, n)
	}
	return f
}

// list is what the page shows.
type list struct {
	side
	frame.View
	entries []audit.Entry
	names   map[string]string // of actors and targets, by their text
	older   string
}

func (s side) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	l := list{side: s, View: frame.ReadView(r, s.listing(p))}
	f := question(p, l.View)
	f.Limit = pageSize + 1
	var err error
	if l.entries, err = s.Entries.Audit(r.Context(), p.Tenant(), f); err != nil {
		return fmt.Errorf("show record: %w", err)
	}
	if len(l.entries) > pageSize {
		l.entries = l.entries[:pageSize]
		l.older = l.With("after", strconv.FormatInt(l.entries[pageSize-1].Seq, 10))
	}
	if l.names, err = s.named(r.Context(), p); err != nil {
		return fmt.Errorf("show record: %w", err)
	}
	p.Room, p.Title = room, p.T("nav.record")
	return p.Render(w, r, http.StatusOK, recordPage(p, l))
}

// named tells who is behind the identifiers of the record.
func (s side) named(ctx context.Context, p frame.Page) (map[string]string, error) {
	names := map[string]string{"operator": p.T("record.operator"), "system": p.T("record.system")}
	users, err := s.People.Users(ctx, p.Tenant())
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		if names[u.ID.String()] = u.Name; u.Name == "" {
			names[u.ID.String()] = u.Email
		}
	}
	keys, err := s.People.Keys(ctx, p.Tenant())
	for _, k := range keys {
		names[k.ID.String()] = k.Name
	}
	return names, err
}

// actorText names who did it. Staff are not named to tenants beyond that they are.
func (l list) actorText(p frame.Page, actor string) string {
	if name := l.names[actor]; name != "" {
		return name
	}
	if strings.HasPrefix(actor, "usr_") && !p.Tenant().IsZero() {
		return p.T("record.gone")
	}
	return actor
}

func (l list) targetText(e audit.Entry) string {
	if name := l.names[e.Target]; name != "" {
		return name
	}
	return e.Target
}

// actionText is the act in words, or its name where nobody has worded it.
func actionText(p frame.Page, action string) string {
	return p.Either("act."+action, "act.other", "action", action)
}

// chosen gives all entries of a view in its order.
func (s side) chosen(ctx context.Context, t tenant.ID, f audit.Filter, do func(audit.Entry) error) error {
	for f.Limit = exportPage; ; {
		page, err := s.Entries.Audit(ctx, t, f)
		if err != nil {
			return fmt.Errorf("export record: %w", err)
		}
		for _, e := range page {
			if err := do(e); err != nil {
				return err
			}
			f = goingOn(f, e.Seq)
		}
		if len(page) < exportPage {
			return nil
		}
	}
}

// goingOn is the question for what comes after an entry.
func goingOn(f audit.Filter, seq int64) audit.Filter {
	if f.OldestFirst {
		f.After = seq
	} else {
		f.Before = seq
	}
	return f
}

// each gives all entries of the chain in order.
func (s side) each(ctx context.Context, t tenant.ID, do func(audit.Entry) error) error {
	for after := int64(0); ; {
		page, err := s.Entries.AuditChain(ctx, t, after, exportPage)
		if err != nil {
			return fmt.Errorf("export record: %w", err)
		}
		for _, e := range page {
			if err := do(e); err != nil {
				return err
			}
			after = e.Seq
		}
		if len(page) < exportPage {
			return nil
		}
	}
}

// begin notes the export in the record itself, and writes the head of the file.
func (s side) begin(w http.ResponseWriter, r *http.Request, p frame.Page, media, ext string) error {
	err := s.Entries.PutAudit(r.Context(), audit.Act{Tenant: p.Tenant(), Actor: p.Who.User.ID.String(), Door: "office", Action: "record.export", Target: ext})
	if err != nil {
		return fmt.Errorf("export record: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", `attachment; filename="`+p.T("record.filename")+"-"+p.Now.UTC().Format(time.DateOnly)+"."+ext+`"`)
	h.Set("Cache-Control", "no-store")
	return nil
}

func (s side) exportCSV(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := s.begin(w, r, p, "text/csv; charset=utf-8", "csv"); err != nil {
		return err
	}
	_, _ = io.WriteString(w, spreadsheet.BOM)
	out := spreadsheet.NewWriter(w, spreadsheet.Semicolon)
	_ = out.Write("seq", "at", "actor", "door", "action", "target", "detail", "network", "prev", "hash")
	v := frame.ReadView(r, s.listing(p))
	v.After = "" // a file begins at the beginning
	err := s.chosen(r.Context(), p.Tenant(), question(p, v), func(e audit.Entry) error {
		return out.Write(
			strconv.FormatInt(e.Seq, 10), e.At.UTC().Format("2006-01-02T15:04:05.000Z"), e.Actor, e.Door, e.Action, e.Target,
			e.Detail, e.Network, hex.EncodeToString(e.Prev[:]), hex.EncodeToString(e.Hash[:]),
		)
	})
	if err != nil {
		p.Broken(out)
	}
	_ = out.Flush()
	return nil
}

// exportJSON writes the whole chain, whatever the view shows: only whole it proves
// anything. It has one entry a line, as "stafette audit verify" reads them.
func (s side) exportJSON(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := s.begin(w, r, p, "application/x-ndjson", "json"); err != nil {
		return err
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	if err := s.each(r.Context(), p.Tenant(), func(e audit.Entry) error { return out.Encode(e) }); err != nil {
		_ = out.Encode(map[string]string{"error": p.T("export.broken")})
	}
	return nil
}
