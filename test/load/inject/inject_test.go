package inject

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"stafette/test/load/ledger"
	"stafette/test/load/letter"
	"stafette/test/load/sink"
)

func source(size int) *letter.Source {
	return letter.NewSource(letter.Config{Run: "t", From: "info@muster.example", Size: size})
}

func TestSMTPBooksAndSinkAgree(t *testing.T) {
	for name, c := range map[string]sink.Config{
		"all taken":     {Verify: true},
		"with chunking": {Verify: true, Chunking: true},
		"some refused":  {Verify: true, Temporary: 10, Permanent: 3},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := sink.Start(c)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			path := filepath.Join(t.TempDir(), "ledger")
			book, err := ledger.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			// Stubborn, because a refusal ends an ordinary session.
			result, err := SMTP{Addr: s.Addr(), Username: "u", Password: "p"}.Run(ctx, Load{
				Letters: source(2000), Count: 300, Sessions: 7, Ledger: book, Stubborn: true})
			if err != nil {
				t.Fatal(err)
			}
			entries, err := ledger.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			receipts, want := s.Receipts(), 0
			for i := range 300 {
				if c.FateOf(source(2000).At(i).Token) == sink.Accepted {
					want++
				}
			}
			if len(entries) != want || len(receipts) != want || result.Acknowledged != want || result.Refused != 300-want {
				t.Errorf("ledger %d, sink %d, result %+v, want %d", len(entries), len(receipts), result, want)
			}
			for _, e := range entries {
				if receipts[e.Token] != 1 {
					t.Errorf("%s received %d times", e.Token, receipts[e.Token])
				}
			}
			if len(s.Damaged()) != 0 {
				t.Errorf("damaged %v", s.Damaged())
			}
		})
	}
}

func TestSMTPGivesUpAtARefusalUnlessStubborn(t *testing.T) {
	s, err := sink.Start(sink.Config{Permanent: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var no refusal
	_, err = SMTP{Addr: s.Addr()}.Run(t.Context(), Load{Letters: source(2000), Count: 5, Sessions: 1})
	if !errors.As(err, &no) || !strings.HasPrefix(string(no), "550 5.1.1") {
		t.Errorf("error %v", err)
	}
}

// api answers as the HTTP API does, refusing every tenth letter of a batch.
type api struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer stf_x" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	text, _ := io.ReadAll(r.Body)
	var drafts struct{ Messages []draft }
	if r.URL.Path == "/v1/messages/batch" {
		json.Unmarshal(text, &drafts)
	} else {
		drafts.Messages = make([]draft, 1)
		json.Unmarshal(text, &drafts.Messages[0])
	}
	var results []map[string]any
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, d := range drafts.Messages {
		if i%10 == 9 {
			results = append(results, map[string]any{"problem": map[string]any{"status": 422}})
			continue
		}
		a.seen[letter.TokenOf(d.To[0])] = true
		results = append(results, map[string]any{"id": "msg_" + letter.TokenOf(d.To[0])})
	}
	w.WriteHeader(http.StatusAccepted)
	if r.URL.Path == "/v1/messages/batch" {
		json.NewEncoder(w).Encode(map[string]any{"results": results})
		return
	}
	json.NewEncoder(w).Encode(results[0])
}

func TestHTTPBooksWhatWasAccepted(t *testing.T) {
	for name, c := range map[string]struct{ batch, acknowledged, refused int }{
		"single": {1, 40, 0},
		"batch":  {20, 36, 4},
	} {
		t.Run(name, func(t *testing.T) {
			a := &api{seen: map[string]bool{}}
			server := httptest.NewServer(a)
			defer server.Close()
			path := filepath.Join(t.TempDir(), "ledger")
			book, err := ledger.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			result, err := HTTP{URL: server.URL, Key: "stf_x", Batch: c.batch}.Run(t.Context(), Load{
				Letters: source(2000), Count: 40, Sessions: 3, Ledger: book})
			if err != nil {
				t.Fatal(err)
			}
			entries, err := ledger.Read(path)
			if err != nil || len(entries) != c.acknowledged || result.Acknowledged != c.acknowledged || result.Refused != c.refused {
				t.Errorf("ledger %d (%v), result %+v", len(entries), err, result)
			}
			for _, e := range entries {
				if !a.seen[e.Token] || e.ID != "msg_"+e.Token {
					t.Errorf("entry %+v was not accepted so", e)
				}
			}
		})
	}
}
