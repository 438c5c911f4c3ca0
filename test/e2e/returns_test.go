package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

const returnDomain = "rueck.stafette.example"

// marked is what the API says of a delivery that may have come back.
type marked struct {
	Deliveries []struct {
		ID         string   `json:"id"`
		Recipient  string   `json:"recipient"`
		State      string   `json:"state"`
		Marks      []string `json:"marks"`
		LateReason string   `json:"late_reason"`
	} `json:"deliveries"`
}

// fact is an event as the API tells it.
type fact struct {
	Type       string `json:"type"`
	DeliveryID string `json:"delivery_id"`
	Report     *struct {
		From  string `json:"from"`
		Reply string `json:"reply"`
		Hard  bool   `json:"hard"`
	} `json:"report"`
}

// inner is the server behind a customer's: it knows jonas@ and nobody else, and
// remembers the return paths of what it took.
type inner struct {
	mu    sync.Mutex
	paths map[string]string // by recipient
}

func openInner(t *testing.T, address string, knows func(to string) bool) *inner {
	t.Helper()
	in := &inner{paths: map[string]string{}}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &innerSession{in: in, knows: knows}, nil }))
	s.Domain, s.EnableSMTPUTF8, s.EnableDSN = "inner.kunde.example", true, true
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() {
		_ = l.Close() // Serve may not have begun, and would not hear of Close
		_ = s.Close()
		<-done
	})
	return in
}

func (in *inner) path(to string) string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.paths[to]
}

type innerSession struct {
	in    *inner
	knows func(to string) bool
	from  string
	to    []string
}

func (s *innerSession) Reset()        { s.from, s.to = "", nil }
func (s *innerSession) Logout() error { return nil }

func (s *innerSession) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *innerSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if !s.knows(to) {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "<" + to + ">: no such user here"}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *innerSession) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	for _, to := range s.to {
		s.in.paths[to] = s.from
	}
	return nil
}

// withReturns is the configuration of an installation that takes return mail.
func withReturns(t *testing.T, door string) string {
	t.Helper()
	return fmt.Sprintf("[return_mail]\nlisten = %q\ndomain = %q\n[dns]\nserver = %q\n", door, returnDomain,
		nameServer(t, map[string]string{returnDomain + ".": "MX 10 mail.stafette.example.", "mail.stafette.example.": "A 127.0.0.1"}))
}

func (s *stafette) marked(t *testing.T, id string) marked {
	t.Helper()
	a := s.request(t, http.MethodGet, "/v1/messages/"+id, nil)
	if a.status != http.StatusOK {
		t.Fatalf("read message: %s", a)
	}
	return decode[marked](t, a.body)
}

// TestReportsOfRealServers: mail servers take a mail for two people, find out later
// that one of them is unknown, and write their own reports; each is tied to the one
// delivery it speaks of.
func TestReportsOfRealServers(t *testing.T) {
	for name, start := range map[string]func(*testing.T, neighbours){
		"Postfix": startPostfix, "Exim": startExim, "OpenSMTPD": startOpenSMTPD,
	} {
		t.Run(name, func(t *testing.T) {
			needNamespace(t)
			peer, behind, door := ownAddress(t), ownAddress(t), ownAddress(t)
			openInner(t, behind, func(to string) bool { return strings.HasPrefix(to, "jonas@") })
			start(t, neighbours{listen: peer, inner: behind, door: door})
			s := install(t, withReturns(t, door)+towards(peer))
			m := s.send(t, map[string]any{"from": "info@" + senderDomain, "to": []string{"kaputt@" + recipientDomain, "jonas@" + recipientDomain},
				"subject": "Ihr Termin am Montag – Prüfung", "text": "Guten Tag"})
			for _, d := range s.settled(t, m.ID).Deliveries {
				if d.State != "delivered" {
					t.Fatalf("%+v", d)
				}
			}
			var got marked
			eventually(t, "the report is read", func() error {
				if got = s.marked(t, m.ID); len(got.Deliveries[0].Marks) == 0 {
					return fmt.Errorf("%+v", got)
				}
				return nil
			})
			broken, well := got.Deliveries[0], got.Deliveries[1]
			if broken.State != "delivered" || broken.Marks[0] != "late_bounce" || broken.LateReason != "user_unknown" {
				t.Errorf("the one who is unknown: %+v", broken)
			}
			if len(well.Marks) != 0 {
				t.Errorf("the other one: %+v", well)
			}
			events := decode[struct{ Data []fact }](t, s.request(t, http.MethodGet, "/v1/messages/"+m.ID+"/events", nil).body).Data
			last := events[len(events)-1]
			if last.Type != "late_bounced" || last.DeliveryID != broken.ID || last.Report == nil || !last.Report.Hard ||
				!strings.Contains(last.Report.Reply, "no such user here") {
				t.Errorf("last event %+v, report %+v", last, last.Report)
			}
			again := s.send(t, map[string]any{"from": "info@" + senderDomain, "to": []string{"kaputt@" + recipientDomain, "jonas@" + recipientDomain}, "subject": "x", "text": "x"})
			if d := s.settled(t, again.ID).Deliveries[0]; d.State != "suppressed" {
				t.Errorf("the next mail to it: %+v", d)
			}
		})
	}
}

