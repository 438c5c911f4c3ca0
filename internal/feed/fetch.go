package feed

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"stafette/internal/fault"
)

const maxHops = 3 // redirections

// unread is why a feed could not be read.
func unread(code, detail string) error {
	return fault.Field("url", code, detail)
}

// answer is what lay at the address of a feed.
type answer struct {
	same           bool // nothing has changed since the ETag or date we have
	etag, modified string
	entries        []Entry
}

// fetch reads a feed. known: only if it is another one than that of f's ETag and Modified. The
// error is a fault with one of the codes.
func (s *Service) fetch(ctx context.Context, f Feed, known bool) (answer, error) {
	at, err := url.Parse(f.URL)
	for range maxHops + 1 {
		if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
			return answer{}, unread(CodeUnreachable, "The address leads to none that can be read.")
		}
		var next *url.URL
		var a answer
		if a, next, err = s.ask(ctx, f, at, known); err != nil || next == nil {
			return a, err
		}
		at = next
	}
	return answer{}, unread(CodeUnreachable, "The address leads on and on.")
}

// ask asks once; next is where the answer leads.
func (s *Service) ask(ctx context.Context, f Feed, at *url.URL, known bool) (a answer, next *url.URL, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return a, nil, unread(CodeUnreachable, "The address is none that can be asked.")
	}
	r.Header.Set("Accept", "application/rss+xml, application/atom+xml, application/xml;q=0.9, text/xml;q=0.9")
	r.Header.Set("User-Agent", "Stafette feed reader")
	if known && f.ETag != "" {
		r.Header.Set("If-None-Match", f.ETag)
	}
	if known && f.Modified != "" {
		r.Header.Set("If-Modified-Since", f.Modified)
	}
	res, err := s.c.Client.Do(r)
	switch {
	case err != nil && s.c.Refused != nil && s.c.Refused(err):
		return a, nil, unread(CodeElsewhere, "The address belongs to a network that is not asked.")
	case err != nil:
		return a, nil, unread(CodeUnreachable, "The address does not answer.")
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode == http.StatusNotModified && known:
		return answer{same: true, etag: f.ETag, modified: f.Modified}, nil, nil
	case res.StatusCode >= 300 && res.StatusCode < 400 && res.Header.Get("Location") != "":
		if next, err = at.Parse(res.Header.Get("Location")); err != nil {
			return a, nil, unread(CodeUnreachable, "The address leads to none that can be read.")
		}
		return a, next, nil
	case res.StatusCode != http.StatusOK:
		return a, nil, unread(CodeUnreachable, "The address answers with the status "+http.StatusText(res.StatusCode)+".")
	}
	page, err := io.ReadAll(io.LimitReader(res.Body, MaxBytes+1))
	switch {
	case err != nil:
		return a, nil, unread(CodeUnreachable, "The answer broke off.")
	case len(page) > MaxBytes:
		return a, nil, unread(CodeLarge, "The feed is larger than 2 MiB.")
	}
	if a.entries, err = Parse(page, at); err != nil {
		return a, nil, unread(CodeMalformed, "What lies there is neither RSS nor Atom.")
	}
	a.etag, a.modified = header(res.Header.Get("ETag")), header(res.Header.Get("Last-Modified"))
	return a, nil, nil
}

// header is a value that may be said again; "" for what is too long.
func header(text string) string {
	if len(text) > 400 {
		return ""
	}
	return text
}
