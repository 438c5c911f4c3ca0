package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
)

// platform calls the API with the platform's key.
func (s *stafette) platform(t *testing.T, method, path, body string) answer {
	t.Helper()
	return s.request(t, method, path, []byte(body), "Authorization", "Bearer "+s.setup.PlatformKey)
}

// group makes a group with members p0, p1, … at kunde.example.
func (s *stafette) group(t *testing.T, name string, members int) string {
	t.Helper()
	a := s.request(t, http.MethodPost, "/v1/groups", fmt.Appendf(nil, `{"name":%q}`, name))
	if a.status != http.StatusCreated {
		t.Fatalf("make group: %s", a)
	}
	id := decode[struct{ ID string }](t, a.body).ID
	s.join(t, id, 0, members)
	return id
}

func (s *stafette) join(t *testing.T, group string, from, to int) {
	t.Helper()
	var list []string
	for n := from; n < to; n++ {
		list = append(list, fmt.Sprintf(`{"email":"p%d@kunde.example"}`, n))
	}
	if a := s.request(t, http.MethodPost, "/v1/groups/"+group+"/contacts", []byte(`{"contacts":[`+strings.Join(list, ",")+`]}`)); a.status != http.StatusOK {
		t.Fatalf("fill group: %s", a)
	}
}

// approve submits a group and lets the platform approve it.
func (s *stafette) approve(t *testing.T, group string) {
	t.Helper()
	a := s.request(t, http.MethodPost, "/v1/groups/"+group+"/approval", []byte(
		`{"sources":[{"kind":"contract","description":"Mieter unserer Wohnungen; der Vertrag nennt den Rundbrief."}],"contact":{"name":"E. Muster","email":"e@muster.example"}}`))
	if a.status != http.StatusOK {
		t.Fatalf("submit: %s", a)
	}
	for _, r := range decode[struct {
		Data []struct{ ID, GroupID string }
	}](t, []byte(strings.ReplaceAll(string(s.platform(t, http.MethodGet, "/v1/platform/reviews", "").body), "group_id", "GroupID"))).Data {
		if r.GroupID != group {
			continue
		}
		if a := s.platform(t, http.MethodPost, "/v1/platform/reviews/"+r.ID+"/decision", `{"decision":"approve","reason":"Der Vertrag belegt es."}`); a.status != http.StatusOK {
			t.Fatalf("approve: %s", a)
		}
		return
	}
	t.Fatal("the group is not among the reviews")
}

// door hands in a newsletter to somebody and says how that was refused, "" if it was not.
type door func(t *testing.T, s *stafette, group, to string) string

// problemOf is the code of a refusal, "" for an acceptance.
func problemOf(t *testing.T, a answer) string {
	t.Helper()
	if a.status < 300 {
		return ""
	}
	return fmt.Sprintf("%d %s", a.status, decode[struct{ Code string }](t, a.body).Code)
}

func draftOf(group, to string) string {
	named := ""
	if group != "" {
		named = `"group_id":"` + group + `",`
	}
	return `{` + named + `"from":"info@` + senderDomain + `","to":["` + to + `"],"subject":"Rundbrief","text":"Guten Tag","stream":"newsletter"}`
}

func rawOf(group, to string) string {
	named := ""
	if group != "" {
		named = "X-Stafette-Group: " + group + "\r\n"
	}
	return "From: info@" + senderDomain + "\r\nTo: " + to + "\r\nSubject: Rundbrief\r\nX-Stafette-Stream: newsletter\r\n" + named + "\r\nGuten Tag\r\n"
}

