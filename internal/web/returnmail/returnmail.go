// Package returnmail shows staff of the platform what came back: bounces, complaints
// and answers, which delivery each was tied to, or why to none.
//
// It is a subject of the door web (floor 4). It changes nothing, and shows a stranger's
// bytes as text only.
package returnmail

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/returns"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Tenants tells the names of accounts; tenant.Store does.
type Tenants interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
}

// Content opens a stored mail; *returns.Reader does.
type Content interface {
	Raw(ctx context.Context, m returns.Mail) ([]byte, error)
}

// Config is what the pages of return mail stand on. All fields are needed.
type Config struct {
	Archive returns.Archive
	Content Content
	Tenants Tenants
}

type desk struct {
	*frame.Frame
	Config
}

const (
	path     = "/platform/returns"
	pageSize = 50
	// exportLimit bounds the lines of one export, exportPage those of one question.
	exportLimit, exportPage = 10_000, 500
	// maxShown is how much of a mail the page shows, in bytes.
	maxShown = 256 << 10
)

// Routes are the pages of return mail.
func Routes(f *frame.Frame, c Config) []frame.Route {
	d := &desk{f, c}
	may := tenant.PlatformQueue
	return []frame.Route{
		{Pattern: "GET " + path, Access: frame.Staff, Permission: may, Do: d.list,
			Entry: frame.Entry{Room: "returns", Icon: "late", Group: frame.GroupEgress}},
		{Pattern: "GET " + path + ".csv", Access: frame.Staff, Permission: may, Do: d.export},
		{Pattern: "GET " + path + "/{id}", Access: frame.Staff, Permission: may, Do: d.show},
	}
}

// kinds are those a reader may ask for.
func kinds() []bounce.Kind {
	return []bounce.Kind{bounce.KindDSN, bounce.KindComplaint, bounce.KindAutoReply, bounce.KindUnknown}
}

func states() []returns.State {
	return []returns.State{returns.Pending, returns.Matched, returns.Unmatched}
}

func view(r *http.Request, p frame.Page) frame.View {
	var columns []frame.Column
	for _, key := range []string{"time", "kind", "author", "delivery", "auth"} {
		columns = append(columns, frame.Column{Key: key, Title: p.T("returns.col." + key)})
	}
	return frame.ReadView(r, frame.Listing{Path: path, Columns: columns, Filters: []string{"state", "kind"}})
}

// question is the view for the store; what nobody could have chosen is dropped.
func question(v frame.View) returns.Listing {
	l := returns.Listing{Limit: pageSize}
	for _, s := range states() {
		if string(s) == v.Filter("state") {
			l.State = s
		}
	}
	for _, k := range kinds() {
		if string(k) == v.Filter("kind") {
			l.Kind = k
		}
	}
	if after, err := id.Parse[returns.Kind](v.After); err == nil {
		l.After = after
	}
	return l
}

// row is one return mail in the list.
type row struct {
	returns.Mail
	account string // name, "" for none
}

// list is one page of them.
type list struct {
	frame.View
	rows   []row
	older  string
	broken bool
}

func (l list) newest() string {
	if l.After == "" {
		return ""
	}
	return l.First()
}

func (d *desk) list(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	l := list{View: view(r, p)}
	p.Room, p.Title = "returns", p.T("nav.returns")
	found, more, err := d.Archive.Returns(r.Context(), question(l.View))
	if err != nil {
		d.Log.ErrorContext(r.Context(), "list of return mail failed", "err", err)
		l.broken = true
		return p.Render(w, r, http.StatusInternalServerError, listPage(p, l))
	}
	l.rows = d.named(r.Context(), found)
	if more {
		l.older = l.With("after", found[len(found)-1].ID.String())
	}
	return p.Render(w, r, http.StatusOK, listPage(p, l))
}

// named finds the names of the accounts, each once. A name that cannot be read now is
// no reason to show nothing.
func (d *desk) named(ctx context.Context, found []returns.Mail) []row {
	names := map[tenant.ID]string{{}: ""}
	rows := make([]row, len(found))
	for i, m := range found {
		if _, known := names[m.Account]; !known {
			names[m.Account] = m.Account.String()
			if t, err := d.Tenants.Tenant(ctx, m.Account); err == nil {
				names[m.Account] = t.Name
			}
		}
		rows[i] = row{m, names[m.Account]}
	}
	return rows
}

