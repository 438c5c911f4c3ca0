package campaign

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"fmt"
	"html"
	"regexp"
	"slices"
	"time"

	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Where mailings that are public can be read: PagePath one of them, PagesPath all of an
// account. The token follows.
const (
	PagePath  = "/mailing/"
	PagesPath = "/mailings/"
)

// Codes of public mailings.
const (
	// CodePageGone is a page that was public and is not any more: NotFound.
	CodePageGone = "campaign_page_gone"
	// CodeNotPublic is a letter with {{public_url}} of a mailing without a public page: Invalid.
	CodeNotPublic = "campaign_not_public"
)

// MaxPages is how many public mailings the page of an account lists, the newest.
const MaxPages = 200

// varPublic is the page of the mailing that everybody may read.
const varPublic = "public_url"

// Publication says whether a mailing is a page that everybody may read. The zero Publication is
// of one that never was.
type Publication struct {
	Public bool
	// Index: search engines may show it.
	Index bool
	By    string // who said so last
	At    time.Time
}

// Page is a mailing as everybody may read it. Nobody's data is in it.
type Page struct {
	Tenant  tenant.ID
	Sender  string // of the account
	Locale  string // of the account
	Subject string
	HTML    string // "": there is Text alone
	Text    string
	Index   bool
	At      time.Time // when it began to be sent
}

// Entry is a page in the list of an account.
type Entry struct {
	Subject, Address string
	At               time.Time
}

// Pages are the public mailings of an account, from new to old.
type Pages struct {
	Sender, Locale string
	List           []Entry
}

// PageStore is what Publisher needs of the database.
type PageStore interface {
	Campaign(ctx context.Context, t tenant.ID, c ID) (Campaign, error)
	CampaignPublication(ctx context.Context, t tenant.ID, c ID) (Publication, error)
	PublicCampaigns(ctx context.Context, t tenant.ID, limit int) ([]Campaign, error)
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
}

// Publisher makes and opens the addresses of public mailings. Whether one is public is asked
// each time: what is taken back is gone at once. It is safe for concurrent use.
type Publisher struct {
	// Codes are those of addresses, so that nobody guesses which accounts there are.
	Codes *seal.Codes
	// Origin is the address of the pages without a path: where foreign HTML is shown.
	Origin string
	Store  PageStore
}

// Link is the address of the page of a mailing, public or not.
func (v *Publisher) Link(t tenant.ID, c ID) string {
	return v.Origin + PagePath + v.token("page", slices.Concat(t[:], c[:]))
}

// ListLink is the address of the list of an account.
func (v *Publisher) ListLink(t tenant.ID) string {
	return v.Origin + PagesPath + v.token("pages", t[:])
}

func (v *Publisher) token(what string, named []byte) string {
	return base64.RawURLEncoding.EncodeToString(slices.Concat(named, v.mac(what, named)))
}

func (v *Publisher) mac(what string, named []byte) []byte {
	code := v.Codes.Of([]byte("campaign "), []byte(what), []byte{0}, named)
	return code[:viewMAC]
}

func noPage() error {
	return fault.New(fault.NotFound, CodeView, "There is no such page, or no longer.")
}

// named reads a token of that many bytes before the MAC.
func (v *Publisher) named(what, token string, size int) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != size+viewMAC || !hmac.Equal(raw[size:], v.mac(what, raw[:size])) {
		return nil, noPage()
	}
	return raw[:size], nil
}

// account is a tenant whose pages may be shown.
func (v *Publisher) account(ctx context.Context, t tenant.ID) (tenant.Tenant, error) {
	of, err := v.Store.Tenant(ctx, t)
	if fault.IsKind(err, fault.NotFound) || err == nil && of.State != tenant.Active {
		return of, noPage()
	}
	if err != nil {
		return of, fmt.Errorf("read account: %w", err)
	}
	return of, nil
}

// begun reports whether a campaign is something that was sent: only that has a page.
func (s State) begun() bool { return s == Sending || s == Paused || s == Sent }

