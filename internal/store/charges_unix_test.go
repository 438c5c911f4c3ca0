//go:build unix

package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ledger"
	"stafette/internal/message"
	"stafette/internal/store"
	"stafette/internal/store/storetest"
	"stafette/internal/tenant"
)

// dyingAt names in the environment of a process that is to die where in a commit it does, and
// where its data lies.
const dyingAt = "STAFETTE_DIES_AT"

// TestChargesUnderKill kills a process with SIGKILL between the steps of a commit while it
// accepts mail that a plan pays. Afterwards exactly the mail that is there is charged.
func TestChargesUnderKill(t *testing.T) {
	if at := os.Getenv(dyingAt); at != "" {
		place, dir, _ := strings.Cut(at, "|")
		chargeUntilKilled(t, place, dir)
		return
	}
	for _, place := range []string{"after-body-before-rows", "after-rows-before-commit", "after-store-before-ack"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChargesUnderKill$")
			cmd.Env = append(os.Environ(), dyingAt+"="+place+"|"+dir)
			var said, trouble bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &trouble
			var died *exec.ExitError
			if err := cmd.Run(); !errors.As(err, &died) || died.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL { //nolint:forcetypeassert // of this system
				t.Fatalf("it did not die of the signal: %v\n%s%s", err, said.Bytes(), trouble.Bytes())
			}
			chargedIsThere(t, dir, said.String())
		})
	}
}

// chargeUntilKilled accepts mail and says so, until the process dies at its tenth commit.
func chargeUntilKilled(t *testing.T, place, dir string) {
	passed := -1 // founding the tenants passes nothing
	w := storetest.NewWorld(t, func(t testing.TB, cfg store.Config) *store.Store {
		cfg.DataDir = dir
		cfg.Failpoint = func(at string) {
			if at != place {
				return
			}
			if passed++; passed == 9 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {} // a signal to oneself may take a moment
			}
		}
		return open(t, cfg)
	})
	s := ledger.New(ledger.Config{Store: w.Store, Now: w.Clock.Now})
	p, err := s.CreatePlan(t.Context(), ledger.Plan{Name: "Basis", Included: 1000, Overage: ledger.Refuse})
	if err == nil {
		err = s.SetPlan(t.Context(), w.A, p.ID, "usr_1")
	}
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("tenant", w.A)
	for n := range 100 {
		to := []string{"a@example.net", "b@example.net", "c@example.net"}[:1+n%3]
		a := w.Draft(w.A, to...)
		a.Metered = true
		fmt.Println("tried", a.Message.ID, len(to))
		if err := w.Store.Accept(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		fmt.Println("taken", a.Message.ID, len(to))
	}
}

// chargedIsThere compares what a dead process left with what it said.
func chargedIsThere(t *testing.T, dir, said string) {
	t.Helper()
	w := &storetest.Clock{}
	w.Advance(storetest.Start().Sub(w.Now()))
	s := open(t, store.Config{DataDir: dir, Now: w.Now})
	var who tenant.ID
	var there, tried, taken int64
	for line := range strings.Lines(said) {
		var word, text string
		var n int64
		_, _ = fmt.Sscan(line, &word, &text, &n)
		switch word {
		case "tenant":
			var err error
			if who, err = id.Parse[tenant.Kind](text); err != nil {
				t.Fatal(err)
			}
		case "tried", "taken":
			m, err := id.Parse[message.Kind](text)
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Message(t.Context(), who, m)
			if err != nil && (word == "taken" || !fault.IsKind(err, fault.NotFound)) {
				t.Errorf("%s %s: %v", word, m, err)
			}
			if word == "taken" {
				taken += n
				break
			}
			if tried += n; err == nil {
				there += n
			}
		}
	}
	a, err := s.Account(t.Context(), who)
	if err != nil || a.Used != there || there < taken || taken == 0 || tried == taken {
		t.Errorf("charged %d, stored %d, acknowledged %d of %d, %v", a.Used, there, taken, tried, err)
	}
}
