package approval

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// What Pages find about the page with a form, as Finding.Code.
const (
	FormFound     = "found"     // a field for an address, and words of consent
	FormTicked    = "ticked"    // a box that is ticked before anybody read it
	FormSilent    = "silent"    // a field for an address, and no words of consent
	FormMissing   = "missing"   // a page, and no field for an address
	FormForbidden = "forbidden" // behind a sign-in
	FormGone      = "gone"      // no such page, or no answer
	FormElsewhere = "elsewhere" // an address that is not asked: of an own or private network
)

const (
	maxPage     = 1 << 20 // bytes
	maxPageText = 200_000 // characters looked at
	maxHops     = 3       // redirections
	maxQuote    = 240
	maxDepth    = 200 // of nested elements
)

// Pages looks at pages with forms. Where a request may go, and how long it may take, is up
// to the client, which must be made by a guarded dialer and follow no redirection itself.
type Pages struct {
	Client *http.Client
	// Allowed says why an error of the client means that the address is none we ask.
	Refused func(error) bool
}

// Look reads a page once and tells what stands there; it runs nothing.
func (p *Pages) Look(ctx context.Context, address string) Finding {
	f := Finding{About: FindForm, Mark: Alarming, Code: FormGone}
	for range maxHops + 1 {
		next, err := p.read(ctx, address, &f)
		switch {
		case err != nil && p.Refused != nil && p.Refused(err):
			f.Mark, f.Code = Alarming, FormElsewhere
			return f
		case err != nil || next == "":
			return f
		}
		checked, refused := FormURL(next)
		if refused != nil && refused.Code != "approval_form_home" {
			return f
		}
		if refused != nil {
			f.Code = FormMissing // it leads to the home page
			return f
		}
		address = checked
	}
	return f
}

var errNoPage = errors.New("no page")

// read asks for a page and fills in what stands there, or returns where it leads.
func (p *Pages) read(ctx context.Context, address string, f *Finding) (next string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Accept", "text/html")
	request.Header.Set("Accept-Language", "de, en;q=0.5")
	request.Header.Set("User-Agent", "Stafette review")
	response, err := p.Client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	switch {
	case response.StatusCode >= 300 && response.StatusCode < 400:
		to, err := request.URL.Parse(response.Header.Get("Location"))
		if err != nil || response.Header.Get("Location") == "" {
			return "", errNoPage
		}
		return (&url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path, RawQuery: to.RawQuery}).String(), nil
	case response.StatusCode == http.StatusUnauthorized, response.StatusCode == http.StatusForbidden:
		f.Mark, f.Code = Notable, FormForbidden
		return "", nil
	case response.StatusCode != http.StatusOK:
		return "", errNoPage
	}
	if media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || media != "text/html" && media != "application/xhtml+xml" {
		f.Code = FormMissing
		return "", nil
	}
	readForm(io.LimitReader(response.Body, maxPage), f)
	return "", nil
}

// form is what of a page matters.
type form struct {
	text   strings.Builder
	email  bool
	ticked bool
	mute   int // within elements whose text nobody sees
}

// readForm tells what stands on a page.
func readForm(r io.Reader, f *Finding) {
	var page form
	for z := html.NewTokenizer(r); ; {
		switch z.Next() {
		case html.ErrorToken: // the end, or what we read of it
			page.tell(f)
			return
		case html.TextToken:
			page.words(string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			page.open(z.Token())
		case html.EndTagToken:
			if silent(z.Token().DataAtom) && page.mute > 0 {
				page.mute--
			}
		}
	}
}

func silent(a atom.Atom) bool { return a == atom.Script || a == atom.Style || a == atom.Template }

func (p *form) words(text string) {
	if p.mute == 0 && p.text.Len() < maxPageText {
		p.text.WriteString(text)
		p.text.WriteByte(' ')
	}
}

func (p *form) open(t html.Token) {
	if silent(t.DataAtom) && t.Type == html.StartTagToken && p.mute < maxDepth {
		p.mute++
	}
	if t.DataAtom != atom.Input {
		return
	}
	kind, name, checked := "", "", false
	for _, a := range t.Attr {
		switch a.Key {
		case "type":
			kind = strings.ToLower(a.Val)
		case "name", "id", "autocomplete":
			name += " " + strings.ToLower(a.Val)
		case "checked":
			checked = true
		case "placeholder", "aria-label":
			p.words(a.Val)
		}
	}
	p.email = p.email || kind == "email" || kind != "hidden" && strings.Contains(name, "mail")
	p.ticked = p.ticked || kind == "checkbox" && checked
}

// consenting are words of consent, in lower case; one of the first and one of the second
// list must stand near each other.
func consenting() (will, mail []string) {
	return []string{"einwillig", "stimme zu", "zustimm", "möchte", "ich will", "einverstanden", "anmelden", "abonnieren", "i agree", "i want", "consent", "subscribe", "sign up", "send me", "keep me"},
		[]string{"newsletter", "e-mail", "email", "per mail", "rundbrief", "angebote"}
}

// tell makes the finding. Words count within one sentence's length of each other.
func (p *form) tell(f *Finding) {
	text := strings.Join(strings.Fields(p.text.String()), " ")
	quote := consent(text)
	switch {
	case !p.email:
		f.Mark, f.Code = Alarming, FormMissing
	case p.ticked:
		f.Mark, f.Code, f.Text = Alarming, FormTicked, quote
	case quote == "":
		f.Mark, f.Code = Notable, FormSilent
	default:
		f.Mark, f.Code, f.Text = Plain, FormFound, quote
	}
}

// consent returns the words of consent on a page, "" if there are none.
func consent(text string) string {
	will, mail := consenting()
	for _, sentence := range strings.FieldsFunc(text, func(r rune) bool { return r == '.' || r == '!' || r == '?' }) {
		low := strings.ToLower(sentence)
		if in(low, will) && in(low, mail) {
			return cut(strings.TrimSpace(sentence))
		}
	}
	return ""
}

func in(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// cut shortens a quotation to its end, where a page's menu does not stand.
func cut(text string) string {
	r := []rune(strings.ToValidUTF8(text, ""))
	if utf8.RuneCountInString(text) > maxQuote {
		return "…" + string(r[len(r)-maxQuote:])
	}
	return string(r)
}

// PageTime is how long looking at one page may take.
const PageTime = 15 * time.Second
