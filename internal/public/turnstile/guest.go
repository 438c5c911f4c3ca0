package turnstile

import (
	"context"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
)

// guest is one connection with the room for its requests and answers, one after the other.
type guest struct {
	request http.Request
	blank   http.Request // request before one was read
	url     url.URL
	values  [maxFields]string // what the fields of request lie in

	header http.Header // of the answer
	status int         // 0: not said yet
	body   []byte
}

// maxFields bounds the header fields of a request that is served here.
const maxFields = 32

func newGuest(ctx context.Context, conn net.Conn) *guest {
	g := &guest{header: http.Header{}}
	r := http.Request{Method: http.MethodGet, URL: &g.url, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: http.NoBody, RemoteAddr: conn.RemoteAddr().String()}
	g.blank = *r.WithContext(ctx)
	return g
}

// read takes a request in; false: it is none for the turnstile.
func (g *guest) read(head string) bool {
	line, rest, ok := strings.Cut(head, "\r\n")
	if !ok {
		return false
	}
	path, ok := strings.CutPrefix(line, "GET ")
	if !ok {
		return false
	}
	path, ok = strings.CutSuffix(path, " HTTP/1.1")
	if !ok || path == "" || path[0] != '/' || !all(path, inPath) {
		return false
	}
	// Nothing that a handler noted in the request before may be seen by the next.
	g.request, g.url = g.blank, url.URL{Path: path}
	r := &g.request
	r.RequestURI = path
	clear(r.Header)
	clear(g.header)
	g.status, g.body = 0, g.body[:0]
	for n := 0; ; n++ {
		if line, rest, ok = strings.Cut(rest, "\r\n"); !ok {
			return false
		}
		if line == "" {
			return rest == "" && r.Host != ""
		}
		if n == maxFields || !g.field(line, n) {
			return false
		}
	}
}

// field takes the n-th field of a request in; false: that is not for the turnstile.
func (g *guest) field(line string, n int) bool {
	name, value, ok := strings.Cut(line, ":")
	if !ok || name == "" || !all(name, inName) {
		return false
	}
	value = strings.Trim(value, " \t")
	if !all(value, inValue) {
		return false
	}
	name = textproto.CanonicalMIMEHeaderKey(name)
	h := g.request.Header
	switch name {
	case "Host":
		if g.request.Host != "" || !all(value, inHost) {
			return false
		}
		g.request.Host = value
		return true
	case "Connection":
		if !strings.EqualFold(value, "keep-alive") {
			return false
		}
	case "Content-Length", "Transfer-Encoding", "Expect", "Upgrade", "Trailer", "Te", "Http2-Settings":
		return false
	}
	if have, twice := h[name]; twice {
		h[name] = append(have, value)
		return true
	}
	g.values[n] = value
	h[name] = g.values[n : n+1 : n+1]
	return true
}

// The kinds of characters of a request.
const (
	inPath = 1 << iota
	inName
	inHost
	inValue
)

// kinds tells what each character may stand in.
var kinds = func() (k [256]byte) {
	for c := range 256 {
		b := byte(c)
		letter := b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9' || b == '-'
		if letter {
			k[c] |= inPath | inName | inHost
		}
		if b == '/' || b == '_' {
			k[c] |= inPath
		}
		if strings.IndexByte(".:[]", b) >= 0 {
			k[c] |= inHost
		}
		if b >= ' ' && b < 0x7f || b == '\t' {
			k[c] |= inValue
		}
	}
	return k
}()

func all(s string, kind byte) bool {
	for i := range len(s) {
		if kinds[s[i]]&kind == 0 {
			return false
		}
	}
	return true
}

// Header implements http.ResponseWriter.
func (g *guest) Header() http.Header { return g.header }

// WriteHeader implements http.ResponseWriter. Only the first call says something.
func (g *guest) WriteHeader(status int) {
	if g.status == 0 && status >= http.StatusOK {
		g.status = status
	}
}

// Write implements http.ResponseWriter.
func (g *guest) Write(b []byte) (int, error) {
	g.WriteHeader(http.StatusOK)
	g.body = append(g.body, b...)
	return len(b), nil
}

// WriteString implements io.StringWriter.
func (g *guest) WriteString(s string) (int, error) {
	g.WriteHeader(http.StatusOK)
	g.body = append(g.body, s...)
	return len(s), nil
}

// append adds the answer to b, as net/http words it; last says that the connection ends.
func (g *guest) append(b []byte, date string, last bool) []byte {
	g.WriteHeader(http.StatusOK)
	empty := g.status == http.StatusNoContent || g.status == http.StatusNotModified
	if empty {
		g.body = g.body[:0]
	}
	if len(g.body) > 0 && len(g.header["Content-Type"]) == 0 {
		g.header.Set("Content-Type", http.DetectContentType(g.body))
	}
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(g.status), 10)
	b = append(append(b, ' '), http.StatusText(g.status)...)
	for name, values := range g.header {
		switch name {
		case "Date", "Content-Length", "Connection", "Transfer-Encoding":
			continue // said below, of what is really sent
		}
		for _, v := range values {
			b = appendValue(append(append(append(b, "\r\n"...), name...), ": "...), v)
		}
	}
	b = append(append(b, "\r\nDate: "...), date...)
	if !empty {
		b = strconv.AppendInt(append(b, "\r\nContent-Length: "...), int64(len(g.body)), 10)
	}
	if last {
		b = append(b, "\r\nConnection: close"...)
	}
	return append(append(b, "\r\n\r\n"...), g.body...)
}

// appendValue adds the value of a field. What would end it, or is no text, becomes a space.
func appendValue(b []byte, v string) []byte {
	from := len(b)
	b = append(b, v...)
	for i := from; i < len(b); i++ {
		if b[i] < ' ' && b[i] != '\t' || b[i] == 0x7f {
			b[i] = ' '
		}
	}
	return b
}
