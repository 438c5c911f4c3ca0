package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"stafette/test/crash/faultfs"
)

// Fault is something that happens to a server under load and is over, with the
// server running again, when Happen returns.
type Fault struct {
	Name   string
	Happen func(ctx context.Context, t *Trial) error
}

// Disk is the storage under a server's data directory.
type Disk interface {
	// Dir is where the server keeps its data; it survives cuts.
	Dir() string
	// Cut is the loss of power; the server is dead.
	Cut(kind faultfs.Damage, r *rand.Rand) error
}

// faulty is a Disk that can also do wrong while the server runs.
type faulty interface {
	Disk
	Disk() *faultfs.Disk
}

var errNeedsFaultyDisk = errors.New("needs a disk of package faultfs")

// Kill is kill -9 and a new start.
func Kill() Fault {
	return Fault{Name: "kill", Happen: func(ctx context.Context, t *Trial) error {
		if err := t.Server.Kill(); err != nil {
			return err
		}
		return t.restart(ctx)
	}}
}

func (t *Trial) restart(ctx context.Context) error {
	t.crashes++
	if err := t.Server.Start(ctx); err != nil {
		return fmt.Errorf("start after the crash: %w", err)
	}
	return nil
}

// Cut is the loss of power and a new start. A nil disk cannot be cut.
func Cut(kind faultfs.Damage) Fault {
	return Fault{Name: "power cut, " + []string{"drop", "tear", "scatter"}[kind], Happen: func(ctx context.Context, t *Trial) error {
		if t.Disk == nil {
			return errors.New("no disk to cut")
		}
		return t.cut(ctx, kind)
	}}
}

func (t *Trial) cut(ctx context.Context, kind faultfs.Damage) error {
	if err := t.Server.Kill(); err != nil {
		return err
	}
	if err := t.Disk.Cut(kind, t.Rand); err != nil {
		return err
	}
	return t.restart(ctx)
}

// Full leaves the disk a little room, takes it away for a while and gives it back.
// The server must live through it and take mail again by itself.
func Full(room int64, while time.Duration) Fault {
	return Fault{Name: "disk full", Happen: func(ctx context.Context, t *Trial) error {
		d, ok := t.Disk.(faulty)
		if !ok {
			return errNeedsFaultyDisk
		}
		d.Disk().Inject(faultfs.Faults{Capacity: d.Disk().Used() + room})
		err := wait(ctx, while)
		d.Disk().Inject(faultfs.Faults{})
		if err != nil {
			return err
		}
		return t.heal(ctx, "space came back")
	}}
}

// Fill is Full for a real file system, of which the server has one of its own: a file
// takes all the room there is, for a while.
func Fill(while time.Duration) Fault {
	return Fault{Name: "disk filled", Happen: func(ctx context.Context, t *Trial) error {
		ballast := filepath.Join(filepath.Dir(t.Disk.Dir()), "ballast")
		if err := fill(ballast); err != nil {
			return err
		}
		err := wait(ctx, while)
		if err = errors.Join(err, os.Remove(ballast)); err != nil {
			return err
		}
		return t.heal(ctx, "space came back")
	}}
}

// fill writes a file until there is no room left, not even for a byte.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("fill disk: %w", err)
	}
	for piece := make([]byte, 1<<20); len(piece) > 0; {
		if _, err = f.Write(piece); errors.Is(err, syscall.ENOSPC) {
			piece, err = piece[:len(piece)/2], nil
		}
		if err != nil {
			break
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("fill disk: %w", err)
	}
	return nil
}

// healing is how long a server may take until it takes mail again by itself.
const healing = 30 * time.Second

// heal waits until the server takes mail again after what kept it from that is over,
// and notes how long that took. One that died of it or does not come back has broken a
// promise.
func (t *Trial) heal(ctx context.Context, over string) error {
	began := time.Now()
	select {
	case <-t.Server.Died():
		t.object("the server died before %s: %s", over, t.Server.Said())
		return t.restart(ctx)
	default:
	}
	healed, cancel := context.WithTimeout(ctx, healing)
	defer cancel()
	if err := t.progress(healed, 5); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		t.object("no mail taken %v after %s: %s", healing, over, t.Server.Said())
		if err := t.Server.Kill(); err != nil {
			return err
		}
		return t.restart(ctx)
	}
	t.healed = max(t.healed, time.Since(began))
	t.Log.Info("healed", "after", time.Since(began), "said", t.Server.Said())
	return nil
}