// TestReturnMailSurvivesAKill: what the door acknowledged is read after the next start.
func TestReturnMailSurvivesAKill(t *testing.T) {
	t.Parallel()
	const count = 20
	peer, door := ownAddress(t), ownAddress(t)
	in := openInner(t, peer, func(string) bool { return true })
	s := install(t, withReturns(t, door)+towards(peer))
	sent := map[string]string{} // message by recipient
	for i := range count {
		to := fmt.Sprintf("kunde%d@%s", i, recipientDomain)
		sent[to] = s.send(t, map[string]any{"from": "info@" + senderDomain, "to": []string{to}, "subject": "Rechnung", "text": "Guten Tag"}).ID
	}
	for to, id := range sent {
		s.settled(t, id)
		if path := in.path(to); !strings.HasPrefix(path, "b+") || !strings.HasSuffix(path, "@"+returnDomain) {
			t.Fatalf("the return path of %s is %q", to, path)
		}
	}
	client, err := smtp.Dial(door)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for to := range sent {
		mail := "From: MAILER-DAEMON@kunde.example\r\nSubject: failure notice\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" +
			"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.kunde.example\r\n\r\nFinal-Recipient: rfc822; " + to +
			"\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 user unknown\r\n\r\n--b--\r\n"
		if err := client.SendMail("", []string{in.path(to)}, strings.NewReader(mail)); err != nil {
			t.Fatal(err)
		}
	}
	s.kill()
	s.start(t)
	for to, id := range sent {
		eventually(t, "the report about "+to+" is read", func() error {
			if d := s.marked(t, id).Deliveries[0]; len(d.Marks) != 1 {
				return fmt.Errorf("%+v", d)
			}
			return nil
		})
		n := 0
		for _, e := range decode[struct{ Data []fact }](t, s.request(t, http.MethodGet, "/v1/messages/"+id+"/events", nil).body).Data {
			if e.Type == "late_bounced" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s: %d times", to, n)
		}
	}
}

const bouncingPostfix = `compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/lib
maillog_file = {dir}/mail.log
maillog_file_prefixes = {dir}
myhostname = mx.kunde.example
mydestination =
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_tls_security_level = none
smtp_tls_security_level = may
smtp_dns_support_level = disabled
smtp_host_lookup = native
relay_domains = kunde.example
transport_maps = inline:{ {kunde.example = smtp:[{inner.host}]:{inner.port}} }
relayhost = [{door.host}]:{door.port}
alias_maps =
alias_database =
`

const bouncingPostfixMaster = `{listen} inet  n - n - - smtpd
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
`

// neighbours are the addresses a peer's configuration names.
type neighbours struct {
	listen string // where it takes mail
	inner  string // the server behind it
	door   string // where its reports go
}

