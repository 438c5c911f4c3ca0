package peers

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the product's database, for dropKeys

	"stafette/test/load/daemon"
	"stafette/test/load/inject"
)

// StafetteConfig describes an instance.
type StafetteConfig struct {
	// Binary is the program to run.
	Binary string
	// Dir takes the configuration; it must exist.
	Dir string
	// Data is the data directory; "" is one below Dir.
	Data string
	// Database is the [database] url; "" is SQLite in Data.
	Database string
	// Sink is host:port of the next hop of all mail.
	Sink string
	// Routes are next hops of single domains, before that of all mail.
	Routes map[string]string
	// Domain is the tenant's sending domain.
	Domain string
	// Unsigned switches the domain's keys off. SQLite only.
	Unsigned bool
	// Profile, if set, is a file for a CPU profile of the first seconds of load.
	Profile string
	// Concurrency is the number of sessions to the next hop. Default 20.
	Concurrency int
	// Retry lists the pauses between attempts; none is the product's own.
	Retry []time.Duration
	// Env is added to the environment, as NAME=value.
	Env []string
	// Trace, if set, is a file for strace's record of flushes.
	Trace string
	// Cage, if set, is the cgroup.procs of the cgroup that the process shall live in.
	Cage string
}

// Stafette is an instance that was set up; it may be running or not.
type Stafette struct {
	config StafetteConfig
	smtp   string
	http   string
	ops    string
	setup  setup
	serve  *daemon.Daemon
	client *http.Client
}

// setup is what "stafette setup --output json" prints.
type setup struct {
	APIKey string `json:"api_key"`
	SMTP   struct {
		Username string `json:"username"`
		Password string `json:"password"`
	} `json:"smtp"`
}

// StartStafette sets an instance up and starts it.
func StartStafette(ctx context.Context, c StafetteConfig) (*Stafette, error) {
	s, err := SetUpStafette(ctx, c)
	if err != nil {
		return nil, err
	}
	return s, s.Start(ctx)
}

// SetUpStafette writes the configuration and creates the tenant.
func SetUpStafette(ctx context.Context, c StafetteConfig) (*Stafette, error) {
	if c.Concurrency == 0 {
		c.Concurrency = 20
	}
	if c.Data == "" {
		c.Data = filepath.Join(c.Dir, "data")
	}
	s := &Stafette{config: c, client: &http.Client{}}
	for _, addr := range []*string{&s.smtp, &s.http, &s.ops} {
		port, err := daemon.FreePort()
		if err != nil {
			return nil, err
		}
		*addr = net.JoinHostPort("127.0.0.1", port)
	}
	if err := os.WriteFile(s.conf(), s.toml(), 0o600); err != nil {
		return nil, fmt.Errorf("configure stafette: %w", err)
	}
	cmd := exec.CommandContext(ctx, c.Binary, "setup", "--config", s.conf(), "--tenant", "Muster", "--domain", c.Domain, "--trust-domain", "--output", "json")
	cmd.Env = append(os.Environ(), c.Env...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("set stafette up: %w: %s", err, lastLine(said.Bytes()))
	}
	if err := json.Unmarshal(out, &s.setup); err != nil {
		return nil, fmt.Errorf("read stafette's setup: %w", err)
	}
	if c.Unsigned {
		return s, s.dropKeys(ctx)
	}
	return s, nil
}

