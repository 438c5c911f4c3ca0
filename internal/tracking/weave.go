package tracking

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stafette/internal/message"
	"stafette/internal/tenant"
)

// WeaverConfig is what a Weaver needs.
type WeaverConfig struct {
	Decider *Decider
	Tokens  *Tokens
	// PublicURL is the scheme and host under which the public doors are reached, without a
	// slash at the end.
	PublicURL string
	// Withdrawal ends mail that tells of one person with a line that leads to where they
	// withdraw, unless the sender leads there (ADR 32).
	Withdrawal bool
	// Host returns such an address under the sender's own domain, or "" where it has none;
	// nil: nobody has.
	Host func(ctx context.Context, t tenant.ID, domain string) string
}

// Weaver makes mail that may tell: it weighs the decision and puts pixel and links in.
// It is safe for concurrent use.
type Weaver struct{ c WeaverConfig }

// NewWeaver makes a Weaver.
func NewWeaver(c WeaverConfig) *Weaver { return &Weaver{c} }

// Mail is a mail before its body is sealed.
type Mail struct {
	Tenant     tenant.ID
	Message    message.ID
	Stream     tenant.Stream
	Sender     string // key or user that submits it
	SignDomain string
	Wish       Level // what the request said; Unset: nothing
	Recipients []message.Address
	Body       []byte
	Foreign    bool // somebody else's mail that is passed on
	// Page makes the HTML of a mail whose body is not there yet: which links it has is known
	// from it alone, and Body stays as it is. It is asked only if the mail may tell.
	Page func() (Markup, error)
	// Links names the links of a mail whose body is not there yet where they are known
	// without its HTML; Page is asked where they are not. nil: they never are.
	Links func(level Level) (links []Link, known bool, err error)
	// Said is what is known of all recipients, as Weaver.Said has just told it; nil: the
	// store is asked.
	Said map[string]Consent
}

// Markup is the HTML of a mail that is not made yet.
type Markup struct {
	HTML string // "": the mail has none
	// Keep are targets whose links stay as they are: those of our own pages.
	Keep []string
}

// Said asks what recipients said, for many mails at once. It is not to be kept: what
// somebody says holds for the next mail.
func (w *Weaver) Said(ctx context.Context, t tenant.ID, of []message.Address) (map[string]Consent, error) {
	said, err := w.c.Decider.c.Store.TrackingConsents(ctx, t, of)
	if err != nil {
		return nil, fmt.Errorf("ask for tracking consents: %w", err)
	}
	return said, nil
}

// Weave returns the body to send, and what is to be kept beside the message: nil where
// nobody asked for tracking and none takes place. The HTML is the sender's byte for byte,
// but for the addresses of links and what is put in at its end; other parts stay as they
// are.
func (w *Weaver) Weave(ctx context.Context, m Mail) (body []byte, kept *Tracked, err error) {
	allowed, err := w.c.Decider.Allowed(ctx, m.Tenant, m.Stream)
	if err != nil {
		return nil, nil, err
	}
	d := allowed.Limited(m.Wish, RuleMessage)
	if m.Foreign {
		d = d.Limited(None, RuleForeign)
	}
	if d.Level > None {
		if d, err = w.c.Decider.decide(ctx, m); err != nil {
			return nil, nil, err
		}
	}
	body = m.Body
	var links []Link
	if d.Level > None {
		var rule Rule
		if m.Page != nil {
			if links, rule, err = w.links(ctx, m, d.Level); err != nil {
				return nil, nil, err
			}
		} else {
			body, links, rule = w.weave(ctx, m, d.Level)
		}
		if rule != "" {
			d, body = d.Limited(None, rule), m.Body
		}
	}
	if d.Level <= None && m.Wish == Unset && allowed.Level <= Aggregate {
		return body, nil, nil
	}
	return body, &Tracked{Tenant: m.Tenant, Message: m.Message, Stream: m.Stream, Sender: m.Sender, Decision: d,
		Recipients: len(m.Recipients), Links: links}, nil
}

// links are those of a mail whose body is not there yet.
func (w *Weaver) links(ctx context.Context, m Mail, level Level) ([]Link, Rule, error) {
	if m.Links != nil {
		if links, known, err := m.Links(level); known || err != nil {
			return links, "", err
		}
	}
	page, err := m.Page()
	if err != nil {
		return nil, "", err
	}
	_, links, rule := w.page(ctx, m, level, page)
	return links, rule, nil
}

