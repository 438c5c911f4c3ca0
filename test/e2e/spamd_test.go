package e2e

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/campaign/preflight"
)

// TestSpamFilterBeforeSending asks a real rspamd about mailings before they are sent, by the
// protocol of spamd: an ordinary one passes, the mail that every filter must refuse does not.
func TestSpamFilterBeforeSending(t *testing.T) {
	t.Parallel()
	needNamespace(t)
	needProgram(t, "/usr/bin/rspamd")
	n := neighbours{listen: ownAddress(t), inner: nameServer(t, map[string]string{senderDomain + ".": "A " + sourceAddress})}
	dir := lodge(t, map[string]string{"rspamd.conf": rspamdConfig}, n)
	own(t, dir, nobody)
	foreground(t, dir, "/usr/bin/rspamd", "--no-fork", "--insecure", "--user=nobody", "--group=nogroup", "--config="+dir+"/rspamd.conf",
		"--var=DBDIR="+dir, "--var=RUNDIR="+dir, "--var=LOGDIR="+dir)
	filter := &preflight.Spamd{Address: n.listen, Timeout: patience, Dial: new(net.Dialer).DialContext}
	mail := func(subject, text string) []byte {
		return []byte("From: Muster GmbH <info@" + senderDomain + ">\r\nTo: eva@" + recipientDomain + "\r\nSubject: " + subject + "\r\nMessage-ID: <1@" + senderDomain + ">\r\nDate: " +
			time.Now().Format(time.RFC1123Z) + "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + text + "\r\n")
	}
	var good preflight.Verdict
	eventually(t, "rspamd judges a mailing", func() (err error) {
		good, err = filter.Judge(t.Context(), mail("Neues aus dem Juni", strings.Repeat("Guten Tag, ab Juli haben wir samstags geöffnet.\r\n", 5)))
		return err
	})
	if good.Spam || good.Limit <= 0 || good.Score >= good.Limit || !slices.Contains(good.Rules, "MIME_GOOD") {
		t.Errorf("an ordinary mailing: %+v", good)
	}
	bad, err := filter.Judge(t.Context(), mail("Probe", "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"))
	if err != nil || !bad.Spam || bad.Score < bad.Limit || !slices.Contains(bad.Rules, "GTUBE") {
		t.Errorf("what every filter refuses: %+v, %v", bad, err)
	}
}
