package demo

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// typoDomain takes no mail: it has a null MX (RFC 7505).
const typoDomain = "t-onlin.example"

// provider is one simulated mailbox provider. Its answers are worded after those
// the real ones give; only the names end in .example.
type provider struct {
	name, domain, host string
	also               []string // further domains whose mail lies here
	addr               netip.Addr
	// greet returns the line that refuses a client at the greeting, "" to welcome it.
	greet func(remote netip.Addr) string
	// rcpt refuses a recipient, or returns nil.
	rcpt func(remote netip.Addr, from, to string) *smtp.SMTPError
	// taken words the reply to the final dot.
	taken func(id int) *smtp.SMTPError
	// keeps is what a filter leaves of a mail; nil: all of it.
	keeps func(remote netip.Addr, raw []byte) []byte
	// fire is the list of addresses that the server trusts; nil: it has none.
	fire *firewall
}

func welcome(netip.Addr) string { return "" }

func providers(o Options) []provider {
	return []provider{gmx(o), tOnline(o), posteo(o), brandt(o), alster(o)}
}

// gmx answers in several lines without enhanced codes; the last line carries the
// address of an explanation. It limits the rate per source.
func gmx(o Options) provider {
	seen := counter{now: o.Now, limit: o.PerMinute}
	refuse := func(code int, text, reason, situation string, remote netip.Addr) *smtp.SMTPError {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: fmt.Sprintf(
			"%s\n%s\nFor explanation visit https://postmaster.gmx.example/case?c=%s&i=ip&v=%s&r=1MxHk2-1vZ4Qy",
			text, reason, situation, remote)}
	}
	return provider{
		name: "GMX", domain: "gmx.example", host: "mx00.gmx.example", addr: netip.MustParseAddr("127.0.10.1"),
		greet: welcome,
		rcpt: func(remote netip.Addr, _, to string) *smtp.SMTPError {
			if local(to) == "unbekannt" {
				return refuse(550, "Requested action not taken: mailbox unavailable", "invalid mailbox", "r0501", remote)
			}
			if !seen.allow(remote) {
				return refuse(450, "Requested mail action not taken: mailbox unavailable", "Rate limit reached. Please try again later", "r0401", remote)
			}
			return nil
		},
		taken: func(id int) *smtp.SMTPError {
			return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.NoEnhancedCode, Message: fmt.Sprintf("Requested mail action okay, completed: id=0LzJfk-%06d", id)}
		},
	}
}

// tOnline turns unknown sources away before they can say anything.
func tOnline(o Options) provider {
	strangers := map[netip.Addr]bool{}
	for _, a := range o.Strangers {
		strangers[a.Unmap()] = true
	}
	return provider{
		name: "T-Online", domain: "t-online.example", host: "mx01.t-online.example", addr: netip.MustParseAddr("127.0.10.2"),
		greet: func(remote netip.Addr) string {
			if !strangers[remote] {
				return ""
			}
			return fmt.Sprintf("554 IP=%s - None/bad reputation. Ask your postmaster for help or to contact tobr@rx.t-online.example for reset. (NOWL)", remote)
		},
		rcpt: func(_ netip.Addr, _, to string) *smtp.SMTPError {
			if local(to) == "unbekannt" {
				return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "user unknown"}
			}
			return nil
		},
		taken: func(id int) *smtp.SMTPError {
			return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: fmt.Sprintf("Message accepted, ID 1vZ4-%06d", id)}
		},
	}
}

// posteo is friendly, but for a full mailbox and one behind a greylister.
func posteo(o Options) provider {
	grey := greylist{now: o.Now, wait: o.Greylist, first: map[string]time.Time{}}
	return provider{
		also: businessDomains(),
		name: "Posteo", domain: "posteo.example", host: "mx02.posteo.example", addr: netip.MustParseAddr("127.0.10.3"),
		greet: welcome,
		rcpt: func(remote netip.Addr, from, to string) *smtp.SMTPError {
			switch local(to) {
			case "unbekannt":
				return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "Recipient address rejected: User unknown in virtual mailbox table"}
			case "voll":
				return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "Mailbox full"}
			case "spaeter":
				if !grey.known(remote.String() + "\x00" + strings.ToLower(from+"\x00"+to)) {
					return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "Greylisted, please try again later"}
				}
			}
			return nil
		},
		taken: func(id int) *smtp.SMTPError {
			return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: fmt.Sprintf("Ok: queued as 4cPost%06d", id)}
		},
	}
}

