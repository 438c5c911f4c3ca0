package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/test/load/history"
)

// pastOf is how many messages of the past a benchmark of pages looks at: 100,000, or what
// STAFETTE_BENCH_PAST says (10000000 is the set of P9).
func pastOf(b *testing.B) int {
	b.Helper()
	text := os.Getenv("STAFETTE_BENCH_PAST")
	if text == "" {
		return 100_000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("STAFETTE_BENCH_PAST is %q", text)
	}
	return n
}

// oldHouse is a platform with one tenant that has sent for a long time.
type oldHouse struct {
	*platform
	founded  tenant.Founded
	began    time.Time
	messages int
}

func newOldHouse(b *testing.B) *oldHouse {
	b.Helper()
	dir := b.TempDir()
	path := filepath.Join(dir, "stafette.toml")
	text := "data_dir = " + strconv.Quote(dir) + "\n[http]\npublic_url = \"http://office.example\"\n[egress]\nloopback_only = true\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	c, err := LoadConfig(path, nil)
	if err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	first, err := openBase(b.Context(), c, log)
	if err != nil {
		b.Fatal(err)
	}
	h := &oldHouse{messages: pastOf(b)}
	h.founded, err = first.founder().Found(b.Context(), tenant.FoundRequest{Name: "Muster", Domain: "muster.example", TrustDomain: true, AdminEmail: "h@muster.example", Locale: "de"})
	if err != nil {
		b.Fatal(err)
	}
	if err := first.close(); err != nil {
		b.Fatal(err)
	}
	h.began = time.Now().Add(-time.Duration(h.messages) * history.Spacing)
	h.fill(b, dir)
	if h.platform, err = openPlatform(context.WithoutCancel(b.Context()), c, log); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := h.close(); err != nil {
			b.Error(err)
		}
	})
	return h
}

func (h *oldHouse) fill(b *testing.B, dir string) {
	b.Helper()
	db, err := history.Open(b.Context(), dir, "muster.example")
	if err != nil {
		b.Fatal(err)
	}
	if err := db.Fill(b.Context(), h.began, 0, h.messages); err != nil {
		b.Fatal(err)
	}
	if err := db.Figures(b.Context(), h.began, h.messages); err != nil {
		b.Fatal(err)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}

// quantiles reports what half of the turns and 99 in 100 of them took.
func quantiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	for name, q := range map[string]float64{"p50-ms": 0.5, "p99-ms": 0.99} {
		b.ReportMetric(float64(took[int(q*float64(len(took)-1))].Microseconds())/1000, name)
	}
}

// BenchmarkFigures is how long the pages take that people look at all day, from request to
// last byte, in an account with a long past.
func BenchmarkFigures(b *testing.B) {
	h := newOldHouse(b)
	form := url.Values{"email": {h.founded.AdminEmail}, "password": {h.founded.AdminPassword}}
	r := httptest.NewRequest(http.MethodPost, "http://office.example/signin", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	cookies := w.Result().Cookies()
	if w.Code != http.StatusSeeOther || len(cookies) == 0 {
		b.Fatalf("sign-in: status %d", w.Code)
	}
	page, err := h.store.Messages(b.Context(), h.founded.Tenant, insight.Filter{Recipient: history.Recipient(h.messages / 2)})
	if err != nil || len(page.Messages) != 1 {
		b.Fatalf("a message of the past: %d, %v", len(page.Messages), err)
	}
	one := "/messages/" + page.Messages[0].ID.String()
	for _, c := range [][2]string{
		{"overview", "/"}, {"overview30", "/?range=30"}, {"figures", "/statistics/providers?range=30"}, {"list", "/messages"},
		{"bounced", "/messages?state=bounced"}, {"found", "/messages?q=" + url.QueryEscape(history.Recipient(h.messages/2))}, {"message", one},
	} {
		b.Run(c[0], func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, "http://office.example"+c[1], nil)
				r.AddCookie(cookies[0])
				w := httptest.NewRecorder()
				began := time.Now()
				h.handler.ServeHTTP(w, r)
				took = append(took, time.Since(began))
				if w.Code != http.StatusOK {
					text, _ := io.ReadAll(w.Body)
					b.Fatalf("%s: status %d: %.300s", c[1], w.Code, text)
				}
			}
			quantiles(b, took)
		})
	}
}

// BenchmarkRetention is what one step of retention costs, which drops the rows of a hundred
// messages in one transaction: acceptances wait that long for it.
func BenchmarkRetention(b *testing.B) {
	h := newOldHouse(b)
	var took []time.Duration
	var after message.ID
	for b.Loop() {
		began := time.Now()
		f, err := h.store.Fold(b.Context(), h.founded.Tenant, time.Now(), after, 100)
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		if after = f.Last; !f.More {
			break
		}
	}
	quantiles(b, took)
}
