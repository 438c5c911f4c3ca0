package crash

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"stafette/test/load/peers"
)

// A mailing is found, handed over, paused, taken up and cancelled while the program dies.
func TestMailingsAreSentOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and breaks the product")
	}
	binary, err := peers.BuildStafette(t.Context(), t.TempDir(), "failpoint")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	m := Mailings{Binary: binary, Dir: t.TempDir(), People: 4000, Kills: 4, Rand: rand.New(rand.NewPCG(1, 1))}
	if err := m.Play(ctx); err != nil {
		t.Error(err)
	}
}
