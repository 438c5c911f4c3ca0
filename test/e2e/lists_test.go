package e2e

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"
)

// addressCheck is a list as the API tells of it.
type addressCheck struct {
	ID      string         `json:"id"`
	State   string         `json:"state"`
	Rows    int            `json:"rows"`
	Checked int            `json:"checked"`
	Counts  map[string]int `json:"counts"`
}

// TestListSurvivesAKill: the program dies in the middle of a list, and afterwards no row
// is missing and none is counted twice.
func TestListSurvivesAKill(t *testing.T) {
	t.Parallel()
	const rows = 20_000
	s := install(t, fmt.Sprintf("[dns]\nserver = %q\n", nameServer(t, map[string]string{"kunde.example.": "MX 10 mx.kunde.example."})))
	var list bytes.Buffer
	list.WriteString("Name;E-Mail\n")
	for n := range rows {
		domain := "kunde.example"
		if n%10 == 0 {
			domain = "gibtsnicht.example"
		}
		fmt.Fprintf(&list, "x;p%d@%s\n", n/2*2+n%10/9, domain) // a tenth stands there twice
	}
	a := s.request(t, http.MethodPost, "/v1/addresses/batch?name=kunden", list.Bytes(), "Content-Type", "text/csv")
	if a.status != http.StatusAccepted {
		t.Fatalf("hand in: %s", a)
	}
	id := decode[addressCheck](t, a.body).ID
	read := func() addressCheck {
		a := s.request(t, http.MethodGet, "/v1/addresses/batch/"+id, nil)
		if a.status != http.StatusOK {
			t.Fatalf("read check: %s", a)
		}
		return decode[addressCheck](t, a.body)
	}
	for c := read(); c.Checked < 250; c = read() {
		if c.State != "running" {
			t.Fatalf("%+v", c)
		}
	}
	s.kill()
	s.start(t)
	if c := read(); c.Checked >= rows {
		t.Fatalf("the list was done before the kill: %+v", c)
	}
	eventually(t, "the list is done", func() error {
		if c := read(); c.State != "done" {
			return fmt.Errorf("%d of %d: %w", c.Checked, rows, errNotYet)
		}
		return nil
	})
	c, sum := read(), 0
	for _, n := range c.Counts {
		sum += n
	}
	if c.Rows != rows || c.Checked != rows || sum != rows {
		t.Errorf("%+v: %d rows counted", c, sum)
	}
	lines, err := csv.NewReader(bytes.NewReader(s.request(t, http.MethodGet, "/v1/addresses/batch/"+id+"/export", nil).body)).ReadAll()
	if err != nil || len(lines) != rows+1 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	counts := map[string]int{}
	for i, cells := range lines[1:] {
		if cells[0] != strconv.Itoa(i+2) {
			t.Fatalf("line %s at place %d", cells[0], i+2)
		}
		counts[cells[2]]++
	}
	if fmt.Sprint(counts) != fmt.Sprint(c.Counts) || counts["duplicate"] == 0 || counts["unreachable"] == 0 {
		t.Errorf("rows %v, counted %v", counts, c.Counts)
	}
}

var errNotYet = errors.New("not yet")