// Later lets a fault happen after a while under load.
func Later(while time.Duration, f Fault) Fault {
	return Fault{Name: f.Name + " later", Happen: func(ctx context.Context, t *Trial) error {
		if err := wait(ctx, while); err != nil {
			return err
		}
		return f.Happen(ctx, t)
	}}
}

// FlushError fails one flush with EIO, the n-th from now. The server must stop, and
// finds after its start the disk without what that flush should have written.
// Going on for longer than the grace after it is an offence.
func FlushError(n int, grace time.Duration) Fault {
	return Fault{Name: fmt.Sprintf("EIO on flush %d", n), Happen: func(ctx context.Context, t *Trial) error {
		d, ok := t.Disk.(faulty)
		if !ok {
			return errNeedsFaultyDisk
		}
		d.Disk().Inject(faultfs.Faults{FailFlush: n})
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-t.Server.Died():
		case <-timer.C:
			t.object("the server was still there %v after a failed flush: %s", grace, t.Server.Said())
		case <-ctx.Done():
			return ctx.Err()
		}
		return t.cut(ctx, faultfs.Drop)
	}}
}

// Stall makes every flush slow for a while. Nothing may be lost and nobody may die.
func Stall(flush, while time.Duration) Fault {
	return Fault{Name: "stall", Happen: func(ctx context.Context, t *Trial) error {
		d, ok := t.Disk.(faulty)
		if !ok {
			return errNeedsFaultyDisk
		}
		d.Disk().Inject(faultfs.Faults{Delay: flush})
		err := wait(ctx, while)
		d.Disk().Inject(faultfs.Faults{})
		return err
	}}
}

// StallThenKill kills the server in the middle of a stall, when the most is under
// way that was done and not yet written down.
func StallThenKill(flush, while time.Duration) Fault {
	return Fault{Name: "stall, kill", Happen: func(ctx context.Context, t *Trial) error {
		d, ok := t.Disk.(faulty)
		if !ok {
			return errNeedsFaultyDisk
		}
		d.Disk().Inject(faultfs.Faults{Delay: flush})
		if err := wait(ctx, while); err != nil {
			return err
		}
		if err := t.Server.Kill(); err != nil {
			return err
		}
		d.Disk().Inject(faultfs.Faults{})
		return t.restart(ctx)
	}}
}

// Lie makes flushes succeed without effect and cuts the power after a while. No
// server can survive this: a trial that still acquits is broken.
func Lie(while time.Duration) Fault {
	return Fault{Name: "lying flushes, power cut", Happen: func(ctx context.Context, t *Trial) error {
		d, ok := t.Disk.(faulty)
		if !ok {
			return errNeedsFaultyDisk
		}
		d.Disk().Inject(faultfs.Faults{Lying: true})
		if err := wait(ctx, while); err != nil {
			return err
		}
		return t.cut(ctx, faultfs.Drop)
	}}
}

// Failpoints are the places that the store names, in the order of a mail's journey.
func Failpoints() []string {
	return []string{"after-body-before-rows", "after-rows-before-commit", "after-store-before-ack",
		"after-250-before-settle", "after-settle-before-event"}
}

// Failpoint restarts the server so that it kills itself when it passes the named
// place for the n-th time, and starts it again. Only a binary built with the tag
// "failpoint" obeys.
func Failpoint(name string, n int) Fault {
	return Fault{Name: "failpoint " + name, Happen: func(ctx context.Context, t *Trial) error {
		if err := t.Server.Kill(); err != nil {
			return err
		}
		t.crashes++
		if err := t.Server.Start(ctx, fmt.Sprintf("STAFETTE_TEST_FAILPOINT=%s:%d", name, n)); err != nil {
			return fmt.Errorf("start with failpoint: %w", err)
		}
		timer := time.NewTimer(30 * time.Second)
		defer timer.Stop()
		select {
		case <-t.Server.Died():
			return t.restart(ctx)
		case <-timer.C:
			return errors.New("never passed there")
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
}