// takes reports whether the provider has mailboxes of a domain.
func (p provider) takes(domain string) bool {
	return strings.EqualFold(domain, p.domain) || slices.ContainsFunc(p.also, func(one string) bool { return strings.EqualFold(domain, one) })
}

// businessDomains are those of the sample businesses; their people read mail too.
func businessDomains() []string {
	var list []string
	for _, b := range append(Businesses(), office()) {
		list = append(list, b.Domain)
	}
	return list
}

func local(address string) string {
	l, _, _ := strings.Cut(address, "@")
	return strings.ToLower(l)
}

// counter allows limit recipients per source and minute of the clock.
type counter struct {
	now   func() time.Time
	limit int

	mu     sync.Mutex
	minute time.Time
	seen   map[netip.Addr]int
}

func (c *counter) allow(remote netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.now().Truncate(time.Minute); !m.Equal(c.minute) {
		c.minute, c.seen = m, map[netip.Addr]int{}
	}
	c.seen[remote]++
	return c.seen[remote] <= c.limit
}

// greylist knows a sender once it came back after the wait.
type greylist struct {
	now  func() time.Time
	wait time.Duration

	mu    sync.Mutex
	first map[string]time.Time
}

func (g *greylist) known(who string) bool {
	const bound = 10_000
	g.mu.Lock()
	defer g.mu.Unlock()
	first, seen := g.first[who]
	if !seen {
		if len(g.first) >= bound {
			clear(g.first)
		}
		g.first[who] = g.now()
		return false
	}
	return g.now().Sub(first) >= g.wait
}

// Place is an address of this world worth writing to.
type Place struct {
	Address string
	De, En  string // what happens there
}

// Places lists the addresses that behave in a way of their own. Every other
// address of this world simply takes mail.
func (w *World) Places() []Place {
	return []Place{
		{"eva.sommer@gmx.example", "nimmt an (jede andere Adresse auch)", "accepts (as does any other address)"},
		{"unbekannt@gmx.example", "gibt es nicht; mehrzeilige Antwort mit Link", "does not exist; reply of several lines with a link"},
		{"karl.brandt@t-online.example", "nimmt an, aber nicht von jedem Absenderserver", "accepts, but not from every sending server"},
		{"mira@posteo.example", "nimmt an", "accepts"},
		{"spaeter@posteo.example", "Greylisting: erst beim zweiten Versuch", "greylisting: only at the second try"},
		{"voll@posteo.example", "Postfach voll", "mailbox full"},
		{"spaeter-zurueck@posteo.example", "nimmt an und meldet danach, dass es das Postfach nicht gibt", "accepts, and reports afterwards that there is no such mailbox"},
		{"beschwerde@gmx.example", "nimmt an und markiert danach als Spam", "accepts, and marks as spam afterwards"},
		{"anfragen@" + brandtDomain, "Exchange, der nur bekannte Absender-IP-Adressen einlässt", "Exchange that lets known sending addresses in only"},
		{"anfragen@" + alsterDomain, "Exchange, der von unbekannten Adressen die XML-Datei entfernt", "Exchange that takes the XML file out of mail from unknown addresses"},
		{"abwesend@posteo.example", "nimmt an und antwortet mit einer Abwesenheitsnotiz", "accepts, and answers with an absence note"},
		{"leserin@posteo.example", "liest nach einigen Sekunden und öffnet einen Link", "reads after some seconds and opens a link"},
		{"gmail@posteo.example", "ein Bilderdienst lädt die Bilder", "an image proxy loads the pictures"},
		{"apple@posteo.example", "lädt alle Bilder vor, auch ungelesen", "loads all pictures in advance, unread too"},
		{"firma@posteo.example", "ein Schutzprogramm folgt jedem Link", "a scanner follows every link"},
		{"m.voss@" + typoDomain, "Tippfehler: die Domain nimmt keine E-Mails an", "typing error: the domain takes no mail"},
	}
}
