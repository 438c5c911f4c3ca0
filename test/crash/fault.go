package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
		select {
		case <-t.Server.Died():
			t.object("the server died of a full disk: %s", t.Server.Said())
			return t.restart(ctx)
		default:
		}
		const healing = 30 * time.Second
		healed, cancel := context.WithTimeout(ctx, healing)
		defer cancel()
		if err := t.progress(healed, 5); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			t.object("no mail taken %v after space came back: %s", healing, t.Server.Said())
			return t.cut(ctx, faultfs.Drop)
		}
		return nil
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