// Again weaves the HTML of a mail that is made anew of what it was made of when its level
// was decided; its links bear the numbers they were kept under then. What cannot be woven
// stays as it is.
func (w *Weaver) Again(ctx context.Context, m Mail, level Level, page Markup) string {
	if level <= None {
		return page.HTML
	}
	woven, _, rule := w.page(ctx, m, level, page)
	if rule != "" {
		return page.HTML
	}
	return woven
}

// page puts pixel and links into HTML that is not part of a mail yet. A rule says why it
// must not or cannot be done.
func (w *Weaver) page(ctx context.Context, m Mail, level Level, page Markup) (string, []Link, Rule) {
	if page.HTML == "" {
		return "", nil, RuleNoHTML
	}
	v := w.weaving(ctx, m, level)
	v.keep = page.Keep
	text, _ := v.leaf(message.Leaf{ContentType: "text/html", Decoded: true, Bytes: []byte(page.HTML)})
	if v.rule != "" {
		return "", nil, v.rule
	}
	return string(text), v.links, ""
}

// weaving begins the work on a mail.
func (w *Weaver) weaving(ctx context.Context, m Mail, level Level) *weaving {
	v := &weaving{m: m, tokens: w.c.Tokens, level: level, base: w.c.PublicURL, public: w.c.PublicURL, offered: !w.c.Withdrawal}
	if w.c.Host != nil {
		v.base = cmp.Or(w.c.Host(ctx, m.Tenant, m.SignDomain), v.base)
	}
	return v
}

// weave puts pixel and links into the HTML of a mail. A rule says why it must not or
// cannot be done.
func (w *Weaver) weave(ctx context.Context, m Mail, level Level) ([]byte, []Link, Rule) {
	fields, _, err := message.Fields(m.Body, message.Limits{})
	if err != nil {
		return nil, nil, RuleUnreadable
	}
	keep, signed := readHeader(fields)
	if signed {
		return nil, nil, RuleSignedContent
	}
	v := w.weaving(ctx, m, level)
	v.keep = keep
	body, ok, err := message.Replace(m.Body, v.leaf)
	switch {
	case v.rule != "":
		return nil, nil, v.rule
	case err != nil || !ok:
		return nil, nil, RuleUnreadable
	case !v.done:
		return nil, nil, RuleNoHTML
	}
	return body, v.links, ""
}

// readHeader returns the targets that must stay as they are, and whether the mail is
// signed as it stands.
func readHeader(fields []message.Field) (keep []string, signed bool) {
	for _, f := range fields {
		switch {
		case f.Is("DKIM-Signature"), f.Is("Content-Type") && sealed(strings.ToLower(strings.TrimSpace(f.Value))):
			signed = true
		case f.Is("List-Unsubscribe"), f.Is("List-Help"), f.Is("List-Owner"), f.Is("List-Archive"):
			for part := range strings.SplitSeq(f.Value, "<") {
				if target, _, ok := strings.Cut(part, ">"); ok {
					keep = append(keep, strings.TrimSpace(target))
				}
			}
		}
	}
	return keep, signed
}

// sealed reports whether a media type says that content is signed or encrypted.
func sealed(media string) bool {
	for _, t := range []string{"multipart/signed", "multipart/encrypted", "application/pkcs7-", "application/x-pkcs7-", "application/pgp-", "application/smime"} {
		if strings.HasPrefix(media, t) {
			return true
		}
	}
	return false
}

// armour begins what somebody signed or encrypted within a text.
const armour = "-----BEGIN PGP"

// weaving is one mail at work.
type weaving struct {
	m      Mail
	tokens *Tokens
	level  Level
	keep   []string
	base   string
	public string // address of the pages for recipients

	pattern bool // it is a form's: addresses are holes
	offered bool // the sender leads to the page of consent, or nobody wants it
	links   []Link
	done    bool // HTML was found and changed
	rule    Rule
}

