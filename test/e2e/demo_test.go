package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
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
		if page := v.get(v.group(c.group)); !strings.Contains(page, c.says) {
			t.Errorf("%s does not say %q", c.group, c.says)
		}
	}
	approvalEnds(t, v)
}

// approvalEnds: contacts from a new source take the approval of a group back, and the
// office says so without anybody asking for the approval.
func approvalEnds(t *testing.T, v *visitor) {
	t.Helper()
	group := v.group("Besichtigungen")
	page := v.upload(group+"/imports", "list", "E-Mail;Vorname\nnachtrag.1@gmx.example;Anna\n")
	begin := regexp.MustCompile(`action="(/groups/grp_[^"/]+/imports/bat_[^"/]+)"`).FindStringSubmatch(page)
	if begin == nil {
		t.Fatalf("no import begins: %.600s", page)
	}
	v.post(begin[1], url.Values{"column0": {"email"}, "column1": {"given_name"}, "existing": {"fill"}, "source": {"Stadtfest"}})
	eventually(t, "the approval is taken back", func() error {
		if start := v.get("/"); !strings.Contains(start, "Neue Prüfung: Besichtigungen") {
			return fmt.Errorf("the first page says %.300s", start)
		}
		return nil
	})
	if page := v.get(group); !strings.Contains(page, "Freigabe erforderlich") {
		t.Error("the group still says that it is approved")
	}
}

// group is the path of a group of the visitor's account.
func (v *visitor) group(name string) string {
	v.t.Helper()
	link := regexp.MustCompile(`href="(/groups/grp_[^"/]+)"[^>]*>` + name).FindStringSubmatch(v.get("/groups"))
	if link == nil {
		v.t.Fatalf("no group %s", name)
	}
	return link[1]
}

// upload sends a form with one field as files are sent.
func (v *visitor) upload(path, field, value string) string {
	v.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := errors.Join(form.WriteField(field, value), form.Close()); err != nil {
		v.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.origin+path, &body)
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Origin", v.origin)
	answer, err := v.client.Do(req)
	return v.read(answer, err)
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
