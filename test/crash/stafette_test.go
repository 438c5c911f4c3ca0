package crash

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"stafette/internal/store/pgtest"
	"stafette/test/crash/faultfs"
	"stafette/test/load/peers"
	"stafette/test/load/sink"
)

// The sampled form of the crash command: one instance for each kind of disk.
func TestStafetteKeepsItsWord(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and breaks the product")
	}
	binary, err := peers.BuildStafette(t.Context(), t.TempDir(), "failpoint")
	if err != nil {
		t.Fatal(err)
	}
	strict := func(t *testing.T) Disk { return newDisk(t, faultfs.Config{}) }
	for name, c := range map[string]struct {
		disk    func(*testing.T) Disk
		faults  []Fault
		control bool
	}{
		"kills":      {func(t *testing.T) Disk { return plain(t.TempDir()) }, []Fault{Kill(), Kill(), Kill(), Kill(), Kill(), Kill()}, false},
		"power cuts": {strict, []Fault{Cut(faultfs.Tear), Cut(faultfs.Scatter)}, false},
		// One crash excuses little of what a few seconds send.
		"power cut, later":   {strict, []Fault{Later(4*time.Second, Cut(faultfs.Drop))}, false},
		"kill, later":        {func(t *testing.T) Disk { return plain(t.TempDir()) }, []Fault{Later(4*time.Second, Kill())}, false},
		"power cut, journal": {func(t *testing.T) Disk { return newDisk(t, faultfs.Config{Journaled: true}) }, []Fault{Cut(faultfs.Drop)}, false},
		"full disk":          {strict, []Fault{Full(256<<10, 500*time.Millisecond)}, false},
		"full ext4":          {loopDisk, []Fault{Fill(500 * time.Millisecond)}, false},
		"failing flush":      {strict, []Fault{FlushError(2, 10*time.Second)}, false},
		"failing, later":     {strict, []Fault{Later(3*time.Second, FlushError(5, 10*time.Second))}, false},
		"stall":              {strict, []Fault{Stall(time.Second, 1500*time.Millisecond)}, false},
		"lying disk":         {strict, []Fault{Lie(300 * time.Millisecond)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			v := tryStafette(t, peers.StafetteConfig{Binary: binary}, c.disk(t), c.faults)
			switch err := v.Err(); {
			case c.control && err == nil:
				t.Error("acquitted on a disk that lies: the harness is broken")
			case !c.control && err != nil:
				t.Error(err)
			}
		})
	}
}

// The same for several nodes' database: the program dies, at random and between two
// steps of a commit, and so does PostgreSQL.
func TestStafetteKeepsItsWordOnPostgres(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and breaks the product")
	}
	db, err := StartPostgres(t.Context())
	if errors.Is(err, pgtest.ErrNone) && os.Getenv("STAFETTE_REQUIRE_POSTGRES") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	binary, err := peers.BuildStafette(t.Context(), t.TempDir(), "failpoint")
	if err != nil {
		t.Fatal(err)
	}
	faults := []Fault{Kill(), KillDatabase(db), Kill(), KillDatabase(db)}
	for _, place := range Failpoints() {
		faults = append(faults, Failpoint(place, 3))
	}
	url, err := db.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v := tryStafette(t, peers.StafetteConfig{Binary: binary, Database: url}, plain(t.TempDir()), faults)
	if err := v.Err(); err != nil {
		t.Error(err)
	}
}

func tryStafette(t *testing.T, config peers.StafetteConfig, disk Disk, faults []Fault) Verdict {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	taste := sink.Config{Temporary: 10, Permanent: 3, Verify: true}
	far, err := sink.Start(taste)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	config.Dir, config.Sink, config.Domain = t.TempDir(), far.Addr(), "muster.example"
	s, err := NewStafette(ctx, config, disk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Kill(); err != nil {
			t.Error(err)
		}
	})
	trial := &Trial{Server: s, Disk: disk, Sink: far, SinkConfig: taste, Dir: t.TempDir(), From: "info@muster.example",
		Drain: 30 * time.Second, Rand: rand.New(rand.NewPCG(1, 1)), Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	v, err := trial.Play(ctx, faults...)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(v)
	return v
}