// sheet is the page of one mail.
type sheet struct {
	row
	raw string
	cut bool // more follows
}

func (d *desk) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	one, err := id.Parse[returns.Kind](r.PathValue("id"))
	if err != nil {
		return fault.New(fault.NotFound, "return_not_found", "no such return mail")
	}
	m, err := d.Archive.Return(r.Context(), one)
	if err != nil {
		return fmt.Errorf("read return mail: %w", err)
	}
	s := sheet{row: d.named(r.Context(), []returns.Mail{m})[0]}
	if !m.Erased() {
		raw, err := d.Content.Raw(r.Context(), m)
		if err != nil && !fault.IsKind(err, fault.NotFound) {
			return fmt.Errorf("read return mail: %w", err)
		}
		// Who of the staff read a person's words is on record.
		d.Log.InfoContext(r.Context(), "return mail read", "return", m.ID.String(), "tenant", m.Tenant.String(), "user", p.Who.User.ID.String())
		s.cut = len(raw) > maxShown
		s.raw = strings.ToValidUTF8(string(raw[:min(len(raw), maxShown)]), "\uFFFD")
	}
	p.Room, p.Title = "returns", cmp.Or(m.Subject, p.T("returns.nosubject"))
	return p.Render(w, r, http.StatusOK, sheetPage(p, s))
}

// verdict says in words what became of a mail.
func verdict(p frame.Page, m returns.Mail) string {
	if m.Why != "" {
		return p.Either("returns.why."+m.Why, "reason.other", "code", m.Why)
	}
	return p.T("returns.state." + string(m.State))
}

// kindText names the kind of a mail; one that was not read has none.
func kindText(p frame.Page, m returns.Mail) string {
	if m.Kind == "" {
		return p.T("returns.state.pending")
	}
	return p.T("returns.kind." + string(m.Kind))
}

// mark is the delivery state whose mark fits.
func mark(m returns.Mail) string {
	switch {
	case m.State == returns.Pending:
		return "queued"
	case m.State == returns.Unmatched:
		return "suppressed"
	case m.Kind == bounce.KindDSN:
		return "bounced"
	case m.Kind == bounce.KindComplaint:
		return "signal"
	}
	return "mail"
}

// authText tells SPF, DKIM and DMARC in one line.
func authText(a returns.Auth) string {
	var parts []string
	for _, one := range [][2]string{{"SPF", a.SPF}, {"DKIM", a.DKIM}, {"DMARC", a.DMARC}} {
		if one[1] != "" {
			parts = append(parts, one[0]+" "+one[1])
		}
	}
	return strings.Join(parts, ", ")
}

// deliveryText is the identifier of the delivery, "" for none.
func deliveryText(m returns.Mail) string {
	if m.Delivery.IsZero() {
		return ""
	}
	return m.Delivery.String()
}

// export writes the filtered list as CSV in the manner of the messages' export.
func (d *desk) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	ask := question(view(r, p))
	ask.After, ask.Limit = returns.ID{}, exportPage
	found, more, err := d.Archive.Returns(r.Context(), ask)
	if err != nil {
		return fmt.Errorf("export return mail: %w", err)
	}
	out := p.File(w, p.T("returns.filename"))
	head := []string{}
	for _, key := range []string{"time", "kind", "state", "author", "subject", "account", "delivery", "recipient", "sender", "peer", "auth", "id"} {
		head = append(head, p.T("returns.export."+key))
	}
	_ = out.Write(head...)
	for written := 0; ; {
		for _, one := range d.named(r.Context(), found) {
			_ = out.Write(line(p, one)...)
		}
		if written += len(found); !more || written >= exportLimit {
			break
		}
		ask.After = found[len(found)-1].ID
		if found, more, err = d.Archive.Returns(r.Context(), ask); err != nil {
			d.Log.ErrorContext(r.Context(), "export failed", "err", err)
			p.Broken(out)
			break
		}
	}
	_ = out.Flush()
	return nil
}

func line(p frame.Page, one row) []string {
	peer := ""
	if one.Peer.IsValid() {
		peer = one.Peer.String()
	}
	return []string{one.ReceivedAt.In(p.Day(one.ReceivedAt).Location()).Format(time.DateTime), kindText(p, one.Mail), verdict(p, one.Mail),
		one.Author, one.Subject, one.account, deliveryText(one.Mail), one.Recipient.String(), one.Sender, peer, authText(one.Auth), one.ID.String()}
}
