package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"stafette/test/load/daemon"
	"stafette/test/load/inject"
	"stafette/test/load/ledger"
	"stafette/test/load/letter"
	"stafette/test/load/peers"
)

var full = flag.Bool("cluster.full", false, "send three times the mail")

const (
	// lease is short, so that a test sees many of them.
	lease = 3 * time.Second
	// sessions is how many connections each node has to the sink, and so how many
	// mails it has in flight.
	sessions = 4
	sender   = "info@muster.example"
)

// program is the built program, shared by all tests.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "stafette-cluster-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := 0
	if !testing.Short() {
		if program, err = peers.BuildStafette(context.Background(), dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if code == 0 {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// cluster is several nodes on one database, a sink, and the book of what the nodes
// acknowledged.
type cluster struct {
	t        testing.TB
	dir, key string // of the configuration; API key
	sink     *bay
	nodes    []*node
	letters  *letter.Source
	book     *ledger.Ledger
	bookPath string
	next     int // number of the next letter
}

// node is one installation of the program.
type node struct {
	c          *cluster
	name       string
	conf       string
	http, smtp string
	process    *exec.Cmd
	ended      chan struct{}
	log        *journal
}

// journal collects what a node says.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// count returns how often the nodes said it.
func (j *journal) count(said string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), said)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// found sets up a platform and starts its nodes, one for each database URL.
func found(t testing.TB, urls ...string) *cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the program and breaks it")
	}
	c := &cluster{t: t, dir: t.TempDir(), sink: openBay(t), letters: letter.NewSource(letter.Config{Run: "c", From: sender, Size: 2048})}
	c.bookPath = filepath.Join(c.dir, "ledger")
	var err error
	if c.book, err = ledger.Open(c.bookPath); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.book.Close() })
	for i, u := range urls {
		c.nodes = append(c.nodes, c.install(fmt.Sprintf("n%d", i+1), u))
	}
	c.setUp(c.nodes[0])
	for _, n := range c.nodes {
		n.start()
	}
	return c
}

func (c *cluster) install(name, databaseURL string) *node {
	c.t.Helper()
	n := &node{c: c, name: name, conf: filepath.Join(c.dir, name+".toml"), log: &journal{}}
	for _, address := range []*string{&n.http, &n.smtp} {
		port, err := daemon.FreePort()
		if err != nil {
			c.t.Fatal(err)
		}
		*address = net.JoinHostPort("127.0.0.1", port)
	}
	// A sink that takes nothing would never see more than a slow start.
	shaping := filepath.Join(c.dir, "shaping.toml")
	if err := os.WriteFile(shaping, fmt.Appendf(nil, "[default]\nslow_start = %d\n", sessions), 0o600); err != nil {
		c.t.Fatal(err)
	}
	text := fmt.Sprintf(`data_dir = %q
hostname = "mail.stafette.example"
node = %q
[database]
url = %q
[seal]
key_file = %q
[http]
listen = %q
[submission]
listen = %q
allow_plain_auth = true
[ops]
listen = ""
[egress]
connections = %d
loopback_only = true
shaping = %q
[queue]
lease = %q
retry = ["500ms"]
[[route]]
domain = "*"
next_hop = %q
`, filepath.Join(c.dir, name), name, databaseURL, filepath.Join(c.dir, "root.key"), n.http, n.smtp, sessions, shaping, lease, c.sink.address)
	if err := os.WriteFile(n.conf, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		n.kill()
		if c.t.Failed() {
			c.t.Logf("%s said:\n%s", n.name, n.log)
		}
	})
	return n
}

// setUp makes the one tenant.
func (c *cluster) setUp(n *node) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), program, "setup", "--config", n.conf, "--tenant", "Muster", "--domain", "muster.example", "--trust-domain", "--output", "json")
	cmd.Stderr = n.log
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("setup: %v: %s", err, n.log)
	}
	var made struct {
		APIKey string `json:"api_key"`
	}
	if err := json.Unmarshal(out, &made); err != nil {
		c.t.Fatal(err)
	}
	c.key = made.APIKey
}

// start runs the node and returns when its doors answer.
func (n *node) start() {
	n.c.t.Helper()
	cmd := exec.Command(program, "serve", "--config", n.conf)
	cmd.Stdout, cmd.Stderr = n.log, n.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		n.c.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }() // how it ended shows in its log
	n.process, n.ended = cmd, ended
	eventually(n.c.t, n.name+" is up", func(ctx context.Context) error {
		select {
		case <-ended:
			n.c.t.Fatalf("%s ended: %s", n.name, n.log)
		default:
		}
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", n.http)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// signal sends a signal to the node's process.
func (n *node) signal(s syscall.Signal) {
	n.c.t.Helper()
	if err := n.process.Process.Signal(s); err != nil {
		n.c.t.Fatalf("%s: %v", n.name, err)
	}
}

// pause stops the node's process and returns when all its threads stand still.
func (n *node) pause() {
	n.c.t.Helper()
	n.signal(syscall.SIGSTOP)
	eventually(n.c.t, n.name+" stands still", func(context.Context) error {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", n.process.Process.Pid))
		if err != nil || len(threads) == 0 {
			return fmt.Errorf("no threads: %w", err)
		}
		for _, path := range threads {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if _, state, _ := bytes.Cut(text, []byte(") ")); !bytes.HasPrefix(state, []byte("T")) {
				return fmt.Errorf("%s is %.1s", path, state)
			}
		}
		return nil
	})
}

// stop asks the node to end and waits for it.
func (n *node) stop() {
	n.c.t.Helper()
	n.signal(syscall.SIGTERM)
	select {
	case <-n.ended:
	case <-time.After(patience):
		n.c.t.Fatalf("%s does not end", n.name)
	}
	if code := n.process.ProcessState.ExitCode(); code != 0 {
		n.c.t.Errorf("%s ended with %d", n.name, code)
	}
	n.process = nil
}

// kill ends the node without a word.
func (n *node) kill() {
	if n.process != nil {
		_ = n.process.Process.Kill()
		<-n.ended
		n.process = nil
	}
}

// said waits until the node's log has said it more than before times.
func (n *node) said(what string, before int) {
	n.c.t.Helper()
	eventually(n.c.t, n.name+" says: "+what, func(context.Context) error {
		if n.log.count(what) <= before {
			return errors.New("it does not")
		}
		return nil
	})
}

// submit gives count letters to the node and enters in the book what it acknowledged.
func (n *node) submit(ctx context.Context, count int) inject.Result {
	n.c.t.Helper()
	r, err := n.load(ctx, n.c.take(count), count)
	if err != nil {
		n.c.t.Errorf("submit to %s: %v", n.name, err)
	}
	return r
}

// take reserves the numbers of letters and returns the first.
func (c *cluster) take(count int) int {
	first := c.next
	c.next += count
	return first
}

// load is submit for other goroutines: the letters were taken before.
func (n *node) load(ctx context.Context, first, count int) (inject.Result, error) {
	return inject.HTTP{URL: "http://" + n.http, Key: n.c.key}.Run(ctx, inject.Load{
		Letters: n.c.letters, Start: first, Count: count, Sessions: 8, Ledger: n.c.book, Stubborn: true,
	})
}
