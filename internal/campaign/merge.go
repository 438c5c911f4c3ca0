package campaign

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/spool"
	"stafette/internal/template"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Weaver lets mail tell of its recipient; *tracking.Weaver does.
type Weaver interface {
	Again(ctx context.Context, m tracking.Mail, level tracking.Level, page tracking.Markup) string
	Common(level tracking.Level, form tracking.Markup, mark string) (links []tracking.Link, known bool)
	Pattern(level tracking.Level, form tracking.Markup, mark string, words []string) (p *tracking.Pattern, ok bool)
	Fill(ctx context.Context, m tracking.Mail, p *tracking.Pattern, values []string) (html string, ok bool)
}

// MergerConfig is what a Merger needs.
type MergerConfig struct {
	// Campaign reads one; Store has it.
	Campaign func(ctx context.Context, t tenant.ID, c ID) (Campaign, error)
	// Code is the code by which people ask whether a mail is genuine; nil: none bears one.
	Code func(t tenant.ID, m message.ID) string
	// Leave is the page on which a recipient unsubscribes, Web the page that shows the mail;
	// nil: there is no such page.
	Leave, Web func(t tenant.ID, d message.DeliveryID) string
	// Public is the page of a mailing that everybody may read; nil: there are none.
	Public func(t tenant.ID, c ID) string
	Weaver Weaver // nil: no mail tells of its recipient
}

// Merger makes the mails of campaigns of their records. It is safe for concurrent use.
type Merger struct {
	c MergerConfig

	mu    sync.Mutex
	forms map[formOf]*form
}

// formOf names a form letter.
type formOf struct {
	tenant   tenant.ID
	campaign ID
	version  Version
}

// form is a letter with its templates parsed. It never changes once a campaign is sent.
type form struct {
	Letter
	campaign            ID
	from, replyTo       message.Mailbox
	subject, html, text *template.Template
	listID, feedback    string
	plain               *template.Template // see plain.go; nil: the text is made of each mail's HTML
	// links are those of everybody's mail, by level; of a level that is missing they are
	// read from each mail. See links.go.
	links map[tracking.Level][]tracking.Link
	// pattern is what the HTML of mails is made of, see woven.go; nil: each is rendered.
	pattern *pattern
}

// maxForms bounds the forms kept in memory; more only costs parsing.
const maxForms = 64

// NewMerger makes a Merger.
func NewMerger(c MergerConfig) *Merger { return &Merger{c: c, forms: map[formOf]*form{}} }

var _ spool.Merger = (*Merger)(nil)

// Merge implements spool.Merger.
func (m *Merger) Merge(ctx context.Context, h spool.Handle, r spool.Record) ([]byte, error) {
	f, data, to, err := m.data(ctx, h, r)
	if err != nil {
		return nil, err
	}
	// An unknown level tells nothing.
	level, err := tracking.ParseLevel(r.Level)
	tells := err == nil && level > tracking.None && m.c.Weaver != nil
	mail := tracking.Mail{Tenant: h.Tenant, Message: h.Message, Stream: tenant.Newsletter, SignDomain: r.Domain, Recipients: []message.Address{to.Address}}
	d, err := f.fields(data, to)
	if err != nil {
		return nil, unmergeable(err)
	}
	done := false
	if tells {
		d.HTML, d.Text, done = f.woven(ctx, m.c.Weaver, mail, level, data)
	}
	if !done {
		if err := f.content(&d, data); err != nil {
			return nil, unmergeable(err)
		}
		if d.Text == "" && d.HTML != "" {
			d.Text = f.plainOf(data, d.HTML) // before anything is woven into it
		}
		if tells && d.HTML != "" {
			d.HTML = m.c.Weaver.Again(ctx, mail, level, markup(d.HTML, data))
		}
	}
	d.Date, d.MessageID = r.Date, h.Message.String()+"@"+r.Domain
	c, err := message.Compose(d)
	if err != nil {
		return nil, unmergeable(err)
	}
	if m.c.Code == nil {
		return c.Bytes, nil
	}
	return slices.Concat([]byte("X-Stafette-Code: "+m.c.Code(h.Tenant, h.Message)+"\r\n"), c.Bytes), nil
}

