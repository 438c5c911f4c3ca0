package crash

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stafette/test/crash/faultfs"
	"stafette/test/crash/loopfs"
	"stafette/test/crash/toy"
	"stafette/test/load/daemon"
	"stafette/test/load/inject"
	"stafette/test/load/ledger"
	"stafette/test/load/sink"
)

// toyServer is a toy as a child process.
type toyServer struct {
	binary, dir, smtp, http, sink string
	vice                          toy.Vice
	process                       *daemon.Daemon
}

const toyWorkers = 10

func (s *toyServer) Start(ctx context.Context, env ...string) error {
	d, err := daemon.Start(s.binary, env, "-dir", s.dir, "-smtp", s.smtp, "-http", s.http, "-sink", s.sink,
		"-vice", string(s.vice), "-workers", fmt.Sprint(toyWorkers))
	if err != nil {
		return err
	}
	s.process = d
	if err := d.Ready(ctx, "tcp", s.http); err != nil {
		return err
	}
	return d.Ready(ctx, "tcp", s.smtp)
}

func (s *toyServer) Kill() error           { return s.process.Kill() }
func (s *toyServer) Died() <-chan struct{} { return s.process.Done() }
func (s *toyServer) Said() string          { return s.process.Said() }
func (s *toyServer) Doors() []Door         { return []Door{inject.SMTP{Addr: s.smtp}} }
func (s *toyServer) InFlight() int         { return toyWorkers }

func (s *toyServer) State(ctx context.Context, e ledger.Entry) (State, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.http+"/state?token="+e.Token, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return State(text), err
}

// buildToy compiles the toy once for all tests that share it.
func buildToy(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "toy")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/toy").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

// plain is a directory that cannot be cut.
type plain string

func (p plain) Dir() string { return string(p) }
func (plain) Cut(faultfs.Damage, *rand.Rand) error {
	return fmt.Errorf("a plain directory cannot be cut")
}

func newDisk(t *testing.T, c faultfs.Config) Disk {
	t.Helper()
	if err := faultfs.Available(); err != nil {
		t.Skip(err)
	}
	m, err := faultfs.Attach(faultfs.New(c), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Detach(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func loopDisk(t *testing.T) Disk {
	t.Helper()
	d, err := loopfs.New(t.TempDir(), 64)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func toyTrial(t *testing.T, binary string, vice toy.Vice, disk Disk, seed uint64) *Trial {
	t.Helper()
	config := sink.Config{Temporary: 10, Permanent: 3, Verify: true}
	s, err := sink.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	server := &toyServer{binary: binary, dir: disk.Dir(), sink: s.Addr(), vice: vice}
	for _, addr := range []*string{&server.smtp, &server.http} {
		port, err := daemon.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		*addr = net.JoinHostPort("127.0.0.1", port)
	}
	t.Cleanup(func() {
		if server.process != nil {
			server.Kill()
		}
	})
	return &Trial{Server: server, Disk: disk, Sink: s, SinkConfig: config, Dir: t.TempDir(), From: "info@muster.example",
		Drain: 20 * time.Second, Rand: rand.New(rand.NewPCG(seed, 7)),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// The harness is worth something only if it acquits who keeps the word and convicts
// every vice.
func TestHarnessTellsGoodFromBad(t *testing.T) {
	binary := buildToy(t)
	on := func(c faultfs.Config) func(*testing.T) Disk {
		return func(t *testing.T) Disk { return newDisk(t, c) }
	}
	strict := on(faultfs.Config{})
	plainDir := func(t *testing.T) Disk { return plain(t.TempDir()) }
	cuts := []Fault{Cut(faultfs.Drop), Cut(faultfs.Tear), Cut(faultfs.Scatter)}
	for name, c := range map[string]struct {
		vice   toy.Vice
		disk   func(*testing.T) Disk
		faults []Fault
		charge string // part of the conviction; "" is an acquittal
	}{
		"honest, kills":            {toy.Honest, plainDir, []Fault{Kill(), Kill(), Kill()}, ""},
		"honest, cuts":             {toy.Honest, strict, cuts, ""},
		"honest, journal, cuts":    {toy.Honest, on(faultfs.Config{Journaled: true}), cuts, ""},
		"honest, ext4, cuts":       {toy.Honest, loopDisk, cuts[:2], ""},
		"no flush, ext4, cut":      {toy.NoFlush, loopDisk, cuts[:1], "lost"},
		"honest, full disk":        {toy.Honest, strict, []Fault{Full(64<<10, 200*time.Millisecond)}, ""},
		"honest, failing flush":    {toy.Honest, strict, []Fault{FlushError(1, 10*time.Second), FlushError(3, 10*time.Second)}, ""},
		"honest, stall":            {toy.Honest, strict, []Fault{Stall(300*time.Millisecond, 600*time.Millisecond)}, ""},
		"honest, lying disk":       {toy.Honest, strict, []Fault{Lie(100 * time.Millisecond)}, "lost"},
		"early ack, kill":          {toy.EarlyAck, plainDir, []Fault{Kill()}, "lost"},
		"no flush, kill":           {toy.NoFlush, plainDir, []Fault{Kill()}, ""},
		"no flush, cut":            {toy.NoFlush, strict, cuts[:1], "lost"},
		"no directory, cut":        {toy.NoDirectory, strict, cuts[:1], "lost"},
		"flush again, EIO":         {toy.FlushAgain, strict, []Fault{FlushError(1, time.Second)}, "after a failed flush"},
		"amnesic, kill":            {toy.Amnesic, plainDir, []Fault{Kill()}, "lost"},
		"repeating, kill":          {toy.Repeating, plainDir, []Fault{Kill(), Kill()}, "more than crashes excuse"},
		"liar, nothing":            {toy.Liar, plainDir, nil, "never received"},
		"honest without any fault": {toy.Honest, plainDir, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := toyTrial(t, binary, c.vice, c.disk(t), 1).Play(t.Context(), c.faults...)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(v)
			switch err := v.Err(); {
			case c.charge == "" && err != nil:
				t.Errorf("convicted the innocent: %v", err)
			case c.charge != "" && (err == nil || !strings.Contains(err.Error(), c.charge)):
				t.Errorf("want a conviction for %q, have %v", c.charge, err)
			}
		})
	}
}