// Open returns the page of a token. Errors: NotFound CodeView for what never was public, and
// CodePageGone for what is not any more.
func (v *Publisher) Open(ctx context.Context, token string) (Page, error) {
	raw, err := v.named("page", token, 32)
	if err != nil {
		return Page{}, err
	}
	t, number := tenant.ID(raw[:16]), ID(raw[16:])
	of, err := v.account(ctx, t)
	if err != nil {
		return Page{}, err
	}
	c, err := v.Store.Campaign(ctx, t, number)
	if fault.IsKind(err, fault.NotFound) {
		return Page{}, noPage()
	}
	if err != nil {
		return Page{}, fmt.Errorf("read campaign: %w", err)
	}
	said, err := v.Store.CampaignPublication(ctx, t, number)
	switch {
	case err != nil:
		return Page{}, fmt.Errorf("read publication: %w", err)
	case said.At.IsZero() || c.State == Draft || c.State == Scheduled:
		return Page{}, noPage()
	case !said.Public || !c.State.begun():
		return Page{}, fault.New(fault.NotFound, CodePageGone, "The page is not public any more.")
	}
	page, err := pageOf(c, of, v.Link(t, number))
	page.Index = said.Index
	return page, err
}

// List returns the pages that a token of ListLink stands for. Errors: NotFound CodeView.
func (v *Publisher) List(ctx context.Context, token string) (list Pages, err error) {
	raw, err := v.named("pages", token, 16)
	if err != nil {
		return list, err
	}
	t := tenant.ID(raw)
	of, err := v.account(ctx, t)
	if err != nil {
		return list, err
	}
	found, err := v.Store.PublicCampaigns(ctx, t, MaxPages)
	if err != nil {
		return list, fmt.Errorf("list public campaigns: %w", err)
	}
	list = Pages{Sender: of.Name, Locale: of.Locale}
	for _, c := range found {
		address := v.Link(t, c.ID)
		// A subject is all that is made of each: the content may be half a megabyte.
		c.Letter.HTML, c.Letter.Text, c.Letter.Other.HTML, c.Letter.Other.Text = "", "", "", ""
		page, err := pageOf(c, of, address)
		if err != nil {
			continue // it has no page either
		}
		list.List = append(list.List, Entry{Subject: page.Subject, Address: address, At: page.At})
	}
	return list, nil
}

// pageOf fills a letter with words that are nobody's. Of a trial it is the version that all
// others got, or get.
func pageOf(c Campaign, of tenant.Tenant, address string) (Page, error) {
	version := c.Trial.Winner
	if version == "" {
		version = VersionA
	}
	c = c.as(version)
	f, err := newForm(c)
	if err != nil {
		return Page{}, fmt.Errorf("read letter: %w", err)
	}
	data := neutral(of.Locale)
	data[varLeave], data[varWeb], data[varPublic] = address, address, address
	f.complete(data)
	d, err := f.draft(data, message.Mailbox{Address: f.from.Address})
	if err != nil {
		return Page{}, fmt.Errorf("make page: %w", err)
	}
	return Page{Tenant: c.Tenant, Sender: of.Name, Locale: of.Locale, Subject: d.Subject, HTML: d.HTML, Text: d.Text, At: c.StartAt}, nil
}

// neutral is what stands on a public page in the place of a contact's data: a word for all
// readers that fits behind „Guten Tag“ as well as „Neues für“, and nothing else.
func neutral(locale string) map[string]any {
	word := "Leserinnen und Leser"
	if locale == "en" {
		word = "readers"
	}
	return map[string]any{"salutation": "", "given_name": word, "family_name": "", "company": "", "phone": "", "locale": locale, "reference": "",
		"email": "", "name": word, "fields": map[string]any{}}
}

var (
	someTitle  = regexp.MustCompile(`(?i)<title[^>]*>\s*[^\s<][^<]*</title>`)
	emptyTitle = regexp.MustCompile(`(?i)<title[^>]*>\s*</title>`)
	headTag    = regexp.MustCompile(`(?i)<head(?:\s[^>]*)?>`)
	document   = regexp.MustCompile(`(?i)<(?:!doctype|html|body)\b`)
)

