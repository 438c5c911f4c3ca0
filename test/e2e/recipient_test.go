package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// mxAddress is where the recipient's mail server lives (RFC 5737).
	mxAddress       = "192.0.2.25"
	recipientDomain = "kunde.example"
	imapPassword    = "geheim"
	// nobody owns the mailboxes.
	nobody = 65534
)

const postfixMain = `compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/lib
maillog_file = %[1]s/mail.log
maillog_file_prefixes = %[1]s
myhostname = mx.kunde.example
mydestination =
inet_interfaces = 192.0.2.25
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_chain_files = %[1]s/mx.pem
virtual_mailbox_domains = kunde.example muster.example
virtual_mailbox_base = %[1]s/mail
virtual_mailbox_maps = inline:{ eva@kunde.example=eva/, jonas@kunde.example=jonas/, info@muster.example=info/ }
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 100
message_size_limit = 50000000
virtual_mailbox_limit = 0
alias_maps =
alias_database =
`

const postfixMaster = `smtp      inet  n - n - - smtpd
postlog   unix-dgram n - n - 1 postlogd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
proxymap  unix  - - n - - proxymap
error     unix  - - n - - error
retry     unix  - - n - - error
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
`

const dovecotConfig = `base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/dovecot.log
protocols = imap
listen = 192.0.2.25
ssl = no
disable_plaintext_auth = no
mail_location = maildir:%[1]s/mail/%%n
first_valid_uid = 100
passdb {
  driver = static
  args = password=geheim
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=%[1]s/mail/%%n
}
service imap-login {
  inet_listener imap {
    port = 143
  }
  inet_listener imaps {
    port = 0
  }
}
`

// recipient starts a real Postfix and Dovecot at mxAddress, for eva@ and jonas@ and,
// where reports come back to, info@ of the sender.
func recipient(t *testing.T) {
	t.Helper()
	needNamespace(t)
	needProgram(t, "/usr/sbin/postfix")
	needProgram(t, "/usr/sbin/dovecot")
	needProgram(t, "/usr/lib/dovecot/imap")
	version, err := exec.Command("/usr/sbin/dovecot", "--version").Output()
	if err != nil || !strings.HasPrefix(string(version), "2.3.") {
		t.Skipf("needs Dovecot 2.3, whose configuration it writes; have %q, %v", version, err)
	}
	// Not t.TempDir: the daemons' users must be able to enter.
	dir, err := os.MkdirTemp("", "stafette-recipient-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"queue", "lib", "mail", "run", "state", "postfix"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	own(t, filepath.Join(dir, "mail"), nobody)
	own(t, filepath.Join(dir, "lib"), userID(t, "postfix"))
	for name, text := range map[string]string{
		"postfix/main.cf": fmt.Sprintf(postfixMain, dir), "postfix/master.cf": postfixMaster,
		"dovecot.conf": fmt.Sprintf(dovecotConfig, dir), "mx.pem": selfSigned(t, "mx.kunde.example"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "mx.pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	daemon(t, dir, "/usr/sbin/postfix", []string{"-c", filepath.Join(dir, "postfix"), "start"}, []string{"-c", filepath.Join(dir, "postfix"), "stop"})
	daemon(t, dir, "/usr/sbin/dovecot", []string{"-c", filepath.Join(dir, "dovecot.conf")}, []string{"-c", filepath.Join(dir, "dovecot.conf"), "stop"})
	for _, port := range []string{"25", "143"} {
		eventually(t, "port "+port+" answers", func() error {
			c, err := net.Dial("tcp", net.JoinHostPort(mxAddress, port))
			if err == nil {
				_ = c.Close()
			}
			return err
		})
	}
}

func userID(t *testing.T, name string) int {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.Atoi(u.Uid)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func own(t *testing.T, path string, user int) {
	t.Helper()
	if err := os.Chown(path, user, user); err != nil {
		t.Fatal(err)
	}
}

// daemon starts one server and has it stopped at the end; on failure its logs are shown.
func daemon(t *testing.T, dir, program string, start, stop []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// A file, not a pipe: the daemon keeps it open, and a pipe would be waited for.
	out, err := os.OpenFile(filepath.Join(dir, "start.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, program, start...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		logs, _ := os.ReadFile(filepath.Join(dir, "mail.log"))
		started, _ := os.ReadFile(out.Name())
		t.Fatalf("%s: %v\n%s%s", program, err, started, logs)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, name := range []string{"mail.log", "dovecot.log"} {
				text, _ := os.ReadFile(filepath.Join(dir, name))
				t.Logf("%s:\n%s", name, text)
			}
			t.Logf("what runs:\n%s", processes())
		}
		// The namespace would end it anyway; this lets the next test have the port.
		ctx, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		if err := exec.CommandContext(ctx, program, stop...).Run(); err != nil {
			t.Logf("%s %s: %v; it is killed", program, strings.Join(stop, " "), err)
			killBelow(t, dir)
		}
	})
}

// stopTime is how long a daemon may take to end before it is killed.
const stopTime = 20 * time.Second

// processes lists what runs in the namespace and where in the kernel it waits.
func processes() string {
	out, err := exec.Command("ps", "-eo", "pid,ppid,stat,wchan:24,args").CombinedOutput()
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// killBelow ends every process that works in a directory or has it in its arguments.
func killBelow(t *testing.T, dir string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		pid, _ := strconv.Atoi(filepath.Base(one))
		args, _ := os.ReadFile(filepath.Join(one, "cmdline"))
		at, _ := os.Readlink(filepath.Join(one, "cwd"))
		if pid > 1 && pid != os.Getpid() && (strings.Contains(string(args), dir) || strings.HasPrefix(at, dir)) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// selfSigned returns a PEM file with key and certificate.
func selfSigned(t *testing.T, host string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
}

// names starts a name server that knows where the recipient lives and returns its
// address.
func names(t *testing.T) string {
	t.Helper()
	return nameServer(t, map[string]string{
		recipientDomain + ".":         "MX 10 mx." + recipientDomain + ".",
		"mx." + recipientDomain + ".": "A " + mxAddress,
		senderDomain + ".":            "MX 10 mx." + recipientDomain + ".",
		"keine-post.example.":         "MX 0 .",
	})
}