// doors are the ways in from outside. What sends by itself (leads, offers, redeliveries)
// hands in through the same entrance: ingest.TestEveryDoorAsks.
func doors() map[string]door {
	return map[string]door{
		"one": func(t *testing.T, s *stafette, group, to string) string {
			return problemOf(t, s.request(t, http.MethodPost, "/v1/messages", []byte(draftOf(group, to))))
		},
		"batch": func(t *testing.T, s *stafette, group, to string) string {
			a := s.request(t, http.MethodPost, "/v1/messages/batch", []byte(`{"messages":[`+draftOf(group, to)+`]}`))
			if a.status != http.StatusOK {
				return problemOf(t, a)
			}
			if strings.Contains(string(a.body), "group_not_approved") {
				return "403 group_not_approved"
			}
			return ""
		},
		"mime": func(t *testing.T, s *stafette, group, to string) string {
			return problemOf(t, s.request(t, http.MethodPost, "/v1/messages/mime", []byte(rawOf(group, to)), "Content-Type", "message/rfc822"))
		},
		"smtp": func(t *testing.T, s *stafette, group, to string) string {
			err := s.signIn(t).SendMail("info@"+senderDomain, []string{to}, strings.NewReader(rawOf(group, to)))
			var refused *smtp.SMTPError
			if err == nil {
				return ""
			}
			if !errors.As(err, &refused) || refused.Code != 550 || refused.EnhancedCode != (smtp.EnhancedCode{5, 7, 1}) {
				t.Errorf("refused by %v", err)
			}
			return "403 group_not_approved"
		},
	}
}

// TestEveryDoorAsksForTheApproval goes with a group through every door: before its
// approval, after it, and after it was taken back; and what was accepted in between waits
// (issue 8, 6; T42).
func TestEveryDoorAsksForTheApproval(t *testing.T) {
	t.Parallel()
	s := install(t, towards(ownAddress(t))) // nobody listens there: what is accepted stays queued
	group := s.group(t, "Rundbrief", 20)
	try := func(when, want string) {
		t.Helper()
		for name, through := range doors() {
			for _, named := range []string{group, ""} {
				if got := through(t, s, named, "p1@kunde.example"); got != want {
					t.Errorf("%s, by %s, group named %t: %q, want %q", when, name, named != "", got, want)
				}
			}
		}
	}
	const refused = "403 group_not_approved"
	try("not approved", refused)
	if n := len(s.list(t, "")); n != 0 {
		t.Errorf("%d messages were taken", n)
	}
	s.approve(t, group)
	try("approved", "")
	m := s.send(t, map[string]any{"from": "info@" + senderDomain, "to": []string{"p2@kunde.example"}, "subject": "Rundbrief", "text": "Tag", "stream": "newsletter", "group_id": group})

	s.join(t, group, 20, 40) // twice as many: not what was approved
	waits := func(want bool) func() error {
		return func() error {
			d := decode[message](t, s.request(t, http.MethodGet, "/v1/messages/"+m.ID, nil).body).Deliveries[0]
			if held := d.State == "held" && d.Reason == "group_not_approved"; held != want {
				return fmt.Errorf("%s %s", d.State, d.Reason)
			}
			return nil
		}
	}
	eventually(t, "queued mail waits", waits(true))
	try("taken back", refused)
	s.approve(t, group)
	eventually(t, "mail goes on by itself", waits(false))
	try("approved again", "")
}

// TestOfficeAsksForTheApproval writes to a member as a person does.
func TestOfficeAsksForTheApproval(t *testing.T) {
	t.Parallel()
	s := install(t, towards(ownAddress(t)))
	group := s.group(t, "Rundbrief", 3)
	office := newVisitor(t, "http://"+s.httpAddr)
	office.post("/signin", url.Values{"email": {s.setup.Admin.Email}, "password": {s.setup.Admin.Password}})
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range map[string]string{"from_local": "info", "from_domain": senderDomain, "to": "p1@kunde.example", "subject": "Rundbrief", "format": "text", "body": "Guten Tag", "stream": "newsletter"} {
		if err := form.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, office.origin+"/messages", &body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Origin", office.origin)
	resp, err := office.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(page); resp.StatusCode < 400 || !strings.Contains(text, group) && !strings.Contains(text, "Freigabe") {
		t.Errorf("not refused with the way to go: %d %s", resp.StatusCode, text[max(0, strings.Index(text, "<main")):])
	}
	if n := len(s.list(t, "")); n != 0 {
		t.Errorf("%d messages were taken", n)
	}
}
