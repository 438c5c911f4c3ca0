package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
)

// report is what reports.py finds in a delivery report.
type report struct {
	ReturnPath    string `json:"return_path"`
	AutoSubmitted string `json:"auto_submitted"`
	Signed        bool   `json:"signed"`
	Text          string `json:"text"`
	OriginalType  string `json:"original_type"`
	Subject       string `json:"subject"` // of the message reported on
	MTA           string `json:"mta"`
	EnvelopeID    string `json:"envelope_id"`
	Recipients    []struct{ Original, Final, Action, Status, Diagnostic string }
}

// reportsAbout returns the reports in the sender's mailbox on mails of a subject, once
// there are as many.
func reportsAbout(t *testing.T, subject string, count int) []report {
	t.Helper()
	var about []report
	eventually(t, fmt.Sprintf("%d reports on %q", count, subject), func() error {
		about = nil
		for _, r := range decode[[]report](t, foreign(t, nil, "python3", "python/reports.py", mxAddress, "143", "info", imapPassword)) {
			if r.Subject == subject {
				about = append(about, r)
			}
		}
		if len(about) != count {
			return fmt.Errorf("there are %d", len(about))
		}
		return nil
	})
	return about
}

// wish is one recipient with what the sender wants to hear of it.
type wish struct {
	to      string
	options smtp.RcptOptions
}

