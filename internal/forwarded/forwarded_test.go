package forwarded_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"stafette/internal/forwarded"
)

func proxies() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}
}

func TestWhoARequestCameFrom(t *testing.T) {
	const proxy = "10.0.0.1:4711"
	many := strings.Repeat("10.0.0.9, ", 100) + "10.0.0.2"
	for _, c := range []struct {
		name, peer, field string
		lines             []string
		want              string
	}{
		{"nobody stands between", "198.51.100.7:1", forwarded.XForwardedFor, []string{"192.0.2.1"}, "198.51.100.7:1"},
		{"a proxy", proxy, forwarded.XForwardedFor, []string{"192.0.2.1"}, "192.0.2.1:0"},
		{"two proxies", proxy, forwarded.XForwardedFor, []string{"192.0.2.1, 10.2.3.4"}, "192.0.2.1:0"},
		{"two lines are one", proxy, forwarded.XForwardedFor, []string{"192.0.2.1", "10.2.3.4"}, "192.0.2.1:0"},
		{"what the client claims is not believed", proxy, forwarded.XForwardedFor, []string{"127.0.0.1, 10.9.9.9, 192.0.2.1"}, "192.0.2.1:0"},
		{"the other field is the client's", proxy, forwarded.XForwardedFor, nil, proxy},
		{"with ports", proxy, forwarded.XForwardedFor, []string{"[2001:db8::5]:443, 10.2.3.4:80"}, "[2001:db8::5]:0"},
		{"an address in IPv6 form", proxy, forwarded.XForwardedFor, []string{"::ffff:192.0.2.1"}, "192.0.2.1:0"},
		{"a peer in IPv6 form", "[::ffff:10.0.0.1]:5", forwarded.XForwardedFor, []string{"192.0.2.1"}, "192.0.2.1:0"},
		{"a proxy with IPv6", "[2001:db8:1::2]:5", forwarded.XForwardedFor, []string{"2001:db8:2::1"}, "[2001:db8:2::1]:0"},
		{"a zone is nobody's", proxy, forwarded.XForwardedFor, []string{"fe80::1%eth0"}, "[fe80::1]:0"},
		{"garbage before a proxy", proxy, forwarded.XForwardedFor, []string{"192.0.2.1, x, 10.2.3.4"}, "10.2.3.4:0"},
		{"only garbage", proxy, forwarded.XForwardedFor, []string{"unknown"}, proxy},
		{"nothing", proxy, forwarded.XForwardedFor, []string{""}, proxy},
		{"within the own network", proxy, forwarded.XForwardedFor, []string{"10.7.7.7, 10.2.3.4"}, "10.7.7.7:0"},
		{"too many", proxy, forwarded.XForwardedFor, []string{"192.0.2.1, " + many}, "10.0.0.9:0"},
		{"RFC 7239", proxy, forwarded.Forwarded, []string{`for=192.0.2.1;proto=https;by=10.0.0.1`}, "192.0.2.1:0"},
		{"RFC 7239 with IPv6", proxy, forwarded.Forwarded, []string{`For="[2001:db8::5]:4711", for=10.2.3.4`}, "[2001:db8::5]:0"},
		{"a quoted comma is none", proxy, forwarded.Forwarded, []string{`for=192.0.2.1, for=10.2.3.4;host="a,for=198.51.100.1;\",b"`}, "192.0.2.1:0"},
		{"an obfuscated client", proxy, forwarded.Forwarded, []string{`for=_hidden, for=10.2.3.4`}, "10.2.3.4:0"},
		{"two for in one", proxy, forwarded.Forwarded, []string{`for=192.0.2.1;for=192.0.2.2`}, proxy},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		r.Header[c.field] = c.lines
		if c.lines == nil {
			r.Header.Set(forwarded.Forwarded, "for=192.0.2.1")
		}
		got := ""
		forwarded.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr }), c.field, proxies()).ServeHTTP(httptest.NewRecorder(), r)
		if got != c.want || r.RemoteAddr != c.peer {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func FuzzClient(f *testing.F) {
	f.Add("192.0.2.1, 10.0.0.2", false)
	f.Add(`for="[2001:db8::5]:4711";host="\"", for=10.2.3.4`, true)
	f.Fuzz(func(t *testing.T, value string, pairs bool) {
		field := forwarded.XForwardedFor
		if pairs {
			field = forwarded.Forwarded
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Header[field] = "10.0.0.1:1", []string{value}
		if a, ok := forwarded.Client(r, field, proxies()); ok && (!a.IsValid() || a.Zone() != "" || a.Is4In6()) {
			t.Errorf("%q: %v", value, a)
		}
		if _, ok := forwarded.Client(r, field, nil); ok {
			t.Error("believed somebody who was not named")
		}
	})
}