// dropKeys goes round the product, which signs with both keys and has no switch.
func (s *Stafette) dropKeys(ctx context.Context) (err error) {
	db, err := sql.Open("sqlite", filepath.Join(s.config.Data, "stafette.db"))
	if err != nil {
		return fmt.Errorf("drop keys: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	changed, err := db.ExecContext(ctx, "UPDATE dkim_keys SET active = 0")
	if err != nil {
		return fmt.Errorf("drop keys: %w", err)
	}
	if n, err := changed.RowsAffected(); err != nil || n != 2 {
		return fmt.Errorf("drop keys: %d keys (%w)", n, err)
	}
	return nil
}

func (s *Stafette) conf() string { return filepath.Join(s.config.Dir, "stafette.toml") }

// toml leaves everything at its default but what loopback and one sink need:
// sessions to the sink as many as the peers have, and no limit of messages per
// session that a peer would not have.
func (s *Stafette) toml() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "data_dir = %q\nhostname = \"stafette.load.example\"\nnode = \"load\"\n", s.config.Data)
	fmt.Fprintf(&b, "[http]\nlisten = %q\n[submission]\nlisten = %q\nallow_plain_auth = true\n[ops]\nlisten = %q\n", s.http, s.smtp, s.ops)
	fmt.Fprintf(&b, "[egress]\nconnections = %d\nmessages_per_connection = 100000\nloopback_only = true\n", s.config.Concurrency)
	fmt.Fprint(&b, "[log]\nlevel = \"warn\"\n")
	if s.config.Database != "" {
		fmt.Fprintf(&b, "[database]\nurl = %q\n", s.config.Database)
	}
	if len(s.config.Retry) > 0 {
		var pauses []string
		for _, d := range s.config.Retry {
			pauses = append(pauses, fmt.Sprintf("%q", d))
		}
		fmt.Fprintf(&b, "[queue]\nretry = [%s]\n", strings.Join(pauses, ", "))
	}
	for _, domain := range slices.Sorted(maps.Keys(s.config.Routes)) {
		fmt.Fprintf(&b, "[[route]]\ndomain = %q\nnext_hop = %q\n", domain, s.config.Routes[domain])
	}
	fmt.Fprintf(&b, "[[route]]\ndomain = \"*\"\nnext_hop = %q\n", s.config.Sink)
	return b.Bytes()
}

// Start starts it, again after Kill or Stop, with more environment if given, and
// waits until its doors answer.
func (s *Stafette) Start(ctx context.Context, env ...string) error {
	name, args := s.config.Binary, []string{"serve", "--config", s.conf()}
	if s.config.Trace != "" {
		args = append(traceArgs(s.config.Trace), append([]string{name}, args...)...)
		name = "strace"
	}
	if s.config.Cage != "" {
		// A shell goes in and becomes the program: none of its memory is outside.
		args = append([]string{"-c", `echo $$ >"$0" && exec "$@"`, s.config.Cage, name}, args...)
		name = "sh"
	}
	d, err := daemon.Start(name, append(slices.Clone(s.config.Env), env...), args...)
	if err != nil {
		return err
	}
	s.serve = d
	for _, addr := range []string{s.smtp, s.http} {
		if err := d.Ready(ctx, "tcp", addr); err != nil {
			return errors.Join(err, d.Kill())
		}
	}
	if s.config.Profile != "" {
		go s.profile()
	}
	return nil
}

// profileSeconds is how much of the load a profile covers.
const profileSeconds = 8

// profile fetches a CPU profile; one that fails leaves no file.
func (s *Stafette) profile() {
	answer, err := s.client.Get(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.ops, profileSeconds))
	if err != nil {
		return
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err == nil && answer.StatusCode == http.StatusOK {
		_ = os.WriteFile(s.config.Profile, text, 0o644)
	}
}

// Name implements Peer.
func (s *Stafette) Name() string { return "Stafette" }

// SMTP implements Peer.
func (s *Stafette) SMTP() inject.SMTP {
	return inject.SMTP{Addr: s.smtp, Username: s.setup.SMTP.Username, Password: s.setup.SMTP.Password}
}

// HTTP is the API door.
func (s *Stafette) HTTP() inject.HTTP {
	return inject.HTTP{URL: "http://" + s.http, Key: s.setup.APIKey}
}

// Roots implements Peer.
func (s *Stafette) Roots() []int { return []int{s.serve.PID()} }

// Kill implements Peer.
func (s *Stafette) Kill() error {
	if s.serve == nil {
		return nil
	}
	return s.serve.Kill()
}

// Stop implements Peer. Under strace the signal goes to the group.
func (s *Stafette) Stop() error {
	if s.config.Trace != "" || s.serve == nil {
		return s.Kill()
	}
	return s.serve.Stop(20 * time.Second)
}

// Died is closed when the process has ended by itself or by a signal.
func (s *Stafette) Died() <-chan struct{} { return s.serve.Done() }

// Said is what it wrote to its standard error since its last start.
func (s *Stafette) Said() string { return s.serve.Said() }
