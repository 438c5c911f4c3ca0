package ledger

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestLedgerKeepsConcurrentEntries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 25 {
				if err := l.Append(Entry{Token: fmt.Sprintf("t%d.%d", i, j), ID: "msg"}); err != nil {
					t.Error(err)
				}
				if j == 24 { // what Append returned for must be readable at once
					mustHold(t, path, fmt.Sprintf("t%d.24", i))
				}
			}
		})
	}
	group.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := Read(path)
	if err != nil || len(entries) != 200 {
		t.Fatalf("%d entries, error %v", len(entries), err)
	}
}

func mustHold(t *testing.T, path, token string) {
	entries, err := Read(path)
	if err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		if e.Token == token && e.ID == "msg" {
			return
		}
	}
	t.Errorf("%s is not in the ledger", token)
}

func TestReadIgnoresATornLastLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	if err := os.WriteFile(path, []byte("a.1\tx\nb.2"), 0o600); err != nil {
		t.Fatal(err)
	}
	entries, err := Read(path)
	if err != nil || len(entries) != 1 || entries[0] != (Entry{"a.1", "x"}) {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestAppendAfterFailureIsRefused(t *testing.T) {
	l, err := Open(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	l.file.Close()
	for range 2 {
		if l.Append(Entry{Token: "a.1"}) == nil {
			t.Error("acknowledged without a file")
		}
	}
}
