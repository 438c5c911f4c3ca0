package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/jhillyerd/enmime/v2"
)

// takingPostfix takes mail for everybody at its domains into one mailbox.
const takingPostfix = `compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/lib
maillog_file = {dir}/mail.log
maillog_file_prefixes = {dir}
myhostname = mx.kunde.example
mydestination =
inet_protocols = ipv4
mynetworks =
smtpd_peername_lookup = no
smtpd_tls_security_level = none
virtual_mailbox_domains = static:all
virtual_mailbox_base = {dir}/mail
virtual_mailbox_maps = static:alle/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 100
message_size_limit = 50000000
virtual_mailbox_limit = 0
alias_maps =
alias_database =
`

// strictPostfix endures no mistake: the first one ends the session.
const strictPostfix = takingPostfix + `smtpd_forbid_bare_newline = yes
smtpd_forbid_unauth_pipelining = yes
strict_rfc821_envelopes = yes
strict_8bitmime_body = yes
strict_mime_encoding_domain = yes
strict_smtputf8 = yes
smtpd_helo_required = yes
smtpd_helo_restrictions = reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname
smtpd_sender_restrictions = reject_non_fqdn_sender
smtpd_recipient_restrictions = reject_non_fqdn_recipient, reject_unauth_pipelining, reject_unauth_destination
smtpd_data_restrictions = reject_unauth_pipelining, reject_multi_recipient_bounce
smtpd_soft_error_limit = 1
smtpd_hard_error_limit = 1
smtpd_junk_command_limit = 1
`