// HTMLPage is the page as a document with the subject for its title, which mail does not need
// and a page does (WCAG 2.4.2); text alone is shown as it is.
func (p Page) HTMLPage() string {
	title := "<title>" + html.EscapeString(p.Subject) + "</title>"
	switch {
	case p.HTML == "":
	case someTitle.MatchString(p.HTML):
		return p.HTML
	case emptyTitle.MatchString(p.HTML):
		at := emptyTitle.FindStringIndex(p.HTML)
		return p.HTML[:at[0]] + title + p.HTML[at[1]:]
	case headTag.MatchString(p.HTML):
		at := headTag.FindStringIndex(p.HTML)
		return p.HTML[:at[1]] + title + p.HTML[at[1]:]
	case document.MatchString(p.HTML):
		return p.HTML
	default:
		return "<!doctype html><meta charset=\"utf-8\">" + title + p.HTML
	}
	return "<!doctype html><meta charset=\"utf-8\"><title>" + html.EscapeString(p.Subject) + "</title><pre style=\"white-space:pre-wrap\">" + html.EscapeString(p.Text) + "</pre>"
}

// Published says whether a campaign is public.
func (s *Service) Published(ctx context.Context, t tenant.ID, c ID) (Publication, error) {
	return s.c.Store.CampaignPublication(ctx, t, c)
}

// Publish makes a campaign public, or takes that back. Of a draft it holds from when it is
// sent. Errors: NotFound CodeNotFound, and those of the letter's fields where no page can be
// made of it.
func (s *Service) Publish(ctx context.Context, who ingest.Principal, number ID, v Publication) (Publication, error) {
	c, err := s.c.Store.Campaign(ctx, who.Tenant, number)
	if err != nil {
		return v, err
	}
	before, err := s.c.Store.CampaignPublication(ctx, who.Tenant, number)
	if err != nil {
		return v, fmt.Errorf("read publication: %w", err)
	}
	if !v.Public {
		v.Index = false
		if before.At.IsZero() {
			return before, nil // it never was
		}
	} else if c.State.begun() {
		if _, err := s.PublicPage(ctx, c); err != nil {
			return v, err
		}
	}
	v.By, v.At = who.Actor, s.stamp()
	if err := s.c.Store.PutCampaignPublication(ctx, who.Tenant, number, v); err != nil {
		return v, fmt.Errorf("publish campaign: %w", err)
	}
	return v, nil
}

// PublicPage is the page of a campaign as it would be if it were public now. Errors are those
// of the letter's fields.
func (s *Service) PublicPage(ctx context.Context, c Campaign) (Page, error) {
	of, err := s.c.Store.Tenant(ctx, c.Tenant)
	if err != nil {
		return Page{}, fmt.Errorf("read account: %w", err)
	}
	if _, err := message.ParseMailbox(c.Letter.From); err != nil {
		c.Letter.From, c.Letter.ReplyTo = "x@example.invalid", "" // who sends is not shown
	}
	if _, err := newForm(c); err != nil {
		return Page{}, err
	}
	page, err := pageOf(c, of, sampleLink)
	if err != nil {
		return page, &fault.Error{Kind: fault.Invalid, Code: CodeContent, Field: "html", Detail: "The letter cannot be shown without a contact's data.", Err: err}
	}
	return page, nil
}

// readyPublic refuses a letter that leads to a page that there is not.
func (s *Service) readyPublic(ctx context.Context, c Campaign, field string) (*fault.Error, error) {
	said, err := s.c.Store.CampaignPublication(ctx, c.Tenant, c.ID)
	if err != nil {
		return nil, fmt.Errorf("read publication: %w", err)
	}
	if said.Public {
		return nil, nil
	}
	return fault.Field(field, CodeNotPublic, "The letter leads to {{public_url}}, and the mailing is not public."), nil
}
