package toy

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestJournalCutsATornTailOff(t *testing.T) {
	dir := t.TempDir()
	j, _, err := openJournal(dir, Honest)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		if err := j.append(record{ID: id, To: id + ".1@x.example", Body: []byte("text")}); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "journal")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(whole) / 2; cut < len(whole); cut += 7 {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		_, records, err := openJournal(dir, Honest)
		if err != nil || len(records) != 1 || records[0].ID != "a" {
			t.Fatalf("cut at %d: %v, %v", cut, records, err)
		}
		if left, _ := os.ReadFile(path); !bytes.Equal(left, whole[:len(left)]) || len(left) > cut {
			t.Fatalf("cut at %d: %d bytes left", cut, len(left))
		}
	}
}

func FuzzDecode(f *testing.F) {
	good, err := encode(record{ID: "a", State: "queued"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(append(good, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, text []byte) {
		records, size := decode(text)
		if size > int64(len(text)) {
			t.Fatalf("%d records in %d of %d bytes", len(records), size, len(text))
		}
		again, n := decode(text[:size])
		if n != size || len(again) != len(records) {
			t.Errorf("what was read is not whole: %d of %d", n, size)
		}
	})
}
