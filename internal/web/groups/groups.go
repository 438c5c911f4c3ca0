// Package groups is the office's room „Gruppen & Freigaben“: the groups that a tenant
// writes to as one, who is in them and where they came from, filters that decide by
// themselves, and lists on their way into a group.
//
// It is a subject of the door web (floor 4). Package audience keeps groups, intake imports
// lists. Whether a group may be written to is told here and decided elsewhere: see
// Config.Approvals and Config.Panel.
package groups

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"stafette/internal/audience"
	"stafette/internal/audience/intake"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Book finds contacts; *audience.Contacts does.
type Book interface {
	Of(ctx context.Context, t tenant.ID, a message.Address) (audience.Contact, bool, error)
	Fields(ctx context.Context, t tenant.ID) ([]audience.Field, error)
}

// People names who did something; tenant.Store does.
type People interface {
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
	Keys(ctx context.Context, t tenant.ID) ([]tenant.Key, error)
}

// Config is what the pages stand on. Groups, Book, Intake and People are needed.
type Config struct {
	Groups *audience.Groups
	Book   Book
	Intake *intake.Service
	People People
	// Approvals tells of approvals in the list and on a group's page; nil: every group
	// needs one, and none can be had yet.
	Approvals audience.Approvals
	// Panel is what a group's page shows of its approval beneath its head, with the way to
	// go on; nil: the state alone.
	Panel func(ctx context.Context, p frame.Page, g audience.Group, a audience.Approval) (templ.Component, error)
}

const (
	room     = "groups"
	path     = "/groups"
	pageSize = 50
)

// Routes are the pages of groups.
func Routes(c Config) []frame.Route {
	read, write := tenant.MessagesRead, tenant.ContactsWrite
	const one = "GET " + path + "/{id}"
	return append([]frame.Route{
		{Pattern: "GET " + path, Permission: read, Do: c.showAll, Entry: frame.Entry{Room: room, Icon: "group", Group: frame.GroupContacts}},
		{Pattern: "GET /groups.csv", Permission: read, Do: c.exportAll},
		{Pattern: "GET " + path + "/new", Permission: write, Do: c.showNew},
		{Pattern: "POST " + path, Permission: write, Do: c.create},
		{Pattern: one, Permission: read, Do: c.show},
		{Pattern: one + "/members.csv", Permission: read, Do: c.exportMembers},
		{Pattern: one + "/edit", Permission: write, Do: c.showEdit},
		{Pattern: "POST " + path + "/{id}", Permission: write, Do: c.change},
		{Pattern: "POST " + path + "/{id}/add", Permission: write, Do: c.add},
		{Pattern: "POST " + path + "/{id}/remove", Permission: write, Do: c.remove},
		{Pattern: "POST " + path + "/{id}/delete", Permission: write, Do: c.delete},
	}, importRoutes(c)...)
}

// line is a group with its approval.
type line struct {
	audience.Group
	approval audience.Approval
}

func (c Config) roll(p frame.Page) frame.Roll[line] {
	column := func(key string, number bool) frame.Column {
		return frame.Column{Key: key, Title: p.T("groups.col." + key), Number: number}
	}
	return frame.Roll[line]{
		Listing: frame.Listing{Path: path, Sort: "name"},
		Cells: []frame.Cell[line]{
			{Column: column("name", false), Text: func(l line) string { return l.Name }},
			{Column: column("approval", false), Text: func(l line) string { return p.T("groups.approval." + string(l.approval.State)) }},
			{Column: column("members", true), Text: func(l line) string { return strconv.FormatInt(l.Members, 10) },
				Order: func(a, b line) int { return int(a.Members - b.Members) }},
			{Column: column("kind", false), Text: func(l line) string { return p.T("groups.kind." + string(l.Kind)) }},
			{Column: column("since", false), Text: func(l line) string { return frame.Stamp(l.CreatedAt) }},
		},
	}
}

func (c Config) lines(r *http.Request, p frame.Page) ([]line, error) {
	found, err := c.Groups.List(r.Context(), p.Tenant())
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	ids := make([]audience.GroupID, len(found))
	for i, g := range found {
		ids[i] = g.ID
	}
	approvals, err := audience.ApprovalsOf(r.Context(), c.Approvals, p.Tenant(), ids)
	if err != nil {
		return nil, fmt.Errorf("read approvals: %w", err)
	}
	list := make([]line, len(found))
	for i, g := range found {
		list[i] = line{g, approvals[g.ID]}
	}
	return list, nil
}