// inBox reads what virtual(8) put into the mailbox, once there is as much.
func inBox(t *testing.T, dir string, count int) []*enmime.Envelope {
	t.Helper()
	var names []string
	eventually(t, fmt.Sprintf("%d mails are in the mailbox", count), func() error {
		names, _ = filepath.Glob(filepath.Join(dir, "mail/alle/new/*"))
		if len(names) < count {
			return fmt.Errorf("there are %d", len(names))
		}
		return nil
	})
	var all []*enmime.Envelope
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := enmime.ReadEnvelope(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// TestStrictPostfix: a server that forbids everything that may be forbidden finds
// nothing in mail of any kind, by DATA and by BDAT.
func TestStrictPostfix(t *testing.T) {
	t.Parallel()
	const listeners = "{listen} inet n - n - - smtpd -o smtpd_discard_ehlo_keywords=chunking\n{inner} inet n - n - - smtpd\n"
	n := neighbours{listen: ownAddress(t), inner: ownAddress(t)}
	dir := runPostfix(t, strictPostfix, listeners, n)
	s := install(t, fmt.Sprintf("[[route]]\ndomain = \"data.example\"\nnext_hop = %q\n[[route]]\ndomain = \"bdat.example\"\nnext_hop = %q\n", n.listen, n.inner))
	both := func(local string) []string { return []string{local + "@data.example", local + "@bdat.example"} }
	var crowd []string
	for i := range 30 {
		crowd = append(crowd, both(fmt.Sprintf("kunde%d", i))...)
	}
	l := umlauts()
	long := strings.Repeat("Zeile ", 166) + "x" // 997
	for subject, send := range map[string]func(subject string) string{
		l.Subject: func(string) string { l.To = both("eva")[0]; return byAPI(t, s, l) },
		"An alle": func(subject string) string {
			return s.send(t, map[string]any{"from": "info@" + senderDomain, "to": crowd, "subject": subject, "text": strings.Repeat("ü", 2000) + "\n.\nEnde"}).ID
		},
		"Internationale Adressen": func(subject string) string {
			return s.send(t, map[string]any{"from": "info@" + senderDomain, "to": both("jörg"), "subject": subject, "text": "Grüße"}).ID
		},
		"Acht Bit": func(subject string) string {
			return s.hand(t, &smtp.MailOptions{Body: smtp.Body8BitMIME}, both("eva"), subject, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n.\r\n")
		},
		"UTF-8 im Kopf – Größe": func(subject string) string {
			return s.hand(t, &smtp.MailOptions{Body: smtp.Body8BitMIME, UTF8: true}, both("eva"), subject, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n")
		},
		"Lange Zeilen": func(subject string) string {
			return s.hand(t, nil, both("eva"), subject, "\r\n"+strings.Repeat(long+"\r\n", 50))
		},
	} {
		m := s.settled(t, send(subject))
		for _, d := range m.Deliveries {
			if d.State != "delivered" || len(d.Attempts) != 1 {
				t.Errorf("%s: %+v", subject, d)
			}
		}
	}
	s.stop(t) // ends the sessions
	if t.Failed() {
		return
	}
	found := map[string]int{}
	for _, m := range inBox(t, dir, 69) {
		found[m.GetHeader("Subject")]++
		if m.GetHeader("Subject") == "Lange Zeilen" && !strings.HasPrefix(m.Text, long) {
			t.Errorf("long lines arrive as %.100q", m.Text)
		}
	}
	for subject, want := range map[string]int{l.Subject: 1, "An alle": 60, "Internationale Adressen": 2, "Acht Bit": 2, "UTF-8 im Kopf – Größe": 2, "Lange Zeilen": 2} {
		if found[subject] != want {
			t.Errorf("%d mails are called %q, want %d", found[subject], subject, want)
		}
	}
	heard(t, dir)
}

// heard demands that Postfix's journal holds no complaint, and that both ways of
// sending were used.
func heard(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "mail.log"))
	if err != nil {
		t.Fatal(err)
	}
	said := string(text)
	for _, complaint := range []string{`.*smtpd.*warning:.*`, `.*reject:.*`, `.*improper.*`, `.*lost connection after [^C].*`, `.*disconnect.*=\d+/[1-9].*`} {
		if line := regexp.MustCompile(complaint).FindString(said); line != "" {
			t.Error(line)
		}
	}
	for _, way := range []string{" data=", " bdat="} {
		if !strings.Contains(said, way) {
			t.Errorf("no session with%s", way)
		}
	}
}

// hand submits a mail as it is: rest begins with further header fields.
func (s *stafette) hand(t *testing.T, options *smtp.MailOptions, to []string, subject, rest string) string {
	t.Helper()
	client := s.signIn(t)
	err := client.Mail("info@"+senderDomain, options)
	for _, r := range to {
		err = errors.Join(err, client.Rcpt(r, nil))
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := client.Data()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(data, "From: info@"+senderDomain+"\r\nTo: "+to[0]+"\r\nSubject: "+subject+"\r\nMIME-Version: 1.0\r\n"+rest)
	reply, err := data.CloseWithResponse()
	if err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	_, id, _ := strings.Cut(reply.StatusText, "Accepted as ")
	return strings.TrimSpace(id)
}

// TestGreylisting: postgrey puts a stranger off; the mail comes back after the
// schedule's first pause and is taken, and nothing is held against the server.
func TestGreylisting(t *testing.T) {
	t.Parallel()
	needNamespace(t)
	needProgram(t, "/usr/sbin/postgrey")
	needProgram(t, "/usr/sbin/postfix")
	n := neighbours{listen: ownAddress(t), inner: ownAddress(t)}
	grey := lodge(t, nil, n)
	own(t, grey, userID(t, "postgrey"))
	foreground(t, grey, "/usr/sbin/postgrey", "--inet="+n.inner, "--dbdir="+grey, "--delay=1", "--auto-whitelist-clients=0")
	listening(t, n.inner)
	dir := runPostfix(t, takingPostfix+"smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:{inner}\n", "{listen} inet n - n - - smtpd\n", n)

	host, port, _ := strings.Cut(n.listen, ":")
	shaping := filepath.Join(t.TempDir(), "shaping.toml")
	if err := os.WriteFile(shaping, []byte("[default]\nretry = [\"3s\", \"10m\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := install(t, fmt.Sprintf("[dns]\nserver = %q\n[egress]\nallow_private = true\nport = %s\nshaping = %q\n", nameServer(t, map[string]string{
		recipientDomain + ".": "MX 10 mx." + recipientDomain + ".", "mx." + recipientDomain + ".": "A " + host,
	}), port, shaping))
	m := s.send(t, map[string]any{"from": "info@" + senderDomain, "to": []string{"eva@" + recipientDomain, "jonas@" + recipientDomain}, "subject": "Neu hier", "text": "Guten Tag"})
	eventually(t, "it is put off", func() error {
		a := s.request(t, http.MethodGet, "/v1/messages/"+m.ID, nil)
		for _, d := range decode[message](t, a.body).Deliveries {
			if d.State != "deferred" || d.Reason != "greylisted" {
				return fmt.Errorf("%+v", d)
			}
		}
		return nil
	})
	for _, d := range s.settled(t, m.ID).Deliveries {
		if d.State != "delivered" || len(d.Attempts) != 2 {
			t.Fatalf("%+v", d)
		}
		if first := d.Attempts[0]; first.Outcome != "deferred" || first.Code != 450 || !strings.Contains(first.Reply, "Greylisted") {
			t.Errorf("first attempt %+v", first)
		}
	}
	inBox(t, dir, 2)
	for _, punishment := range []string{"rule applied", "lane rests", "source refused", "source paused"} {
		if strings.Contains(s.log.String(), punishment) {
			t.Errorf("%s: %s", punishment, s.log)
		}
	}
}

const eximReceiving = `acl_smtp_rcpt = all
begin acl
all:
  require verify = recipient
  accept
begin routers
boxes:
  driver = manualroute
  domains = kunde.example
  local_parts = jonas
  route_list = * {inner.host}
  self = send
  transport = inner
begin transports
inner:
  driver = smtp
  port = {inner.port}
  allow_localhost
`

// eximReceivingKindly says it as the configuration that comes with Exim does for local
// mailboxes.
func eximReceivingKindly() string {
	return strings.Replace(eximReceiving, "begin transports", `others:
  driver = accept
  domains = freund.example
  local_parts = jonas
  cannot_route_message = Unknown user
  transport = inner
begin transports`, 1)
}

const opensmtpdReceiving = `listen on {listen.host} port {listen.port} hostname mx.kunde.example
table known { "jonas@kunde.example" }
action "inner" relay host smtp://{inner}
match from any for domain "kunde.example" rcpt-to <known> action "inner"
`

// TestRefusalsOfRealServers: one recipient is taken, the other is unknown, in each
// server's own words.
func TestRefusalsOfRealServers(t *testing.T) {
	for _, c := range []struct {
		name   string
		start  func(*testing.T, neighbours)
		domain string
		words  string
	}{
		{"Exim", func(t *testing.T, n neighbours) { runExim(t, eximReceiving, n) }, "kunde.example", "Unrouteable address"},
		{"Exim, local users", func(t *testing.T, n neighbours) { runExim(t, eximReceivingKindly(), n) }, "freund.example", "Unknown user"},
		{"OpenSMTPD", func(t *testing.T, n neighbours) { runOpenSMTPD(t, opensmtpdReceiving, n) }, "kunde.example", "Invalid recipient"},
	} {
		t.Run(c.name, func(t *testing.T) {
			needNamespace(t)
			n := neighbours{listen: ownAddress(t), inner: ownAddress(t)}
			in := openInner(t, n.inner, func(string) bool { return true })
			c.start(t, n)
			s := install(t, towards(n.listen))
			m := s.settled(t, s.send(t, map[string]any{"from": "info@" + senderDomain, "to": []string{"jonas@" + recipientDomain, "niemand@" + c.domain}, "subject": "x", "text": "x"}).ID)
			if d := m.Deliveries[0]; d.State != "delivered" {
				t.Errorf("the one who is known: %+v", d)
			}
			d := m.Deliveries[1]
			last := d.Attempts[len(d.Attempts)-1]
			if d.State != "bounced" || d.Reason != "user_unknown" || last.Code != 550 || !strings.Contains(last.Reply, c.words) {
				t.Errorf("the one who is not: %+v", d)
			}
			eventually(t, "the server hands it on", func() error {
				if in.path("jonas@"+recipientDomain) == "" {
					return errors.New("not yet")
				}
				return nil
			})
		})
	}
}