// dictate submits a mail over SMTP with the parameters of RFC 3461 and returns its
// identifier from the reply.
func (s *stafette) dictate(t *testing.T, subject string, options smtp.MailOptions, wishes ...wish) string {
	t.Helper()
	client := s.signIn(t)
	err := client.Mail("info@"+senderDomain, &options)
	for _, w := range wishes {
		if err == nil {
			err = client.Rcpt(w.to, &w.options)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := client.Data()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(data, "From: info@"+senderDomain+"\r\nTo: eva@"+recipientDomain+"\r\nSubject: "+subject+"\r\n\r\nGuten Tag\r\n")
	reply, err := data.CloseWithResponse()
	if err != nil {
		t.Fatal(err)
	}
	_, id, ok := strings.Cut(reply.StatusText, "Accepted as ")
	if !ok {
		t.Fatalf("reply %+v", reply)
	}
	return strings.TrimSpace(id)
}

// TestReports: what became of mail comes back into the sender's own mailbox, from us or
// from the server that took it over, and only if the sender wants to know.
func TestReports(t *testing.T) {
	recipient(t)
	needProgram(t, "python3")
	plain := ownAddress(t)
	openSink(t, plain) // knows no DSN
	s := install(t, fmt.Sprintf("[dns]\nserver = %q\n[egress]\nallow_private = true\n[[route]]\ndomain = \"schlicht.example\"\nnext_hop = %q\n", names(t), plain))
	// Each is refused once: who is unknown is suppressed from then on.
	unknown := "niemand@" + recipientDomain
	never := s.dictate(t, "Nie", smtp.MailOptions{}, wish{"keiner@" + recipientDomain, smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifyNever}}})
	s.settled(t, never)

	t.Run("failure, nothing said", func(t *testing.T) {
		id := s.dictate(t, "Stumm", smtp.MailOptions{}, wish{to: unknown}, wish{to: "niemals@" + recipientDomain}, wish{to: "eva@" + recipientDomain})
		r := reportsAbout(t, "Stumm", 1)[0]
		if r.ReturnPath != "<>" || r.AutoSubmitted != "auto-replied" || !r.Signed || r.MTA != "dns; mail.stafette.example" || r.OriginalType != "text/rfc822-headers" || len(r.Recipients) != 2 {
			t.Fatalf("report %+v", r)
		}
		if p := r.Recipients[0]; p.Final != "rfc822; "+unknown || p.Action != "failed" || p.Status != "5.1.1" || !strings.Contains(p.Diagnostic, "User unknown") {
			t.Errorf("recipient %+v", p)
		}
		if !strings.Contains(r.Text, unknown) || !strings.Contains(r.Text, "konnte an diese 2 Adressen nicht zugestellt werden") {
			t.Errorf("text %q", r.Text)
		}
		eventually(t, "the report is on record", func() error {
			a := s.request(t, http.MethodGet, "/v1/messages/"+id+"/events", nil)
			if n := strings.Count(string(a.body), `"type":"reported"`); n != 2 {
				return fmt.Errorf("%d facts: %s", n, a)
			}
			return nil
		})
	})
	t.Run("nodemailer asks for all of it", func(t *testing.T) {
		l := umlauts()
		l.Subject, l.To = "Alles", "unbekannt@"+recipientDomain
		l.DSN = map[string]any{"id": "QQ=3+1", "return": "full", "notify": []string{"failure", "delay"}, "recipient": "chef@" + recipientDomain}
		byNode(t, s, l, s.smtpAddr, false)
		r := reportsAbout(t, "Alles", 1)[0]
		if r.EnvelopeID != "QQ=3+1" || r.OriginalType != "message/rfc822" || len(r.Recipients) != 1 || r.Recipients[0].Original != "rfc822;chef@"+recipientDomain {
			t.Errorf("report %+v", r)
		}
	})
	t.Run("success is Postfix's to tell", func(t *testing.T) {
		s.dictate(t, "Angekommen", smtp.MailOptions{EnvelopeID: "E+1"}, wish{"eva@" + recipientDomain, smtp.RcptOptions{
			Notify: []smtp.DSNNotify{smtp.DSNNotifySuccess}, OriginalRecipientType: smtp.DSNAddressTypeRFC822, OriginalRecipient: "chefin@" + recipientDomain}})
		r := reportsAbout(t, "Angekommen", 1)[0]
		if r.MTA != "dns; mx."+recipientDomain || r.EnvelopeID != "E+1" || r.Recipients[0].Action != "delivered" || r.Recipients[0].Original != "rfc822;chefin@"+recipientDomain {
			t.Errorf("report %+v", r)
		}
	})
	t.Run("success where the next server knows no DSN", func(t *testing.T) {
		s.dictate(t, "Weiter", smtp.MailOptions{}, wish{"max@schlicht.example", smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifySuccess}}})
		if r := reportsAbout(t, "Weiter", 1)[0]; r.MTA != "dns; mail.stafette.example" || r.Recipients[0].Action != "relayed" {
			t.Errorf("report %+v", r)
		}
	})
	// It failed before all others.
	reportsAbout(t, "Nie", 0)
}

// TestReportAfterKill: the program dies between the verdict and its report; one report
// leaves all the same.
func TestReportAfterKill(t *testing.T) {
	t.Parallel()
	address := ownAddress(t)
	taken := openSink(t, address)
	s := install(t, towards(address))
	id := s.dictate(t, "Vorfall", smtp.MailOptions{}, wish{to: "niemand@" + recipientDomain})
	if d := s.settled(t, id).Deliveries[0]; d.State != "bounced" {
		t.Fatalf("delivery %+v", d)
	}
	s.kill() // reports gather for some seconds
	if n := len(taken.copies()); n != 0 {
		t.Fatalf("%d reports left before the program died", n)
	}
	s.start(t)
	eventually(t, "the report left", func() error {
		if a := s.request(t, http.MethodGet, "/v1/messages/"+id+"/events", nil); !strings.Contains(string(a.body), `"type":"reported"`) {
			return fmt.Errorf("facts %s", a)
		}
		return nil
	})
	reports := s.list(t, "stream=system")
	if len(reports) != 1 {
		t.Fatalf("%d reports", len(reports))
	}
	s.settled(t, reports[0].ID)
	if copies := taken.copies(); len(copies) != 1 || copies["<"+reports[0].MessageID+">"] != 1 {
		t.Errorf("the sender got %v", copies)
	}
}