func (c Config) showAll(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	list, err := c.lines(r, p)
	if err != nil {
		return err
	}
	v, shown := c.roll(p).Read(r, list)
	p.Room, p.Title = room, p.T("nav.groups")
	return p.Render(w, r, http.StatusOK, listPage(p, v, shown))
}

func (c Config) exportAll(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	list, err := c.lines(r, p)
	if err != nil {
		return err
	}
	roll := c.roll(p)
	_, shown := roll.Read(r, list)
	return roll.CSV(w, p, p.T("groups.filename"), shown)
}

// mark is how the state of an approval is drawn.
func mark(s audience.ApprovalState) string {
	switch s {
	case audience.ApprovalGiven:
		return "delivered"
	case audience.ApprovalInReview:
		return "queued"
	case audience.ApprovalQuestion:
		return "signal"
	case audience.ApprovalRejected:
		return "bounced"
	case audience.ApprovalRequired:
	}
	return "held"
}

// groupOf reads the group that the path names. What is no identifier is answered like
// what does not exist.
func (c Config) groupOf(r *http.Request, p frame.Page) (audience.Group, error) {
	g, err := id.Parse[audience.GroupKind](r.PathValue("id"))
	if err != nil {
		return audience.Group{}, fault.New(fault.NotFound, "group_not_found", "no such group")
	}
	return c.Groups.Counted(r.Context(), p.Tenant(), g)
}

func groupPath(g audience.Group) string { return path + "/" + g.ID.String() }

// sheet is the page of one group.
type sheet struct {
	frame.View
	frame.Form
	line
	members []audience.Member
	older   string
	batches []audience.Batch
	imports []intake.Import
	names   map[string]string // by actor
	rules   []string          // of a dynamic group, in words
	panel   templ.Component
	done    string
}

func (c Config) listing(p frame.Page, g audience.Group) frame.Listing {
	column := func(key string, sortable, extra bool) frame.Column {
		return frame.Column{Key: key, Title: p.T("groups.col." + key), Sortable: sortable, Extra: extra}
	}
	l := frame.Listing{Path: groupPath(g), Filters: []string{"q"}, Sort: "since", Descending: true, Columns: []frame.Column{
		column("person", true, false), column("address", false, false), column("company", false, false), column("tags", false, true),
		column("since", true, false)}}
	if g.Kind == audience.Static && p.Can(tenant.ContactsWrite) {
		l.Columns = append(l.Columns, column("remove", false, false))
	}
	return l
}

func question(v frame.View) audience.MemberFilter {
	f := audience.MemberFilter{Text: v.Filter("q"), ByName: v.Sort == "person", Ascending: !v.Descending, Limit: pageSize}
	if after, err := id.Parse[audience.ContactKind](v.After); err == nil {
		f.After = after
	}
	return f
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	g, err := c.groupOf(r, p)
	if err != nil {
		return err
	}
	return c.render(w, r, p, g, http.StatusOK, frame.Form{})
}

func (c Config) render(w http.ResponseWriter, r *http.Request, p frame.Page, g audience.Group, status int, f frame.Form) error {
	ctx := r.Context()
	s := sheet{View: frame.ReadView(r, c.listing(p, g)), Form: f, done: p.Done("created", "changed", "added", "known", "removed")}
	s.Group = g
	page, err := c.Groups.Members(ctx, p.Tenant(), g.ID, question(s.View))
	if err != nil {
		return fmt.Errorf("list members: %w", err)
	}
	if s.members = page.Members; page.More {
		s.older = s.With("after", page.Members[len(page.Members)-1].ID.String())
	}
	facts, err := c.Groups.Facts(ctx, p.Tenant(), g.ID, p.Now)
	if err != nil {
		return fmt.Errorf("read origin of group: %w", err)
	}
	s.batches = facts.Batches
	if s.imports, err = c.Intake.Imports(ctx, p.Tenant(), g.ID); err != nil {
		return fmt.Errorf("list imports: %w", err)
	}
	approvals, err := audience.ApprovalsOf(ctx, c.Approvals, p.Tenant(), []audience.GroupID{g.ID})
	if err != nil {
		return fmt.Errorf("read approval: %w", err)
	}
	s.approval = approvals[g.ID]
	if c.Panel != nil {
		if s.panel, err = c.Panel(ctx, p, g, s.approval); err != nil {
			return err
		}
	}
	if s.rules, err = c.inWords(ctx, p, g); err != nil {
		return err
	}
	s.names = c.actors(ctx, p, append(s.actors(), g.Actor))
	p.Room, p.Title = room, g.Name
	return p.Render(w, r, status, groupPage(p, s))
}

