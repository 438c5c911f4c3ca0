package demo

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
)

const leadMail = "From: a@hafenkontor.example\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGuten Tag\r\n--b\r\nContent-Type: application/xml\r\nContent-Disposition: attachment; filename=kontaktanfrage.xml\r\n\r\n<x/>\r\n--b--\r\n"

// The estate agents' servers treat strangers in their two ways until a visitor enters the
// address, and again after it is taken out.
func TestEstateAgentsKnowAddresses(t *testing.T) {
	w, _ := start(t, Options{Admitted: []netip.Addr{netip.MustParseAddr("127.0.0.17")}})
	send := func(mx, from, to string) error {
		return connect(t, w, mx, from).SendMail("a@hafenkontor.example", []string{to}, strings.NewReader(leadMail))
	}
	newest := func(box string) letter {
		t.Helper()
		list := w.boxes.list(box, 1)
		if len(list) == 0 {
			t.Fatalf("nothing came to %s", box)
		}
		return open(list[0].Raw)
	}
	files := func(l letter) (names string) {
		for _, f := range l.Files {
			names += f.Name + " "
		}
		return names
	}
	const brandtBox, alsterBox = "anfragen@" + brandtDomain, "anfragen@" + alsterDomain
	if err := send("127.0.10.4", "127.0.0.17", brandtBox); err != nil || files(newest(brandtBox)) != "kontaktanfrage.xml " {
		t.Fatalf("from a known address: %v, %q", err, files(newest(brandtBox)))
	}
	var err *smtp.SMTPError
	if !errors.As(send("127.0.10.4", "127.0.0.66", brandtBox), &err) || err.Code != 550 || !strings.Contains(err.Message, "your IP") {
		t.Errorf("from a stranger: %v", err)
	}
	if err := send("127.0.10.5", "127.0.0.66", alsterBox); err != nil {
		t.Fatal(err)
	}
	if l := newest(alsterBox); files(l) != "removed.txt " || !strings.Contains(l.Text, "Guten Tag") {
		t.Errorf("a stranger's mail has %q and the text %q", files(l), l.Text)
	}
	post := func(domain, do, address string) int {
		t.Helper()
		answer, err := http.PostForm(w.MailboxURL()+serversPath+"/"+domain, url.Values{"do": {do}, "address": {address}})
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	for domain, box := range map[string]string{brandtDomain: brandtBox, alsterDomain: alsterBox} {
		if status := post(domain, "admit", "127.0.0.66"); status != 200 {
			t.Errorf("%s: status %d", domain, status)
		}
		mx := map[string]string{brandtDomain: "127.0.10.4", alsterDomain: "127.0.10.5"}[domain]
		if err := send(mx, "127.0.0.66", box); err != nil || files(newest(box)) != "kontaktanfrage.xml " {
			t.Errorf("%s, entered: %v, %q", domain, err, files(newest(box)))
		}
	}
	post(brandtDomain, "forget", "127.0.0.66")
	if send("127.0.10.4", "127.0.0.66", brandtBox) == nil {
		t.Error("what was taken out is let in")
	}
	if status := post(brandtDomain, "admit", "keine"); status != 422 {
		t.Errorf("no address: %d", status)
	}
	if status := post("nirgends.example", "admit", "127.0.0.66"); status != 404 {
		t.Errorf("no server: %d", status)
	}
	if _, page := get(t, w.MailboxURL()+serversPath+"?lang=en"); !strings.Contains(page, "127.0.0.66") || !strings.Contains(page, "Estate agents") {
		t.Errorf("page: %s", page)
	}
}