// words are what stands for the addresses in a configuration.
func (n neighbours) words(t *testing.T) []string {
	t.Helper()
	var words []string
	for name, address := range map[string]string{"listen": n.listen, "inner": n.inner, "door": n.door} {
		if address == "" {
			continue
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		words = append(words, "{"+name+"}", address, "{"+name+".host}", host, "{"+name+".port}", port)
	}
	return words
}

// lodge makes a directory that daemons' users can enter, with files filled in: {dir}
// and the words of the neighbours.
func lodge(t *testing.T, files map[string]string, n neighbours) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "stafette-peer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer(append(n.words(t), "{dir}", dir)...)
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(fill.Replace(text)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func startPostfix(t *testing.T, n neighbours) {
	t.Helper()
	runPostfix(t, bouncingPostfix, bouncingPostfixMaster, n)
}

// runPostfix starts a Postfix of its own and returns its directory. listeners is what
// stands in master.cf before the services that take in and store mail.
func runPostfix(t *testing.T, config, listeners string, n neighbours) string {
	t.Helper()
	needNamespace(t)
	needProgram(t, "/usr/sbin/postfix")
	_, services, _ := strings.Cut(postfixMaster, "\n")
	dir := lodge(t, map[string]string{"postfix/main.cf": config, "postfix/master.cf": listeners + services}, n)
	for _, sub := range []string{"queue", "lib", "mail"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	own(t, filepath.Join(dir, "lib"), userID(t, "postfix"))
	own(t, filepath.Join(dir, "mail"), nobody)
	daemon(t, dir, "/usr/sbin/postfix", []string{"-c", filepath.Join(dir, "postfix"), "start"}, []string{"-c", filepath.Join(dir, "postfix"), "stop"})
	listening(t, n.listen)
	return dir
}

const eximConfig = `exim_path = {exim}
spool_directory = {dir}/spool
log_file_path = {dir}/%slog
primary_hostname = mx.kunde.example
keep_environment =
tls_advertise_hosts =
host_lookup =
rfc1413_query_timeout = 0s
`

const eximRelaying = `acl_smtp_rcpt = all
begin acl
all:
  accept
begin routers
inner:
  driver = manualroute
  domains = kunde.example
  route_list = * {inner.host}
  self = send
  transport = inner
back:
  driver = manualroute
  route_list = * {door.host}
  self = send
  transport = back
begin transports
inner:
  driver = smtp
  port = {inner.port}
  allow_localhost
back:
  driver = smtp
  port = {door.port}
  allow_localhost
`

func startExim(t *testing.T, n neighbours) {
	t.Helper()
	runExim(t, eximRelaying, n)
}

// runExim starts an Exim with the ACLs, routers and transports given.
func runExim(t *testing.T, config string, n neighbours) {
	t.Helper()
	program := peerProgram(t, "exim4")
	furnishUsers(t)
	furnishLibraries(t)
	dir := lodge(t, map[string]string{"exim.conf": strings.ReplaceAll(eximConfig, "{exim}", program) + config}, n)
	own(t, dir, userID(t, "Debian-exim"))
	host, port, err := net.SplitHostPort(n.listen)
	if err != nil {
		t.Fatal(err)
	}
	foreground(t, dir, program, "-C", filepath.Join(dir, "exim.conf"), "-bdf", "-oX", "<; ["+host+"]:"+port, "-oP", filepath.Join(dir, "pid"))
	listening(t, n.listen)
}

const opensmtpdRelaying = `listen on {listen.host} port {listen.port} hostname mx.kunde.example
action "inner" relay host smtp://{inner}
action "back" relay host smtp://{door}
match from any for domain "kunde.example" action "inner"
match from any for any action "back"
`

func startOpenSMTPD(t *testing.T, n neighbours) {
	t.Helper()
	runOpenSMTPD(t, opensmtpdRelaying, n)
}

func runOpenSMTPD(t *testing.T, config string, n neighbours) {
	t.Helper()
	program := peerProgram(t, "smtpd")
	furnishUsers(t)
	// Its paths are built in; the namespace is ours.
	for _, place := range []string{"/var/spool", "/var/lib", "/run"} {
		if err := syscall.Mount("none", place, "tmpfs", 0, "mode=755"); err != nil {
			t.Skipf("needs a place of its own at %s: %v", place, err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(place, syscall.MNT_DETACH) })
	}
	if err := os.MkdirAll("/var/lib/opensmtpd/empty", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("/var/spool/smtpd", 0o711); err != nil {
		t.Fatal(err)
	}
	dir := lodge(t, map[string]string{"smtpd.conf": config}, n)
	foreground(t, dir, program, "-dF", "-f", filepath.Join(dir, "smtpd.conf"))
	listening(t, n.listen)
}

// peersVariable names a directory into which Debian packages were unpacked that
// cannot be installed beside Postfix.
const peersVariable = "STAFETTE_MAIL_PEERS"

// peerProgram finds a mail server, installed or unpacked.
func peerProgram(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{filepath.Join(os.Getenv(peersVariable), "usr/sbin", name), "/usr/sbin/" + name} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	missing(t, fmt.Sprintf("%s, installed or unpacked under $%s", name, peersVariable))
	return ""
}

// furnishUsers adds the users that Debian's packages would have made, for this
// namespace alone.
func furnishUsers(t *testing.T) {
	t.Helper()
	for path, lines := range map[string]string{
		"/etc/passwd": "Debian-exim:x:64901:64901::/nonexistent:/usr/sbin/nologin\nopensmtpd:x:64902:64902::/var/lib/opensmtpd/empty:/usr/sbin/nologin\nopensmtpq:x:64903:64903::/var/lib/opensmtpd/empty:/usr/sbin/nologin\n",
		"/etc/group":  "Debian-exim:x:64901:\nopensmtpd:x:64902:\nopensmtpq:x:64903:\n",
	} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "opensmtpq:") {
			continue
		}
		dir := lodge(t, nil, neighbours{})
		more := filepath.Join(dir, "more")
		if err := os.WriteFile(more, append(text, lines...), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount(more, path, "", syscall.MS_BIND, ""); err != nil {
			t.Skipf("needs users of its own: %v", err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(path, syscall.MNT_DETACH) })
	}
}

// furnishLibraries lays the libraries of unpacked packages over the machine's, for this
// namespace alone: a setuid program takes no LD_LIBRARY_PATH.
func furnishLibraries(t *testing.T) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(os.Getenv(peersVariable), "usr/lib/*-linux-gnu"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range found {
		place := filepath.Join("/usr/lib", filepath.Base(dir))
		if dir == place {
			continue // nothing is unpacked
		}
		if err := syscall.Mount("overlay", place, "overlay", syscall.MS_RDONLY, "lowerdir="+dir+":"+place); err != nil {
			t.Skipf("needs libraries of its own: %v", err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(place, syscall.MNT_DETACH) })
	}
}

// foreground runs a server as a child until the test ends; on failure its words are shown.
func foreground(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	said := &journal{}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = said, said, dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 5 * time.Second // for workers that left the group
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Its workers, too: they hold the pipe that Wait reads to its end.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "mainlog"))
			t.Logf("%s said:\n%s\n%s", program, said, log)
		}
	})
}
