package spreadsheet_test

import (
	"encoding/csv"
	"errors"
	"slices"
	"strings"
	"testing"

	"stafette/internal/spreadsheet"
)

func TestInert(t *testing.T) {
	for cell, want := range map[string]string{
		"": "", "Hallo": "Hallo", "a=b": "a=b", "'a": "'a", "3": "3", "ü": "ü",
		"=1+1": "'=1+1", "+49 30": "'+49 30", "-1": "'-1", "@SUM": "'@SUM", "\t=1": "'\t=1", "\r=1": "'\r=1", "\n=1": "'\n=1",
		"|cmd": "'|cmd", "%x": "'%x", "＝1": "'＝1",
	} {
		got := spreadsheet.Inert(cell)
		if got != want {
			t.Errorf("%q became %q, want %q", cell, got, want)
		}
		if back := spreadsheet.Tame(got); back != cell {
			t.Errorf("%q came back as %q", cell, back)
		}
	}
}

func TestWriter(t *testing.T) {
	var file strings.Builder
	w := spreadsheet.NewWriter(&file, spreadsheet.Semicolon)
	rows := [][]string{{"Name", "Betreff"}, {"Müller; Söhne", "=cmd\"\n"}}
	for _, row := range rows {
		if err := w.Write(row...); err != nil {
			t.Fatal(err)
		}
	}
	if rows[1][1] != "=cmd\"\n" {
		t.Error("the caller's cells were changed")
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	in := csv.NewReader(strings.NewReader(file.String()))
	in.Comma = ';'
	got, err := in.ReadAll()
	if err != nil || len(got) != 2 || !slices.Equal(got[1], []string{"Müller; Söhne", "'=cmd\"\n"}) {
		t.Errorf("read %q (%v)", got, err)
	}
}

// TestBrokenFile: a full disk or a reader who left is told with Flush.
func TestBrokenFile(t *testing.T) {
	w := spreadsheet.NewWriter(broken{}, ',')
	_ = w.Write("a")
	if err := w.Flush(); !errors.Is(err, errBroken) {
		t.Errorf("error %v", err)
	}
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }
