package frame

import (
	"net/http"
	"net/url"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// The cookies that keep a reader's choice of language and look in the browser,
// where it works on the sign-in page too.
const (
	LangCookie    = "stafette-lang"
	ThemeCookie   = "stafette-theme"
	DensityCookie = "stafette-density" // "compact", or not there
	KeysCookie    = "stafette-keys"    // "off": no shortcuts of a single key (WCAG 2.1.4)
)

// maxSmallForm bounds every form but those that bring files.
const maxSmallForm = 64 << 10

// SessionCookie is the name of the cookie with the session's token.
func (f *Frame) SessionCookie() string {
	if f.secure {
		return "__Host-stafette"
	}
	return "stafette"
}

// SessionToken is the token the browser sent, "" if none.
func (f *Frame) SessionToken(r *http.Request) string { return cookieValue(r, f.SessionCookie()) }

func cookieValue(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// SetCookie leaves a cookie no script can read. maxAge is in seconds as in
// http.Cookie: 0 until the browser closes, negative deletes it.
func (f *Frame) SetCookie(w http.ResponseWriter, name, value string, maxAge int) {
	//nolint:gosec // G124: secure wherever the office is reached by https
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: f.secure, SameSite: http.SameSiteLaxMode,
	})
}

// Identify finds the person behind the session cookie. Nobody is the zero Identity
// without an error.
func (f *Frame) Identify(r *http.Request) (tenant.Identity, error) {
	token := f.SessionToken(r)
	if token == "" {
		return tenant.Identity{}, nil
	}
	return f.Auth.Resume(r.Context(), token)
}

// LocalPath returns target if it is a path of this office, otherwise "/". What a
// browser might read as another host ("//evil", "/\evil") is not.
func LocalPath(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(target, "/") {
		return "/"
	}
	if strings.HasPrefix(target, "//") || strings.ContainsAny(target, "\\\t\r\n") {
		return "/"
	}
	return target
}

// ParseForm reads a posted form of at most 64 KiB into r.PostForm. That it comes
// from one of our own pages is already certain.
func ParseForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxSmallForm)
	if err := r.ParseForm(); err != nil {
		return &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
	}
	return nil
}
