package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDemo walks the demo as a visitor: sign in with the printed name, see the
// seeded mail delivered, send one and find it in the mailbox.
func TestDemo(t *testing.T) {
	t.Parallel()
	log := &journal{}
	office, mailbox := ownAddress(t), ownAddress(t)
	cmd := exec.Command(os.Getenv(binaryVariable), "demo", "--listen", office, "--mailbox", mailbox, "--submission", ownAddress(t))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the demo ended with %v\n%s", err, log)
			}
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			t.Error("the demo does not end")
		}
	})
	login := regexp.MustCompile(`(\S+@hafenkontor\.example)\s+(\S+)`)
	eventually(t, "the demo prints its logins", func() error {
		select {
		case err := <-ended:
			ended <- err // for the clean-up
			t.Fatalf("the demo ended: %v\n%s", err, log)
		default:
		}
		if !login.MatchString(log.String()) {
			return fmt.Errorf("printed so far: %s", log)
		}
		return nil
	})
	if !strings.Contains(log.String(), office) || !strings.Contains(log.String(), mailbox) {
		t.Errorf("the addresses are not printed: %s", log)
	}
	who := login.FindStringSubmatch(log.String())
	v := newVisitor(t, "http://"+office)
	v.post("/signin", url.Values{"email": {who[1]}, "password": {who[2]}})
	eventually(t, "the seeded mail is delivered", func() error {
		if page := v.get("/messages"); !strings.Contains(page, "Zugestellt") || !strings.Contains(page, "Zurückgewiesen") {
			return fmt.Errorf("the list says %.300s", page)
		}
		return nil
	})
	eventually(t, "a mail comes back after it was taken", func() error {
		if page := v.get("/messages?mark=late_bounce"); !strings.Contains(page, "Reservierung Wohnung 2.4") || !strings.Contains(page, "Nachträglich zurückgewiesen") {
			return fmt.Errorf("the list says %.300s", page)
		}
		return nil
	})
	eventually(t, "it lies in the mailboxes", func() error {
		if page := newVisitor(t, "http://"+mailbox).get("/"); !strings.Contains(page, "Speicherblock 7") {
			return fmt.Errorf("the mailbox page says %.300s", page)
		}
		return nil
	})
	for _, c := range []struct{ email, password, group, says string }{
		{who[1], who[2], "Besichtigungen", "Freigegeben. Die Freigabe gilt"},
		{"lea@yoga-am-kanal.example", "hund-und-kobra", "Kurswünsche", "Rückfragen zu: Kurswünsche"},
		{"ines@weinkontor.example", "kork-und-keller", "Gastronomie Hamburg", "Diese Gruppe kann nicht angeschrieben werden"},
	} {
		v := newVisitor(t, "http://"+office)
		v.post("/signin", url.Values{"email": {c.email}, "password": {c.password}})
		link := regexp.MustCompile(`href="(/groups/grp_[^"/]+)"[^>]*>` + c.group).FindStringSubmatch(v.get("/groups"))
		if link == nil {
			t.Errorf("%s has no group %s", c.email, c.group)
		} else if page := v.get(link[1]); !strings.Contains(page, c.says) {
			t.Errorf("%s does not say %q", c.group, c.says)
		}
	}
}

// visitor is a browser without scripts.
type visitor struct {
	t      *testing.T
	origin string
	client *http.Client
}

func newVisitor(t *testing.T, origin string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, origin, &http.Client{Jar: jar, Timeout: patience}}
}

func (v *visitor) get(path string) string {
	v.t.Helper()
	answer, err := v.client.Get(v.origin + path)
	return v.read(answer, err)
}

func (v *visitor) post(path string, form url.Values) string {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.origin+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", v.origin)
	answer, err := v.client.Do(req)
	return v.read(answer, err)
}

func (v *visitor) read(answer *http.Response, err error) string {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if answer.StatusCode >= 400 {
		v.t.Fatalf("%s: %s", answer.Request.URL, answer.Status)
	}
	return string(text)
}
