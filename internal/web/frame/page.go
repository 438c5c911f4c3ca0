package frame

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/net/idna"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/tenant"
)

// Page is what every template needs to know of one request: the reader, their
// language and look, and where they are. A route's Do fills in Room, Title, Query
// and Live, and renders.
type Page struct {
	i18n.Clock // Lang, Zone and the Now of the request; writes times
	// Who is the reader; the zero Identity for somebody who has not signed in.
	Who      tenant.Identity
	SignedIn bool
	// Room is the current entry of the navigation, see Entry.
	Room  string
	Title string
	// Query stands in the search box.
	Query string
	// Live makes the page ask for itself again when facts arrive; only parts with an
	// id and data-fresh are exchanged.
	Live bool
	// LiveAt is the stream that tells of facts; "" is that of the tenant's messages.
	LiveAt string

	frame *Frame
	tone  i18n.Tone
	theme string // "", "light" or "dark"
	dense bool   // tables are set closely
	mute  bool   // no shortcuts of a single key
	path  string // of the request with its query, to come back to
	done  string // what the reader just did, as the address says
	// unread asks how much of the feed the reader has not seen; nil: there is no feed.
	unread func() int
}

func (f *Frame) newPage(r *http.Request, who tenant.Identity) Page {
	p := Page{frame: f, Who: who, SignedIn: !who.User.ID.IsZero(), path: r.URL.RequestURI(), done: r.URL.Query().Get("done")}
	p.Clock = i18n.Clock{Lang: f.languageOf(r, who), Zone: who.Tenant.Zone(f.Zone), Now: f.Now()}
	p.tone = i18n.Tone(who.Tenant.OfficeTone)
	if t := cookieValue(r, ThemeCookie); t == "light" || t == "dark" {
		p.theme = t
	}
	p.dense = cookieValue(r, DensityCookie) == "compact"
	p.mute = cookieValue(r, KeysCookie) == "off"
	if f.Unread != nil && p.SignedIn && !who.Tenant.ID.IsZero() && p.Can(tenant.MessagesRead) && !who.Visiting() {
		p.unread = func() int {
			n, err := f.Unread(r.Context(), who.Tenant.ID, who.User.ID)
			if err != nil && r.Context().Err() == nil {
				// No page is worth less for it.
				f.Log.ErrorContext(r.Context(), "unread activities not counted", "err", err)
			}
			return n
		}
	}
	return p
}

// languageOf follows the reader's own choice, then the account's, then the browser's.
func (f *Frame) languageOf(r *http.Request, who tenant.Identity) i18n.Lang {
	for _, choice := range []string{cookieValue(r, LangCookie), who.User.Locale, who.Tenant.Locale} {
		if lang := i18n.Lang(choice); lang.Valid() {
			return lang
		}
	}
	return i18n.Negotiate(r.Header.Get("Accept-Language"))
}

// Public is the page as everybody sees it: nobody's, in the given language and the look
// of their device, so that it may be kept by caches (RenderPublic).
func (p Page) Public(lang i18n.Lang) Page {
	clock := i18n.Clock{Lang: lang, Zone: p.Zone, Now: p.Now}
	return Page{frame: p.frame, Clock: clock, tone: i18n.Sie, path: p.path}
}

// ClientIP is the address the request came from, to bound what it may cost.
func (p Page) ClientIP(r *http.Request) string { return p.frame.ClientIP(r) }

// Words is the catalogue with the reader's tone, for texts that other rooms put together.
func (p Page) Words() (*i18n.Catalog, i18n.Tone) { return p.frame.Catalog, p.tone }

// T is the text of a key; pairs are placeholder names and their values in turn.
func (p Page) T(key string, pairs ...any) string {
	args := i18n.Args{}
	for i := 0; i+1 < len(pairs); i += 2 {
		args[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return p.frame.Catalog.Text(p.Lang, p.tone, key, args)
}

// Voice is the language with its tone, as bounce.Table.Sentence wants it: "de",
// "de-du" or "en".
func (p Page) Voice() string {
	if p.Lang == i18n.German && p.tone == i18n.Du {
		return "de-du"
	}
	return string(p.Lang)
}

// Has reports whether the catalogue has a text for key.
func (p Page) Has(key string) bool { return p.frame.Catalog.Has(key) }

// Either is the text of key if there is one, otherwise that of fallback.
func (p Page) Either(key, fallback string, pairs ...any) string {
	if p.Has(key) {
		return p.T(key, pairs...)
	}
	return p.T(fallback, pairs...)
}

// Can reports whether the reader has the permission.
func (p Page) Can(permission tenant.Permission) bool { return p.Who.Can(permission) }

// Tenant is the account whose pages the reader sees; zero for staff and strangers.
func (p Page) Tenant() tenant.ID { return p.Who.Tenant.ID }

// Host is the name of the office on the net.
func (p Page) Host() string { return p.frame.host }

// Bytes writes a size as people do.
func (p Page) Bytes(n int64) string { return i18n.Bytes(p.Lang, n) }

// Number writes a number with the language's separators.
func (p Page) Number(n int64) string { return i18n.Number(p.Lang, n) }

// Stamp is t for the datetime attribute of <time>.
func Stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// liveAt is the address of the stream that keeps the page fresh.
func (p Page) liveAt() string {
	if p.LiveAt == "" {
		return "/live"
	}
	return p.LiveAt
}

// Done is what the reader just did if it is one of known, otherwise "". The word
// comes from the address that Redirect made; anybody can write one, so it only
// ever chooses among sentences.
func (p Page) Done(known ...string) string {
	if slices.Contains(known, p.done) {
		return p.done
	}
	return ""
}

// Redirect ends a POST: it leads to the page at path, which can tell what was done
// (Page.Done). "" tells nothing.
func Redirect(w http.ResponseWriter, r *http.Request, path, done string) {
	if done != "" {
		path += "?done=" + done
	}
	http.Redirect(w, r, path, http.StatusSeeOther)
}

// Return leads to where the reader came from, which the request itself tells: to
// target if it is a path of this office, otherwise to "/".
func Return(w http.ResponseWriter, r *http.Request, target string) {
	http.Redirect(w, r, LocalPath(target), http.StatusSeeOther)
}

// FaultText is the sentence for a refusal; value is the input it speaks about.
func (p Page) FaultText(e *fault.Error, value string) string {
	wait := max(int(e.RetryAfter.Minutes()+0.99), 1)
	return p.Either("fault."+e.Code, "fault.kind."+string(e.Kind), "value", Shorten(value, 60), "code", e.Code, "minutes", wait)
}

// DomainName is a domain in A-labels as people write it.
func DomainName(name string) string {
	if unicode, err := idna.Display.ToUnicode(name); err == nil {
		return unicode
	}
	return name
}

// Shorten cuts s to n characters, the last of which then is an ellipsis.
func Shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