// leaf is asked for each part of the mail.
func (v *weaving) leaf(l message.Leaf) ([]byte, bool) {
	switch {
	case v.rule != "":
		return nil, false
	case sealed(l.ContentType), bytes.Contains(l.Bytes, []byte(armour)):
		v.rule = RuleSignedContent
		return nil, false
	case l.ContentType != "text/html", l.Attached:
		return nil, false
	case !l.Decoded, len(l.Bytes) > maxHTML, !asciiBased(l.Params["charset"]):
		v.rule = RuleUnreadable
		return nil, false
	}
	text, ok := v.html(l.Bytes)
	if !ok {
		v.rule = RuleUnreadable
		return nil, false
	}
	v.done = v.rule == ""
	return text, v.done
}

// asciiBased reports whether markup can be read and written in a charset byte by byte.
func asciiBased(charset string) bool {
	charset = strings.ToLower(strings.TrimSpace(charset))
	switch charset {
	case "", "utf-8", "utf8", "us-ascii", "ascii", "koi8-r", "koi8-u", "macintosh":
		return true
	}
	for _, family := range []string{"iso-8859-", "iso8859-", "windows-125", "cp125", "latin"} {
		if strings.HasPrefix(charset, family) {
			return true
		}
	}
	return false
}

func (v *weaving) html(text []byte) ([]byte, bool) {
	p, ok := readPage(text)
	if !ok {
		return nil, false
	}
	var list []edit
	for _, a := range p.anchors {
		if v.own(a.target) {
			// Sent once more: its tokens still tell of the first time.
			v.rule = RuleForeign
			return nil, true
		}
		list = append(list, v.edits(a)...)
	}
	list = append(list, edit{span{p.end, p.end}, v.ending()})
	slices.SortStableFunc(list, func(a, b edit) int { return cmp.Compare(a.start, b.start) })
	return apply(text, list), true
}

// own reports whether an address bears a token of ours.
func (v *weaving) own(target string) bool {
	_, text, ok := strings.Cut(target, LinkPath)
	if !ok {
		return false
	}
	_, err := v.tokens.Parse(ForLink, text)
	return err == nil
}

func (v *weaving) edits(a *anchor) []edit {
	var list []edit
	for _, s := range a.drop {
		list = append(list, edit{s, ""})
	}
	if address := v.consentURL(); a.consent && address != "" && a.href != (span{}) {
		v.offered = true
		if !a.quoted {
			address = `"` + address + `"`
		}
		return append(list, edit{a.href, address})
	}
	link, ok := a.traceable(v.keep)
	if !ok || len(v.links) >= maxLinks {
		return list
	}
	address := v.link(link)
	if !a.quoted {
		address = `"` + address + `"`
	}
	return append(list, edit{a.href, address})
}

// link numbers a link and returns the address that leads to it.
func (v *weaving) link(l Link) string {
	v.links = append(v.links, l)
	return v.address(ForLink, uint16(len(v.links)))
}

// address is where a link (by its number), the picture or the page of consent is.
func (v *weaving) address(p Purpose, number uint16) string {
	switch {
	case v.pattern:
		return hole + string(rune(p)) + strconv.Itoa(int(number)) + hole
	case p == ForConsent:
		return v.tokens.ConsentURL(v.public, v.m.Tenant, message.Delivery(v.m.Message, 1))
	case p == ForPixel:
		return v.base + PixelPath + v.tokens.Make(Token{Purpose: p, Tenant: v.m.Tenant, Message: v.m.Message})
	}
	return v.base + LinkPath + v.tokens.Make(Token{Purpose: p, Tenant: v.m.Tenant, Message: v.m.Message, Number: number})
}

// ending is what stands at the end of the HTML: the picture, and where single
// activities are told, a link that no person can see or reach. Lines of their own keep
// those around them as short as they were.
func (v *weaving) ending() string {
	if v.done {
		return "" // a second part in HTML says the same as the first
	}
	var b strings.Builder
	b.WriteString("\r\n")
	b.WriteString(v.footer())
	if v.level >= Pseudonymous {
		fmt.Fprintf(&b, "<a href=\"%s\" rel=\"nofollow\" aria-hidden=\"true\" tabindex=\"-1\" style=\"display:none\"></a>\r\n", v.link(Link{Trap: true}))
	}
	fmt.Fprintf(&b, "<img src=\"%s\" width=\"1\" height=\"1\" alt=\"\" style=\"display:block;width:1px;height:1px;border:0\">\r\n", v.address(ForPixel, 0))
	return b.String()
}