func (s sheet) actors() []string {
	var list []string
	for _, b := range s.batches {
		list = append(list, b.Actor)
	}
	for _, i := range s.imports {
		list = append(list, i.Actor)
	}
	return list
}

// actors names people and keys; who cannot be named stands as what they are.
func (c Config) actors(ctx context.Context, p frame.Page, list []string) map[string]string {
	names := map[string]string{}
	slices.Sort(list)
	for _, actor := range slices.Compact(list) {
		names[actor] = p.T("groups.actor.other")
		if strings.HasPrefix(actor, "sgn_") {
			names[actor] = p.T("sup.by.form")
		}
		if u, err := id.Parse[tenant.UserKind](actor); err == nil {
			if found, err := c.People.User(ctx, p.Tenant(), u); err == nil {
				names[actor] = found.Name
			}
		}
		if strings.HasPrefix(actor, "key_") {
			names[actor] = p.T("groups.actor.key")
			keys, _ := c.People.Keys(ctx, p.Tenant()) // a name is a convenience
			for _, k := range keys {
				if k.ID.String() == actor {
					names[actor] = p.T("groups.actor.key") + " " + k.Name
				}
			}
		}
	}
	return names
}

func (c Config) exportMembers(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	g, err := c.groupOf(r, p)
	if err != nil {
		return err
	}
	f := question(frame.ReadView(r, c.listing(p, g)))
	f.After, f.Limit = audience.ContactID{}, 500
	out := p.File(w, p.T("groups.filename.members"))
	_ = out.Write("email", "salutation", "given_name", "family_name", "company", "phone", "locale", "reference", "tags", "added_at")
	for {
		page, err := c.Groups.Members(r.Context(), p.Tenant(), g.ID, f)
		if err != nil {
			p.Broken(out)
			return nil //nolint:nilerr // the header is out; the file says that it is not whole
		}
		for _, m := range page.Members {
			added := ""
			if !m.AddedAt.IsZero() {
				added = m.AddedAt.UTC().Format(time.RFC3339)
			}
			_ = out.Write(m.Main().String(), m.Salutation, m.GivenName, m.FamilyName, m.Company, m.Phone, m.Locale, m.Reference, strings.Join(m.Tags, ","), added)
			f.After = m.ID
		}
		if !page.More || r.Context().Err() != nil {
			_ = out.Flush()
			return nil //nolint:nilerr // the reader left
		}
	}
}

// add puts one person into the group by address; who is no contact yet becomes one.
func (c Config) add(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	g, err := c.groupOf(r, p)
	if err != nil {
		return err
	}
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	address := frame.Shorten(strings.TrimSpace(r.PostForm.Get("email")), 320)
	f := frame.Form{Values: map[string]string{"email": address}}
	results, err := c.Groups.Enlist(r.Context(), p.Tenant(), g.ID, []audience.Person{{Email: address}}, audience.OriginOffice, p.Who.User.ID.String())
	if err == nil && results[0].Err != nil {
		err = results[0].Err
	}
	if frame.Refused(p, &f, err, "email") {
		return c.render(w, r, p, g, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return fmt.Errorf("add to group: %w", err)
	}
	done := "added"
	if results[0].Result == audience.EnlistKnown {
		done = "known"
	}
	frame.Redirect(w, r, groupPath(g), done)
	return nil
}

func (c Config) remove(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	g, err := c.groupOf(r, p)
	if err != nil {
		return err
	}
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	contact, err := id.Parse[audience.ContactKind](r.PostForm.Get("contact"))
	if err != nil {
		return fault.New(fault.NotFound, "contact_not_found", "no such contact")
	}
	if _, err := c.Groups.Remove(r.Context(), p.Tenant(), g.ID, []audience.ContactID{contact}, p.Who.User.ID.String()); err != nil {
		return fmt.Errorf("remove from group: %w", err)
	}
	frame.Redirect(w, r, groupPath(g), "removed")
	return nil
}

func (c Config) delete(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	g, err := c.groupOf(r, p)
	if err != nil {
		return err
	}
	if err := c.Groups.Delete(r.Context(), p.Tenant(), g.ID); err != nil {
		return fmt.Errorf("delete group: %w", err)
	}
	frame.Redirect(w, r, path, "deleted")
	return nil
}
