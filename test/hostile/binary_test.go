package hostile

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"stafette/test/load/peers"
)

// patient are the faults that take minutes of real time.
func (f Fault) patient() bool {
	switch f {
	case Silence, Drip, Trickle, Late:
		return true
	}
	return false
}

// host serves one cell on a loopback port until the test ends.
func host(t *testing.T, c Cell) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &MX{Cell: c, Pipelining: true}
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			sessions.Go(func() { m.Serve(conn) })
		}
	})
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// One instance of the built product meets all cells at once, each at a domain of its
// own, and must tell of each delivery the one right state.
func TestBinaryMeetsEveryCell(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the product")
	}
	routes := map[string]string{}
	var cells []Cell
	for _, c := range Cells() {
		if !c.Fault.patient() && c.State != Body {
			cells = append(cells, c)
			routes[domain(c)] = host(t, c)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	binary, err := peers.BuildStafette(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := peers.StartStafette(ctx, peers.StafetteConfig{Binary: binary, Dir: t.TempDir(), Sink: "127.0.0.1:1", Routes: routes,
		Domain: "muster.example", Retry: []time.Duration{time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	ids := map[Cell]string{}
	for _, c := range cells {
		ids[c] = submit(t, ctx, s, c)
	}
	for _, c := range cells {
		t.Run(c.String(), func(t *testing.T) { judge(t, c, settled(t, ctx, s, ids[c])) })
	}
}

func domain(c Cell) string { return c.String() + ".example" }

func submit(t *testing.T, ctx context.Context, s *peers.Stafette, c Cell) string {
	t.Helper()
	door := s.HTTP()
	body, err := json.Marshal(map[string]any{"from": "info@muster.example", "to": []string{"eva@" + domain(c)}, "subject": c.String(), "text": "x"})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, door.URL+"/v1/messages", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+door.Key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ ID string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%s: status %d, %v", c, resp.StatusCode, err)
	}
	return answer.ID
}

// settled waits for the end of the first attempt.
func settled(t *testing.T, ctx context.Context, s *peers.Stafette, id string) peers.Delivery {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		list, err := s.Message(ctx, id)
		if err != nil || len(list) != 1 {
			t.Fatalf("%d deliveries: %v", len(list), err)
		}
		if len(list[0].Attempts) > 0 {
			return list[0]
		}
		select {
		case <-ctx.Done():
			t.Fatalf("no attempt: %+v", list[0])
		case <-tick.C:
		}
	}
}

func judge(t *testing.T, c Cell, d peers.Delivery) {
	t.Helper()
	first := d.Attempts[0]
	want := map[Ending]string{Taken: "delivered", Uncertain: "uncertain", Broken: "deferred", Refused: "deferred"}[c.Ending()]
	if c.Ending() == Refused && c.Code() == 550 && c.blamesRecipient() {
		want = "bounced"
	}
	if first.Outcome != want {
		t.Errorf("outcome %s (%d %q), want %s", first.Outcome, first.Code, first.Reply, want)
	}
	state := want
	if want == "uncertain" {
		state = "deferred" // it is tried again
	}
	if d.State != state {
		t.Errorf("state %s, want %s", d.State, state)
	}
	if c.Ending() == Refused && first.Code != c.Code() {
		t.Errorf("code %d, want %d", first.Code, c.Code())
	}
}

// blamesRecipient: a 550 before RCPT is about us, not about the recipient.
func (c Cell) blamesRecipient() bool { return c.State != Greeting && c.State != EHLO }
