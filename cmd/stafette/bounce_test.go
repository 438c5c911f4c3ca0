package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// explained runs the command on text by way of standard input.
func explained(t *testing.T, text string) ([]explanation, error) {
	t.Helper()
	var out bytes.Buffer
	con := &console{stdin: strings.NewReader(text), stdout: &out, stderr: &out}
	err := run(t.Context(), con, []string{"bounce", "explain", "-"})
	var list []explanation
	for line := range strings.Lines(out.String()) {
		var e explanation
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		list = append(list, e)
	}
	return list, err
}

func TestBounceExplain(t *testing.T) {
	const report = "From: MAILER-DAEMON@mx.example.de\nTo: a@kunde.example\nSubject: Undelivered\n" +
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n" +
		"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.de\n\n" +
		"Final-Recipient: rfc822; eva@gmx.de\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 Requested action not taken: mailbox unavailable\n--b--\n"
	tests := []struct {
		name, text string
		want       []explanation
	}{
		{"report", report, []explanation{{Recipient: "eva@gmx.de", Action: "failed", Status: "5.1.1",
			Reply: "550 Requested action not taken: mailbox unavailable", Class: "user_unknown", Hard: true, Provider: "gmx",
			SentenceDE: "Die Adresse existiert nicht.", SentenceEN: "The address does not exist."}}},
		{"replies", "452 4.2.2 The recipient's inbox is out of storage space.\n554-web.de (mxweb112) Nemesis ESMTP Service not available\n554 No SMTP service\n", []explanation{
			{Action: "delayed", Status: "4.2.2", Reply: "452 4.2.2 The recipient's inbox is out of storage space.", Class: "mailbox_full",
				SentenceDE: "Das Postfach des Empfängers ist voll.", SentenceEN: "The recipient's mailbox is full."},
			{Action: "failed", Reply: "554-web.de (mxweb112) Nemesis ESMTP Service not available\n554 No SMTP service", Class: "ip_blocked", Provider: "webde",
				SentenceDE: "Der Anbieter sperrt unseren Absenderserver. Wir kümmern uns darum.",
				SentenceEN: "The provider blocks our sending server. We are taking care of it."}}},
	}
	for _, tt := range tests {
		got, err := explained(t, tt.text)
		if err != nil || len(got) != len(tt.want) {
			t.Errorf("%s: got %+v (%v)", tt.name, got, err)
			continue
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%s:\n got %+v\nwant %+v", tt.name, got[i], tt.want[i])
			}
		}
	}
}

func TestBounceExplainRefuses(t *testing.T) {
	if got, err := explained(t, "From: eva@example.de\nSubject: Hallo\n\nBis morgen!\n"); !errors.Is(err, errNoReport) || len(got) > 0 {
		t.Errorf("a letter: got %+v (%v)", got, err)
	}
	if _, err := explained(t, ""); err == nil {
		t.Error("nothing was explained")
	}
	con := &console{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}
	if err := run(t.Context(), con, []string{"bounce", "explain", filepath.Join(t.TempDir(), "none")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