// Page implements ingest.Merger.
func (m *Merger) Page(ctx context.Context, h spool.Handle, r spool.Record) (tracking.Markup, error) {
	f, data, to, err := m.data(ctx, h, r)
	if err != nil {
		return tracking.Markup{}, err
	}
	d, err := f.draft(data, to)
	if err != nil {
		return tracking.Markup{}, unmergeable(err)
	}
	page := markup(d.HTML, data)
	// Whether the fields hold is known from a mail without content.
	d.Date, d.MessageID, d.HTML, d.Text = r.Date, h.Message.String()+"@"+r.Domain, "", "x"
	if _, err := message.Compose(d); err != nil {
		return tracking.Markup{}, unmergeable(err)
	}
	return page, nil
}

// data is what the mail of a record is made of: its form, all of its data, its recipient.
func (m *Merger) data(ctx context.Context, h spool.Handle, r spool.Record) (f *form, data map[string]any, to message.Mailbox, err error) {
	if f, err = m.form(ctx, h.Tenant, r.Form); err != nil {
		return f, nil, to, err
	}
	if to, err = message.ParseMailbox(r.To); err != nil {
		return f, nil, to, unmergeable(err)
	}
	if data, err = spool.ReadData(r.Data); err != nil {
		return f, nil, to, unmergeable(err)
	}
	m.links(data, h.Tenant, message.Delivery(h.Message, 1))
	if m.c.Public != nil {
		data[varPublic] = m.c.Public(h.Tenant, f.campaign)
	}
	f.complete(data)
	return f, data, to, nil
}

func unmergeable(err error) error { return fmt.Errorf("%w: %w", spool.ErrUnmergeable, err) }

// links puts what leads back to us into the data.
func (m *Merger) links(data map[string]any, t tenant.ID, d message.DeliveryID) {
	data[varLeave], data[varWeb] = "", ""
	if m.c.Leave != nil {
		data[varLeave] = m.c.Leave(t, d)
	}
	if m.c.Web != nil {
		data[varWeb] = m.c.Web(t, d)
	}
}

func (m *Merger) form(ctx context.Context, t tenant.ID, name string) (*form, error) {
	of, version := readFormName(name)
	number, err := id.Parse[Kind](of)
	if err != nil {
		return nil, unmergeable(err)
	}
	key := formOf{t, number, version}
	m.mu.Lock()
	f := m.forms[key]
	m.mu.Unlock()
	if f != nil {
		return f, nil
	}
	c, err := m.c.Campaign(ctx, t, number)
	if fault.IsKind(err, fault.NotFound) {
		return nil, unmergeable(err)
	}
	if err != nil {
		return nil, fmt.Errorf("read form letter: %w", err)
	}
	c = c.as(version)
	if f, err = newForm(c); err != nil {
		return nil, unmergeable(err)
	}
	if c.State == Draft || c.State == Scheduled {
		return f, nil // it may still change
	}
	if c.Letter.HTML != "" && c.Letter.Text == "" {
		f.plain = plainForm(c.Letter.HTML)
	}
	if m.c.Weaver != nil && c.Letter.HTML != "" {
		f.readForm(m.c.Weaver)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.forms) >= maxForms {
		clear(m.forms)
	}
	m.forms[key] = f
	return f, nil
}

// newForm parses a letter. Errors are *fault.Error with the fields "from", "reply_to",
// "subject", "html" and "text".
func newForm(c Campaign) (*form, error) {
	f := &form{Letter: c.Letter, campaign: c.ID}
	var wrong []*fault.Error
	box := func(field, value string) message.Mailbox {
		b, err := message.ParseMailbox(value)
		if err != nil {
			wrong = append(wrong, fault.Field(field, "address_malformed", "This is no address."))
		}
		return b
	}
	f.from = box("from", c.Letter.From)
	if c.Letter.ReplyTo != "" {
		f.replyTo = box("reply_to", c.Letter.ReplyTo)
	}
	parse := func(field, source string) *template.Template {
		t, err := template.Parse(source)
		if refused := fault.As(err); refused != nil {
			at := *refused
			at.Kind, at.Field = fault.Invalid, field
			wrong = append(wrong, &at)
		}
		return t
	}
	f.subject, f.html, f.text = parse("subject", c.Letter.Subject), parse(c.Letter.Field(), c.Letter.HTML), parse("text", c.Letter.Text)
	host := f.from.Domain
	f.listID = listID(c, host)
	f.feedback = strings.Join([]string{c.ID.String(), c.Tenant.String(), string(tenant.Newsletter), host}, ":")
	return f, fault.Join(wrong)
}

// listID names the list of a mail (RFC 2919): the group, or of several the campaign, which
// then is a list of its own.
func listID(c Campaign, host string) string {
	label := c.ID.String()
	if len(c.Groups) == 1 {
		label = c.Groups[0].String()
	}
	return "<" + strings.ReplaceAll(label, "_", "-") + "." + host + ">"
}

