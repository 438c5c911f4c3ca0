package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/emersion/go-smtp"
)

const shortLetter = `{"from":"info@muster.example","to":["eva@kunde.example"],"subject":"Hallo","text":"Hallo"}`

// TestSpentQuota: what is over the day's quota is refused with the time to come
// back, and what was accepted before stays.
func TestSpentQuota(t *testing.T) {
	t.Parallel()
	s := install(t, towards(ownAddress(t)))
	out := s.command(t, "setup", "--config", s.config, "--tenant", "Klein & Fein", "--domain", "klein.example", "--trust-domain", "--quota", "2", "--output", "json")
	var small setupOutput
	if err := json.Unmarshal(out, &small); err != nil {
		t.Fatal(err)
	}
	if small.PlatformKey != "" {
		t.Error("the second set-up makes an operator again")
	}
	s.setup = small
	body := []byte(strings.Replace(shortLetter, "muster.example", "klein.example", 1))
	for i := range 2 {
		if a := s.request(t, http.MethodPost, "/v1/messages", body); a.status != http.StatusAccepted {
			t.Fatalf("message %d: %s", i+1, a)
		}
	}
	a := s.request(t, http.MethodPost, "/v1/messages", body)
	expectProblem(t, a, http.StatusTooManyRequests, "")
	if a.header.Get("Retry-After") == "" {
		t.Error("nothing says when to come back")
	}
	if list := s.list(t, ""); len(list) != 2 {
		t.Errorf("%d messages", len(list))
	}
}

// TestDiskFull: nothing is acknowledged while there is no room, at either door; it
// heals by itself, and what was acknowledged is all there.
func TestDiskFull(t *testing.T) {
	needNamespace(t)
	t.Parallel()
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("needs a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	s := installAt(t, filepath.Join(disk, "data"), towards(ownAddress(t)))

	body, err := json.Marshal(map[string]any{
		"from": "info@muster.example", "to": []string{"eva@kunde.example"}, "subject": "Groß",
		"text": strings.Repeat("Noch eine Zeile, damit es voll wird.\n", 10_000),
	})
	if err != nil {
		t.Fatal(err)
	}
	acknowledged := 0
	for range 200 {
		a := s.request(t, http.MethodPost, "/v1/messages", body)
		if a.status == http.StatusAccepted {
			acknowledged++
			continue
		}
		expectProblem(t, a, http.StatusServiceUnavailable, "")
		break
	}
	if acknowledged == 0 || acknowledged == 200 {
		t.Fatalf("%d messages fit on the disk", acknowledged)
	}
	mail := "From: info@" + senderDomain + "\r\nTo: eva@" + recipientDomain + "\r\nSubject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 5000)
	err = s.signIn(t).SendMail("info@"+senderDomain, []string{"eva@" + recipientDomain}, strings.NewReader(mail))
	var refusal *smtp.SMTPError
	if !errors.As(err, &refusal) || refusal.Code != 452 {
		t.Errorf("submission answers %v, want 452", err)
	}
	if err := syscall.Mount("none", disk, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "mail is taken again", func() error {
		a := s.request(t, http.MethodPost, "/v1/messages", body)
		if a.status != http.StatusAccepted {
			return fmt.Errorf("%s", a)
		}
		acknowledged++
		return nil
	})
	if list := s.list(t, ""); len(list) != acknowledged {
		t.Errorf("%d messages, %d were acknowledged", len(list), acknowledged)
	}
	for _, m := range s.list(t, "") {
		raw := s.request(t, http.MethodGet, "/v1/messages/"+m.ID+"/mime", nil)
		if raw.status != http.StatusOK || !bytes.Contains(raw.body, []byte("Noch eine Zeile")) {
			t.Fatalf("the body of %s cannot be read: %d", m.ID, raw.status)
		}
	}
}
