package peers

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"stafette/test/load/daemon"
	"stafette/test/load/inject"
)

// PostfixConfig describes an instance.
type PostfixConfig struct {
	// Dir takes configuration, queue and data; it must exist and be empty, and its
	// path must be short enough for the Unix sockets below it (108 bytes).
	Dir string
	// Sink is host:port of the next hop of all mail.
	Sink string
	// Signed runs OpenDKIM as milter with an RSA-2048 key for Domain.
	Signed bool
	Domain string
	// Concurrency is the number of sessions to the next hop. Default 20.
	Concurrency int
	// Trace, if set, is a file for strace's record of flushes.
	Trace string
}

// Postfix is a running instance. Only root can start one.
type Postfix struct {
	config PostfixConfig
	port   string
	master *daemon.Daemon
	milter *daemon.Daemon
}

// mainCF is tuned for throughput without giving up durability: fsync stays as it
// is by default (there is no switch for it), in_flow_delay is off because it slows
// the intake down on purpose, process limits and concurrency are raised to what
// 20 sessions need, nothing looks into the DNS, nothing is logged.
const mainCF = `compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.load.example
mydestination =
local_recipient_maps =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_delay_reject = no
smtp_dns_support_level = disabled
smtp_tls_security_level = none
smtpd_tls_security_level = none
relayhost = [%[2]s]:%[3]s
in_flow_delay = 0
default_process_limit = 200
default_destination_concurrency_limit = %[4]d
initial_destination_concurrency = %[4]d
smtp_connection_cache_on_demand = yes
qmgr_message_active_limit = 40000
qmgr_message_recipient_limit = 40000
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
maximal_queue_lifetime = 1h
smtputf8_enable = no
`

const masterCF = `127.0.0.1:%s inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
`

// StartPostfix writes the configuration and starts the instance.
func StartPostfix(ctx context.Context, c PostfixConfig) (*Postfix, error) {
	if c.Concurrency == 0 {
		c.Concurrency = 20
	}
	port, err := daemon.FreePort()
	if err != nil {
		return nil, err
	}
	p := &Postfix{config: c, port: port}
	if err := p.configure(); err != nil {
		return nil, fmt.Errorf("configure postfix: %w", err)
	}
	return p, p.Start(ctx)
}

// Start starts it again on the same queue after Kill or Stop.
func (p *Postfix) Start(ctx context.Context) error {
	os.Remove(filepath.Join(p.config.Dir, "queue/pid/master.pid"))
	if p.config.Signed {
		if err := p.startMilter(ctx); err != nil {
			return err
		}
	}
	name, args := "postfix", []string{"-c", p.conf(), "start-fg"}
	if p.config.Trace != "" {
		args = append(traceArgs(p.config.Trace), append([]string{name}, args...)...)
		name = "strace"
	}
	master, err := daemon.Start(name, nil, args...)
	if err != nil {
		return err
	}
	p.master = master
	if err := master.Ready(ctx, "tcp", p.addr()); err != nil {
		p.Kill()
		return err
	}
	return nil
}

// traceArgs makes strace record flushes and nothing else, with as little cost as
// it can: --seccomp-bpf stops only at the calls that count.
func traceArgs(path string) []string {
	return []string{"-f", "--seccomp-bpf", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range", "-o", path}
}

func (p *Postfix) conf() string { return filepath.Join(p.config.Dir, "conf") }
func (p *Postfix) addr() string { return net.JoinHostPort("127.0.0.1", p.port) }

func (p *Postfix) configure() error {
	host, port, err := net.SplitHostPort(p.config.Sink)
	if err != nil {
		return err
	}
	if err := os.Chmod(p.config.Dir, 0o755); err != nil {
		return err
	}
	for _, d := range []string{"conf", "queue", "data", "milter"} {
		if err := os.MkdirAll(filepath.Join(p.config.Dir, d), 0o755); err != nil {
			return err
		}
	}
	if err := own(filepath.Join(p.config.Dir, "data"), "postfix"); err != nil {
		return err
	}
	main := fmt.Sprintf(mainCF, p.config.Dir, host, port, p.config.Concurrency)
	if p.config.Signed {
		main += "smtpd_milters = unix:" + p.socket() + "\nmilter_default_action = tempfail\n"
		if err := p.configureMilter(); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(p.conf(), "main.cf"), []byte(main), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.conf(), "master.cf"), fmt.Appendf(nil, masterCF, p.port), 0o644)
}

func own(path, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

func (p *Postfix) socket() string { return filepath.Join(p.config.Dir, "milter/s") }

func (p *Postfix) configureMilter() error {
	dir := filepath.Join(p.config.Dir, "milter")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if err := os.WriteFile(filepath.Join(dir, "key"), pem.EncodeToMemory(block), 0o600); err != nil {
		return err
	}
	conf := strings.Join([]string{
		"Syslog no", "UMask 000", "Socket local:" + p.socket(), "Mode s", "Domain " + p.config.Domain,
		"Selector s1", "KeyFile " + filepath.Join(dir, "key"), "Canonicalization relaxed/relaxed",
		"RequireSafeKeys no", "InternalHosts 127.0.0.1", "OversignHeaders From", "Background no", "",
	}, "\n")
	return os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o600)
}

func (p *Postfix) startMilter(ctx context.Context) error {
	os.Remove(p.socket())
	d, err := daemon.Start("opendkim", nil, "-f", "-x", filepath.Join(p.config.Dir, "milter/conf"))
	if err != nil {
		return err
	}
	p.milter = d
	if err := d.Ready(ctx, "unix", p.socket()); err != nil {
		d.Kill()
		return err
	}
	return nil
}

// Name implements Peer.
func (p *Postfix) Name() string {
	if p.config.Signed {
		return "Postfix + OpenDKIM"
	}
	return "Postfix"
}

// SMTP implements Peer.
func (p *Postfix) SMTP() inject.SMTP { return inject.SMTP{Addr: p.addr()} }

// Roots implements Peer.
func (p *Postfix) Roots() []int {
	roots := []int{p.master.PID()}
	if p.milter != nil {
		roots = append(roots, p.milter.PID())
	}
	return roots
}

// Verify implements Peer. Postfix keeps no account of what it delivered.
func (p *Postfix) Verify(context.Context, int) error { return nil }

// Settled implements Peer: the queue is empty.
func (p *Postfix) Settled(ctx context.Context, _ int) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		n, err := p.queued()
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d messages in postfix's queue: %w", n, ctx.Err())
		case <-tick.C:
		}
	}
}

// queued counts queue files. One that moves while the directories are read may be
// counted twice, never missed for long: the directories are in the order of travel.
func (p *Postfix) queued() (int, error) {
	n := 0
	for _, name := range []string{"maildrop", "incoming", "active", "deferred"} {
		err := filepath.WalkDir(filepath.Join(p.config.Dir, "queue", name), func(_ string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // gone while we looked
			}
			if err == nil && !d.IsDir() {
				n++
			}
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("count postfix's queue: %w", err)
		}
	}
	return n, nil
}

// Kill implements Peer.
func (p *Postfix) Kill() error {
	err := p.master.Kill()
	if p.milter != nil {
		if e := p.milter.Kill(); err == nil {
			err = e
		}
	}
	return err
}

// Stop implements Peer.
func (p *Postfix) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "postfix", "-c", p.conf(), "stop").CombinedOutput()
	if err != nil && p.config.Trace == "" {
		p.Kill()
		return fmt.Errorf("stop postfix: %w: %s", err, lastLine(out))
	}
	return p.Kill()
}