// draft is the mail to one recipient, without date and identifier.
func (f *form) draft(data map[string]any, to message.Mailbox) (d message.Draft, err error) {
	if d, err = f.fields(data, to); err != nil {
		return d, err
	}
	return d, f.content(&d, data)
}

// fields are those of the mail to one recipient, without date, identifier and content.
func (f *form) fields(data map[string]any, to message.Mailbox) (d message.Draft, err error) {
	d.From, d.To = f.from, []message.Mailbox{to}
	if !f.replyTo.IsZero() {
		d.ReplyTo = []message.Mailbox{f.replyTo}
	}
	if d.Subject, err = f.subject.RenderLine(data); err != nil {
		return d, fmt.Errorf("subject: %w", err)
	}
	d.Headers = []message.Header{{Name: "List-Id", Value: f.listID}, {Name: "Feedback-ID", Value: f.feedback}, {Name: "Precedence", Value: "bulk"}}
	return d, nil
}

// content renders HTML and text into a draft.
func (f *form) content(d *message.Draft, data map[string]any) (err error) {
	if f.HTML != "" {
		if d.HTML, err = f.html.Render(data); err != nil {
			return fmt.Errorf("html: %w", err)
		}
	}
	if f.Letter.Text != "" {
		if d.Text, err = f.text.RenderText(data); err != nil {
			return fmt.Errorf("text: %w", err)
		}
	}
	return nil
}

// Names of variables that are not the contact's.
const (
	varLeave      = "unsubscribe_url"
	varLeaveShort = "unsubscribe" // the same
	varWeb        = "web_url"
	varWebShort   = "web_version" // the same
	varImprint    = "imprint"
)

// complete puts into the data what is the same for everybody, and the other names of links.
// Where there is no public page, as in samples, its address is that of the mail as a page.
func (f *form) complete(data map[string]any) {
	if _, known := data[varPublic]; !known {
		data[varPublic] = data[varWeb]
	}
	data[varLeaveShort], data[varWebShort], data[varImprint] = data[varLeave], data[varWeb], f.Imprint
}

// variables are the names that a template may ask for, beside "fields." and a key.
func variables() []string {
	return []string{"company", "email", "family_name", "given_name", varImprint, "locale", "name", "phone", varPublic, "reference", "salutation", varLeaveShort, varLeave, varWeb, varWebShort}
}

// dataOf is what of a contact goes into its mail.
func dataOf(c audience.Contact) map[string]any {
	fields := map[string]any{}
	for k, v := range c.Fields {
		fields[k] = v
	}
	return map[string]any{
		"salutation": c.Salutation, "given_name": c.GivenName, "family_name": c.FamilyName, "company": c.Company, "phone": c.Phone,
		"locale": c.Locale, "reference": c.Reference, "email": c.Main().String(), "name": c.Name(), "fields": fields,
	}
}

// Sample is the mail as one contact would get it.
type Sample struct {
	To      message.Mailbox
	Subject string
	HTML    string
	Text    string
	Size    int64 // of the whole mail in bytes
}

// sampleLink stands for our own pages in a sample, and leads nowhere.
const sampleLink = "https://example.invalid/"

// sample makes the mail of a contact; links lead nowhere in it.
func (f *form) sample(c audience.Contact, at time.Time) (Sample, error) {
	data := dataOf(c)
	data[varLeave], data[varWeb] = sampleLink, sampleLink
	f.complete(data)
	d, err := f.draft(data, boxOf(c))
	if err != nil {
		return Sample{}, &fault.Error{Kind: fault.Invalid, Code: CodeContent, Field: "html", Detail: "The data of this contact break the template.", Err: err}
	}
	d.Date, d.MessageID = at, "sample@"+f.from.Domain
	composed, err := message.Compose(d)
	if err != nil {
		return Sample{}, err
	}
	return Sample{To: boxOf(c), Subject: d.Subject, HTML: d.HTML, Text: d.Text, Size: int64(len(composed.Bytes))}, nil
}

// maxBoxName is the longest name, in bytes, that stands before an address.
const maxBoxName = 300

func boxOf(c audience.Contact) message.Mailbox {
	name := strings.TrimSpace(c.GivenName + " " + c.FamilyName)
	if len(name) > maxBoxName {
		name = ""
	}
	return message.Mailbox{Name: name, Address: c.Main()}
}
