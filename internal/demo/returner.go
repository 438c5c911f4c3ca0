package demo

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// The platform's door for return mail in this world.
const (
	returnDomain = "rueck.stafette.example"
	returnHost   = "post.stafette.example"
	returnDelay  = 4 * time.Second // long enough to see „Zugestellt“ first
)

func returnAddr() netip.Addr { return netip.MustParseAddr("127.0.10.25") }

// returner sends mail back after it was taken, as servers and people do.
type returner struct {
	door string // host:port
	log  *slog.Logger
	quit chan struct{}
	wait sync.WaitGroup
}

func newReturner(door string, log *slog.Logger) *returner {
	return &returner{door: door, log: log, quit: make(chan struct{})}
}

// close waits until nothing is on its way back any more.
func (r *returner) close() error {
	close(r.quit)
	r.wait.Wait()
	return nil
}

// received looks whether the mailbox is one that sends something back, and does so
// after a while.
func (r *returner) received(p provider, from, to string, raw []byte) {
	write := map[string]func(p provider, from, to, header string) (sender, mail string){
		"spaeter-zurueck": bounceLater, "beschwerde": complain, "abwesend": beAway,
	}[local(to)]
	if write == nil || from == "" {
		return
	}
	header, _, _ := strings.Cut(string(raw), "\r\n\r\n")
	sender, mail := write(p, from, to, header+"\r\n")
	r.wait.Go(func() {
		timer := time.NewTimer(returnDelay)
		defer timer.Stop()
		select {
		case <-r.quit:
			return
		case <-timer.C:
		}
		if err := r.send(p.host, sender, from, mail); err != nil {
			r.log.Warn("demo mail did not come back", "to", from, "err", err)
		}
	})
}

func (r *returner) send(helo, sender, to, mail string) error {
	c, err := smtp.Dial(r.door)
	if err != nil {
		return fmt.Errorf("reach the door for return mail: %w", err)
	}
	defer func() { _ = c.Close() }()
	c.CommandTimeout, c.SubmissionTimeout = 10*time.Second, 10*time.Second
	if err := c.Hello(helo); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	if err := c.SendMail(sender, []string{to}, strings.NewReader(mail)); err != nil {
		return fmt.Errorf("send back: %w", err)
	}
	return nil
}

const reportHead = "MIME-Version: 1.0\r\nAuto-Submitted: auto-replied\r\nContent-Type: multipart/report; report-type=%s; boundary=\"zurueck\"\r\n\r\n" +
	"--zurueck\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n\r\n--zurueck\r\nContent-Type: message/%s\r\n\r\n"

const reportTail = "\r\n--zurueck\r\nContent-Type: text/rfc822-headers\r\n\r\n%s\r\n--zurueck--\r\n"

// bounceLater is a server that finds out behind its door that there is no mailbox.
func bounceLater(p provider, from, to, header string) (sender, mail string) {
	return "", "From: Mail Delivery System <MAILER-DAEMON@" + p.host + ">\r\nTo: <" + from + ">\r\nSubject: Undelivered Mail Returned to Sender\r\n" +
		fmt.Sprintf(reportHead, "delivery-status", "Your message could not be delivered to "+to+".", "delivery-status") +
		"Reporting-MTA: dns; " + p.host + "\r\n\r\nFinal-Recipient: rfc822; " + to + "\r\nAction: failed\r\nStatus: 5.1.1\r\n" +
		"Remote-MTA: dns; postfach." + p.domain + "\r\nDiagnostic-Code: smtp; 550 5.1.1 <" + to + ">: User unknown in virtual mailbox table\r\n" +
		fmt.Sprintf(reportTail, header)
}

// complain is a provider whose customer pressed „Spam“ (RFC 5965).
func complain(p provider, from, to, header string) (sender, mail string) {
	sender = "fbl@" + p.domain
	return sender, "From: <" + sender + ">\r\nTo: <" + from + ">\r\nSubject: Abuse report\r\n" +
		fmt.Sprintf(reportHead, "feedback-report", "A user marked this message as spam.", "feedback-report") +
		"Feedback-Type: abuse\r\nUser-Agent: " + p.name + "/1.0\r\nVersion: 1\r\nOriginal-Rcpt-To: <" + to + ">\r\nReporting-MTA: dns; " + p.host + "\r\n" +
		fmt.Sprintf(reportTail, header)
}

// beAway is a person on holiday (RFC 3834).
func beAway(_ provider, from, to, _ string) (sender, mail string) {
	return "", "From: <" + to + ">\r\nTo: <" + from + ">\r\nSubject: Abwesend\r\nAuto-Submitted: auto-replied\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\n\r\nIch bin bis Montag nicht im Haus.\r\n"
}
