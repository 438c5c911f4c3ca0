package e2e

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the program's database
)

// refusingPostfix knows nobody called niemand.
const refusingPostfix = takingPostfix + "smtpd_recipient_restrictions = check_recipient_access inline:{{niemand@kunde.example = 550 5.1.1 Kein Postfach}}, reject_unauth_destination\n"

// TestDialogueWithPostfix: what a real server and the program said stands on the message's
// page for its tenant, not for others, without content, sealed in the database; and
// whoever watches sees it live.
func TestDialogueWithPostfix(t *testing.T) {
	t.Parallel()
	n := neighbours{listen: ownAddress(t)}
	runPostfix(t, refusingPostfix, "{listen} inet n - n - - smtpd\n", n)
	data := filepath.Join(t.TempDir(), "data")
	s := installAt(t, data, fmt.Sprintf("[[route]]\ndomain = \"kunde.example\"\nnext_hop = %q\n", n.listen))

	live := exec.CommandContext(t.Context(), os.Getenv(binaryVariable), "trace", "--config", s.config, "--domain", "kunde.example", "--conversation", "--json")
	out, err := live.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := live.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = live.Wait() })
	eventually(t, "the trace has begun", func() error {
		if !strings.Contains(s.log.String(), "trace begins") {
			return fmt.Errorf("it has not")
		}
		return nil
	})
	id := s.send(t, map[string]any{"from": "info@" + senderDomain, "to": []string{"niemand@kunde.example", "eva@kunde.example"}, "subject": "Geheim", "text": "streng geheim"}).ID
	m := s.settled(t, id)
	watchLive(t, bufio.NewScanner(out))

	page := s.page(t, "/messages/"+id)
	said := []string{"S 220 mx.kunde.example ESMTP", "C EHLO mail.stafette.example", "250-PIPELINING", "C MAIL FROM:&lt;info@muster.example&gt;", "C RCPT TO:&lt;niemand@kunde.example&gt;", "S 550 5.1.1"}
	for _, want := range said {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page, "C RCPT TO:&lt;eva@kunde.example&gt;") {
		t.Error("a dialogue is kept of what went straight")
	}
	var file string
	for _, d := range m.Deliveries {
		if d.State == "bounced" {
			file = s.page(t, "/messages/"+id+"/dialogue.txt?attempt=1&delivery="+url.QueryEscape(d.ID))
		}
	}
	if !strings.Contains(file, "S 550 5.1.1") || strings.Contains(file, "geheim") {
		t.Errorf("the file says %s", file)
	}
	s.agesAreTold(t)
	s.stop(t)
	db, err := sql.Open("sqlite", filepath.Join(data, "stafette.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var sealed []byte
	if err := db.QueryRow("SELECT sealed FROM dialogues").Scan(&sealed); err != nil || bytes.Contains(sealed, []byte("niemand")) {
		t.Errorf("in the database: %d bytes, %v", len(sealed), err)
	}
}

// watchLive reads a live trace until the refused attempt has ended.
func watchLive(t *testing.T, lines *bufio.Scanner) {
	t.Helper()
	var said strings.Builder
	for lines.Scan() {
		var e struct {
			Kind    string
			Line    struct{ From, Text string }
			Verdict struct{ Outcome string }
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		said.WriteString(e.Line.From + " " + e.Line.Text + "\n")
		if e.Kind == "ended" && e.Verdict.Outcome == "bounced" {
			break
		}
	}
	for _, want := range []string{"C RCPT TO:<niemand@kunde.example>\n", "S 550 5.1.1 "} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("live there was no %q in\n%s", want, said.String())
		}
	}
	if strings.Contains(said.String(), "geheim") {
		t.Error("the trace tells content")
	}
}

// agesAreTold lets one mail wait and asks for how long it has waited, as people and machines
// do.
func (s *stafette) agesAreTold(t *testing.T) {
	t.Helper()
	s.send(t, map[string]any{"from": "info@" + senderDomain, "to": []string{"warten@kunde.example"}, "subject": "Warten", "text": "x", "send_at": time.Now().Add(time.Hour).Format(time.RFC3339)})
	eventually(t, "the mail waits", func() error {
		var a struct{ All struct{ Count int } }
		if err := json.Unmarshal(s.command(t, "queue", "ages", "--config", s.config, "--by", "domain", "-o", "json"), &a); err != nil {
			return err
		}
		if a.All.Count != 1 {
			return fmt.Errorf("%d wait", a.All.Count)
		}
		return nil
	})
	answer, err := http.Get("http://" + s.opsAddr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(answer.Body); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`stafette_queue_waiting{state="queued"} 1`, `stafette_queue_waiting{state="held"} 0`, `stafette_queue_age_seconds{quantile="0.95",state="queued"}`, `stafette_queue_oldest_seconds{state="queued"}`} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// page reads a page of the office as the tenant's owner.
func (s *stafette) page(t *testing.T, path string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: patience}
	form := url.Values{"email": {s.setup.Admin.Email}, "password": {s.setup.Admin.Password}}
	in, err := client.PostForm("http://"+s.httpAddr+"/signin", form)
	if err != nil {
		t.Fatal(err)
	}
	in.Body.Close()
	a, err := client.Get("http://" + s.httpAddr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(a.Body); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, a.Status, err)
	}
	return text.String()
}
