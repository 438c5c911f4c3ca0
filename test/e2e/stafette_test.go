package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	// senderDomain is the tenant's in every scenario.
	senderDomain = "muster.example"
	// patience bounds every wait for something that should happen. A receiving server
	// that did not answer is left alone for a minute, so it must be longer.
	patience = 3 * time.Minute
)

// stafette is one installation of the program: a data directory, a configuration
// and, between start and stop, a process.
type stafette struct {
	dir, config                      string
	httpAddr, smtpAddr, tls, opsAddr string
	setup                            setupOutput
	process                          *exec.Cmd
	ended                            chan error
	log                              *journal
}

// setupOutput is what stafette setup --output json prints.
type setupOutput struct {
	TenantID string `json:"tenant_id"`
	Admin    struct {
		Email    string `json:"email"`
		Password string `json:"password"`
	} `json:"admin"`
	Operator struct {
		Email    string `json:"email"`
		Password string `json:"password"`
	} `json:"operator"`
	APIKey      string `json:"api_key"`
	PlatformKey string `json:"platform_key"`
	SMTP        struct {
		Username string `json:"username"`
		Password string `json:"password"`
	} `json:"smtp"`
	DKIM []struct {
		Selector    string `json:"selector"`
		RecordName  string `json:"record_name"`
		RecordValue string `json:"record_value"`
	} `json:"dkim"`
}

// journal collects what a process says.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// hosts counts the loopback addresses given away.
var hosts atomic.Uint32

// ownAddress returns a loopback address and a port where nobody listens and, before
// the caller does, nobody will: no two calls return the same IP address, and clients
// connect from 127.0.0.1.
func ownAddress(t *testing.T) string {
	t.Helper()
	n := hosts.Add(1)
	host := netip.AddrFrom4([4]byte{127, 83, byte(n >> 8), byte(n)})
	l, err := net.Listen("tcp", netip.AddrPortFrom(host, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// install writes a configuration, founds a tenant and starts the program. further
// is TOML after the tables every scenario has.
func install(t *testing.T, further string) *stafette {
	t.Helper()
	return installAt(t, filepath.Join(t.TempDir(), "data"), further)
}

// installAt is install with a data directory of the caller's choice.
func installAt(t *testing.T, data, further string) *stafette {
	t.Helper()
	s := &stafette{dir: t.TempDir(), httpAddr: ownAddress(t), smtpAddr: ownAddress(t), tls: ownAddress(t), opsAddr: ownAddress(t), log: &journal{}}
	s.config = filepath.Join(s.dir, "stafette.toml")
	text := fmt.Sprintf(`data_dir = %q
hostname = "mail.stafette.example"
[http]
listen = %q
[submission]
listen = %q
listen_tls = %q
[ops]
listen = %q
[queue]
retry = ["500ms"]
lease = "5s"
%s`, data, s.httpAddr, s.smtpAddr, s.tls, s.opsAddr, further)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := s.command(t, "setup", "--config", s.config, "--tenant", "Muster GmbH", "--domain", senderDomain, "--trust-domain", "--output", "json")
	if err := json.Unmarshal(out, &s.setup); err != nil {
		t.Fatalf("setup printed %q: %v", out, err)
	}
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("the program said:\n%s", s.log)
		}
	})
	s.start(t)
	return s
}

// command runs the program to its end and returns its standard output.
func (s *stafette) command(t *testing.T, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, os.Getenv(binaryVariable), args...)
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("stafette %s: %v\n%s%s", strings.Join(args, " "), err, out, complaints.String())
	}
	return out
}

// start runs the program and returns when it says it is ready.
func (s *stafette) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command(os.Getenv(binaryVariable), "serve", "--config", s.config)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.process, s.ended = cmd, make(chan error, 1)
	go func() { s.ended <- cmd.Wait() }()
	client := &http.Client{Timeout: patience}
	eventually(t, "the program is ready", func() error {
		select {
		case err := <-s.ended:
			t.Fatalf("the program ended: %v\n%s", err, s.log)
		default:
		}
		answer, err := client.Get("http://" + s.opsAddr + "/readyz")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return errors.New(answer.Status)
		}
		return nil
	})
}

// stop asks the program to end and demands that it does so in order.
func (s *stafette) stop(t *testing.T) {
	t.Helper()
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.ended:
		if err != nil {
			t.Errorf("the program ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("the program does not end")
		s.kill()
	}
	s.process = nil
}

// kill ends the program as a power cut would, without a word.
func (s *stafette) kill() {
	if s.process != nil {
		_ = s.process.Process.Kill()
		<-s.ended
		s.process = nil
	}
}

// eventually repeats a check until it passes; after patience it reports the last error.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited for: %s; last: %v", what, err)
		case <-again.C:
		}
	}
}

// attempt and the following are what the API says of a message.
type attempt struct {
	Source       string `json:"source"`
	MX           string `json:"mx"`
	TLS          string `json:"tls"`
	Code         int    `json:"code"`
	EnhancedCode string `json:"enhanced_code"`
	Reply        string `json:"reply"`
	Outcome      string `json:"outcome"`
}

type delivery struct {
	ID        string    `json:"id"`
	Recipient string    `json:"recipient"`
	State     string    `json:"state"`
	StateText string    `json:"state_text"`
	Reason    string    `json:"reason"`
	Attempts  []attempt `json:"attempts"`
}

type message struct {
	ID         string     `json:"id"`
	MessageID  string     `json:"message_id"`
	Deliveries []delivery `json:"deliveries"`
}

// answer is an HTTP response, read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// request calls the API with the tenant's key. header holds names and values.
func (s *stafette) request(t *testing.T, method, path string, body []byte, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.httpAddr+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.setup.APIKey)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Timeout: patience}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, text}
}

// send submits a message over HTTP and demands that it is accepted.
func (s *stafette) send(t *testing.T, fields map[string]any) message {
	t.Helper()
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	a := s.request(t, http.MethodPost, "/v1/messages", body)
	if a.status != http.StatusAccepted {
		t.Fatalf("not accepted: %s", a)
	}
	return decode[message](t, a.body)
}

// list returns the newest messages, at most 200.
func (s *stafette) list(t *testing.T, query string) []message {
	t.Helper()
	a := s.request(t, http.MethodGet, "/v1/messages?limit=200&"+query, nil)
	if a.status != http.StatusOK {
		t.Fatalf("list: %s", a)
	}
	return decode[struct{ Data []message }](t, a.body).Data
}

// settled waits until every delivery of a message is in a final state.
func (s *stafette) settled(t *testing.T, id string) message {
	t.Helper()
	var m message
	eventually(t, "message "+id+" is settled", func() error {
		a := s.request(t, http.MethodGet, "/v1/messages/"+id, nil)
		if a.status != http.StatusOK {
			return fmt.Errorf("read message: %s", a)
		}
		m = decode[message](t, a.body)
		for _, d := range m.Deliveries {
			switch d.State {
			case "queued", "sending", "deferred", "held":
				return fmt.Errorf("%s is %s: %+v", d.Recipient, d.State, d.Attempts)
			}
		}
		return nil
	})
	return m
}

func decode[T any](t *testing.T, text []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}
