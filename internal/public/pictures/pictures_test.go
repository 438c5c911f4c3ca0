package pictures_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stafette/internal/fault"
	door "stafette/internal/public/pictures"
	"stafette/internal/stationery/pictures"
)

type shelf struct{}

func (shelf) Open(_ context.Context, file string) (pictures.Picture, []byte, error) {
	switch file {
	case "x.png":
		return pictures.Picture{Media: "image/png", Hash: [32]byte{0xab}}, []byte("png"), nil
	case "broken.png":
		return pictures.Picture{}, nil, errors.New("disk")
	}
	return pictures.Picture{}, nil, fault.New(fault.NotFound, pictures.CodeUnknown, "")
}

type limiter struct{ wait time.Duration }

func (l limiter) Take(string) time.Duration { return l.wait }

// Whoever has an address gets the picture and keeps it; nothing else is told, and nothing is
// remembered of who asked.
func TestServed(t *testing.T) {
	for name, c := range map[string]struct {
		method, path, tag string
		wait              time.Duration
		status            int
		body              string
	}{
		"a picture":      {"GET", "x.png", "", 0, 200, "png"},
		"only its head":  {"HEAD", "x.png", "", 0, 200, ""},
		"known already":  {"GET", "x.png", `"ab000000000000000000000000000000"`, 0, 304, ""},
		"made up":        {"GET", "y.png", "", 0, 404, ""},
		"out of it":      {"GET", "..%2fx.png", "", 0, 404, ""},
		"failed":         {"GET", "broken.png", "", 0, 500, ""},
		"too often":      {"GET", "x.png", "", time.Second, 429, ""},
		"with something": {"POST", "x.png", "", 0, 405, ""},
	} {
		server := httptest.NewServer(door.New(door.Config{Library: shelf{}, Limiter: limiter{c.wait}}))
		r, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+pictures.Path+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("If-None-Match", c.tag)
		a, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(a.Body)
		if err != nil || a.StatusCode != c.status || c.body != "" && string(body) != c.body || strings.Contains(string(body), "disk") {
			t.Errorf("%s: %d %q, %v", name, a.StatusCode, body, err)
		}
		h := a.Header
		if c.status == 200 && (h.Get("Content-Type") != "image/png" || !strings.Contains(h.Get("Cache-Control"), "immutable") || h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox")) {
			t.Errorf("%s: %v", name, h)
		}
		if c.status != 200 && c.status != 304 && strings.Contains(h.Get("Cache-Control"), "max-age") || h.Get("Set-Cookie") != "" {
			t.Errorf("%s is kept: %v", name, h)
		}
		_ = a.Body.Close()
		server.Close()
	}
}
