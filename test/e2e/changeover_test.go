package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/jhillyerd/enmime/v2"
)

const (
	oldAddress = "127.66.0.1"
	newAddress = "127.66.0.2"
	// strictDomain is served by a Postfix that admits clients by their address,
	// filteredDomain by one whose content filter takes XML out of mail from strangers.
	strictDomain   = "makler-a.example"
	filteredDomain = "makler-b.example"
)

// admittingPostfix turns away clients whose address is not in its map.
const admittingPostfix = takingPostfix + `smtpd_client_restrictions = check_client_access cidr:{dir}/postfix/admitted, reject
`

// filteringPostfix sends mail of clients whose address is not in its map through a filter.
const filteringPostfix = takingPostfix + `smtpd_client_restrictions = check_client_access cidr:{dir}/postfix/admitted
smtp_tls_security_level = none
smtp_dns_support_level = disabled
smtp_host_lookup = native
`

const filteringMaster = `{listen} inet n - n - - smtpd
{door} inet n - n - - smtpd -o smtpd_client_restrictions=permit
smtp unix - - n - - smtp
`

// customer is a broker with a mail server.
type customer struct {
	domain, dir, page string
	seen              map[string]bool // Message-IDs of mails that were looked at
	rest              string          // of the map of addresses
}

// admit writes the map of addresses that the server trusts, and lets it read it.
func (c *customer) admit(t *testing.T, known ...string) {
	t.Helper()
	text := ""
	for _, a := range known {
		text += a + "/32 OK\n"
	}
	if err := os.WriteFile(filepath.Join(c.dir, "postfix/admitted"), []byte(text+c.rest), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("/usr/sbin/postfix", "-c", filepath.Join(c.dir, "postfix"), "reload").CombinedOutput(); err != nil {
		t.Fatalf("postfix reload: %v %s", err, out)
	}
}

// next returns a mail that was not looked at yet, once there is one.
func (c *customer) next(t *testing.T) *enmime.Envelope {
	t.Helper()
	for _, m := range inBox(t, c.dir, len(c.seen)+1) {
		if number := m.GetHeader("Message-ID"); !c.seen[number] {
			c.seen[number] = true
			return m
		}
	}
	t.Fatalf("a mail came to %s for the second time", c.domain)
	return nil
}

// xmlOf is the lead's attachment, "" if it is missing.
func xmlOf(m *enmime.Envelope) string {
	for _, part := range append(append([]*enmime.Part{}, m.Attachments...), m.OtherParts...) {
		if part.FileName == "kontaktanfrage.xml" {
			return string(part.Content)
		}
	}
	return ""
}

// stripper is the content filter: it takes mail, removes the XML and hands it back.
func stripper(t *testing.T, address, back string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &stripping{back: back}, nil }))
	s.Domain = "filter." + filteredDomain
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() {
		_ = l.Close()
		_ = s.Close()
		<-done
	})
}

type stripping struct {
	back, from string
	to         []string
}

func (s *stripping) Reset()        { s.from, s.to = "", nil }
func (s *stripping) Logout() error { return nil }

func (s *stripping) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *stripping) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// xmlPart is the head of a part of a multipart mail that holds XML.
var xmlPart = regexp.MustCompile(`(?i)\r\n--[^\r\n]+\r\n(?:[^\r\n]+\r\n)*?Content-Type: application/xml`)

func (s *stripping) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if m := xmlPart.FindIndex(raw); m != nil {
		if end := bytes.Index(raw[m[1]:], []byte("\r\n--")); end >= 0 {
			raw = append(append([]byte{}, raw[:m[0]]...), raw[m[1]+end:]...)
		}
	}
	client, err := smtp.Dial(s.back)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.SendMail(s.from, s.to, bytes.NewReader(raw))
}

// brokers starts both servers, which know the old address, on one port.
func brokers(t *testing.T) (strict, filtered *customer, port string, zone map[string]string) {
	t.Helper()
	first := ownAddress(t)
	_, port, err := net.SplitHostPort(first)
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ := net.SplitHostPort(ownAddress(t))
	second := net.JoinHostPort(host, port)
	strict = &customer{domain: strictDomain, seen: map[string]bool{}, dir: runPostfix(t, admittingPostfix, "{listen} inet n - n - - smtpd\n", neighbours{listen: first})}
	n := neighbours{listen: second, inner: ownAddress(t), door: ownAddress(t)}
	filterHost, filterPort, _ := net.SplitHostPort(n.inner)
	filtered = &customer{domain: filteredDomain, seen: map[string]bool{}, rest: fmt.Sprintf("0.0.0.0/0 FILTER smtp:[%s]:%s\n", filterHost, filterPort),
		dir: runPostfix(t, filteringPostfix, filteringMaster, n)}
	stripper(t, n.inner, n.door)
	strict.admit(t, oldAddress)
	filtered.admit(t, oldAddress)
	zone = map[string]string{}
	for domain, at := range map[string]string{strictDomain: first, filteredDomain: second} {
		mx, _, _ := net.SplitHostPort(at)
		zone[domain+"."], zone["mx."+domain+"."] = "MX 10 mx."+domain+".", "A "+mx
	}
	return strict, filtered, port, zone
}

// lead sends an enquiry for a broker and waits until its mail is settled.
func (s *stafette) lead(t *testing.T, c *customer) (number string, m message) {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"advertiser": map[string]any{"id": c.domain, "name": "Makler " + c.domain, "emails": []string{"anfragen@" + c.domain}, "format": "openimmo_feedback"},
		"object":     map[string]any{"portal_id": "P1", "advertiser_ref": "MA-1", "title": "Haus", "city": "Dortmund", "marketing": "KAUF"},
		"prospect":   map[string]any{"salutation": "Frau", "first_name": "Eva", "last_name": "Muster", "email": "eva@kunde.example", "preferred": "EMAIL"},
		"message":    "Ist es noch frei?",
	})
	if err != nil {
		t.Fatal(err)
	}
	a := s.request(t, http.MethodPost, "/v1/leads", body)
	if a.status != http.StatusAccepted {
		t.Fatalf("lead: %s", a)
	}
	got := decode[struct {
		ID        string `json:"id"`
		MessageID string `json:"message_id"`
	}](t, a.body)
	return got.ID, s.settled(t, got.MessageID)
}

// at demands that the last attempt left from an address with an outcome.
func at(t *testing.T, m message, state string, attempts int, source string) attempt {
	t.Helper()
	d := m.Deliveries[0]
	if d.State != state || len(d.Attempts) != attempts || d.Attempts[len(d.Attempts)-1].Source != source {
		t.Fatalf("want %s after %d attempts from %s: %+v", state, attempts, source, d)
	}
	return d.Attempts[len(d.Attempts)-1]
}

// shows demands that a page has all of the texts, soon.
func (v *visitor) shows(path string, texts ...string) (page string) {
	v.t.Helper()
	eventually(v.t, path+" shows what it should", func() error {
		page = v.get(path)
		for _, text := range texts {
			if !strings.Contains(page, text) {
				return fmt.Errorf("no %q in %.4000s", text, page[max(0, strings.Index(page, "<main")):])
			}
		}
		return nil
	})
	return page
}

// walk is the story's people and places.
type walk struct {
	*testing.T
	*stafette
	operator, office, outside *visitor
	plan                      string // the changeover's identifier
	strict, filtered          *customer
}

// TestChangeover tells the whole story of a move to a new address, with two real servers
// that know the old one: one refuses strangers, one takes the XML out of their mail.
func TestChangeover(t *testing.T) {
	t.Parallel()
	needNamespace(t)
	strict, filtered, port, zone := brokers(t)
	s := install(t, fmt.Sprintf(`[dns]
server = %q
[egress]
allow_private = true
port = %s
[[egress.source]]
name = "alt"
ip = %q
ehlo = "alt.stafette.example"
[[egress.source]]
name = "neu"
ip = %q
ehlo = "neu.stafette.example"
pools = ["demnaechst"]
`, nameServer(t, zone), port, oldAddress, newAddress))
	w := &walk{T: t, stafette: s, strict: strict, filtered: filtered, outside: newVisitor(t, "http://"+s.httpAddr)}
	w.operator, w.office = newVisitor(t, "http://"+s.httpAddr), newVisitor(t, "http://"+s.httpAddr)
	w.operator.post("/signin", url.Values{"email": {s.setup.Operator.Email}, "password": {s.setup.Operator.Password}})
	w.office.post("/signin", url.Values{"email": {s.setup.Admin.Email}, "password": {s.setup.Admin.Password}})

	for _, c := range []*customer{strict, filtered} {
		_, m := w.lead(t, c)
		at(t, m, "delivered", 1, oldAddress)
		if xmlOf(c.next(t)) == "" {
			t.Fatalf("%s gets no XML from the address it knows", c.domain)
		}
	}
	w.start()
	w.announce()
	w.tested()
	w.fallen()
	w.stripped()
	w.admitted()
	w.ended()
}

// start plans and starts the changeover; the new address is published before any mail
// leaves from it.
func (w *walk) start() {
	w.Helper()
	if listed := w.published(); listed != oldAddress+" active" {
		w.Fatalf("published before: %s", listed)
	}
	day := func(n int) string { return time.Now().AddDate(0, 0, n).Format("2006-01-02T15:04") }
	w.operator.post("/platform/changeovers/new", url.Values{"name": {"Neue Server"}, "part-alt": {"old"}, "part-neu": {"new"}, "announce_at": {day(-1)},
		"test_from": {day(10)}, "cutover_at": {day(11)}, "overlap_until": {day(53)}, "test_share": {"0"}, "steps": {"0 25\n5 100"}})
	found := regexp.MustCompile(`chg_\w+`).FindString(w.operator.get("/platform/changeovers"))
	if found == "" {
		w.Fatal("the plan was not kept")
	}
	w.plan = found
	w.deed("start")
	eventually(w.T, "the new address is published", func() error {
		if listed := w.published(); listed != oldAddress+" active, "+newAddress+" new" {
			return errors.New(listed)
		}
		return nil
	})
}

// published is the list of sending addresses as programs read it.
func (w *walk) published() string {
	w.Helper()
	doc := decode[struct {
		List struct {
			Addresses []struct{ Address, Role string }
		}
	}](w.T, []byte(w.outside.get("/sending-addresses.json")))
	var list []string
	for _, a := range doc.List.Addresses {
		list = append(list, a.Address+" "+a.Role)
	}
	return strings.Join(list, ", ")
}

func (w *walk) deed(name string) {
	w.Helper()
	w.operator.post("/platform/changeovers/"+w.plan+"/"+name, nil)
}

// announce tells both customers, in two languages and from the old address.
func (w *walk) announce() {
	w.Helper()
	home := "/affected/" + w.plan
	w.office.post(home+"/survey", nil)
	w.office.shows(home, "Makler "+strictDomain, "Makler "+filteredDomain)
	w.office.post(home+"/announcement", url.Values{"contact": {"service@" + senderDomain}, "remind": {"on"}})
	w.office.post(home+"/send", url.Values{"scope": {"all"}})
	for _, c := range []*customer{w.strict, w.filtered} {
		m := c.next(w.T)
		for _, want := range []string{newAddress, oldAddress, "Bitte", "Please"} {
			if !strings.Contains(m.Text, want) {
				w.Errorf("the announcement to %s lacks %q: %s", c.domain, want, m.Text)
			}
		}
		c.page = strings.TrimPrefix(regexp.MustCompile(`http://\S+/changeover/[\w-]{60,}`).FindString(m.Text), "http://"+w.httpAddr)
		if c.page == "" {
			w.Fatalf("the announcement has no link: %s", m.Text)
		}
		w.outside.shows(c.page, newAddress, c.domain)
		w.outside.post(c.page+"/answer", url.Values{"answer": {"added"}})
	}
}

var (
	textCode = regexp.MustCompile(`Prüfcode im Text: (\w{4}-\w{4})`)
	xmlCode  = regexp.MustCompile(`Prüfcode in der Datei: (\w{4}-\w{4})`)
)

// tested sends test leads from the new address: one is refused, one comes without its
// XML, and the customers' pages say so.
func (w *walk) tested() {
	w.Helper()
	w.deed("advance")
	for _, c := range []*customer{w.strict, w.filtered} {
		w.outside.post(c.page+"/test", nil)
	}
	w.outside.shows(w.strict.page, "abgewiesen", "Client host rejected")
	m := w.filtered.next(w.T)
	code := textCode.FindStringSubmatch(m.Text)
	if code == nil || xmlOf(m) != "" {
		w.Fatalf("the test lead came with %q and the XML %q", m.Text, xmlOf(m))
	}
	if page := w.outside.post(w.filtered.page+"/codes", url.Values{"codes": {code[1]}}); !strings.Contains(page, "die XML-Datei ist noch nicht bestätigt") {
		w.Errorf("the page does not tell which part arrived: %s", page)
	}
	w.outside.shows(w.filtered.page, "nur der Text ist bestätigt")
	w.office.shows("/affected/"+w.plan+"?problem=xml_missing", "Makler "+filteredDomain)
}

// fallen lets all mail go over the new address: what the strict server refuses goes over
// the old one at once, and the customer is marked.
func (w *walk) fallen() {
	w.Helper()
	w.deed("advance")
	page := w.operator.get("/platform/changeovers/" + w.plan)
	version := regexp.MustCompile(`name="version" value="(\d+)"`).FindStringSubmatch(page)
	if version == nil {
		w.Fatalf("no form of shares: %s", page)
	}
	w.operator.post("/platform/changeovers/"+w.plan+"/shares", url.Values{"share": {"100"}, "rows": {"0"}, "version": {version[1]}})
	w.operator.shows("/platform/changeovers/"+w.plan, "100 %")
	number, m := w.lead(w.T, w.strict)
	at(w.T, m, "delivered", 2, oldAddress)
	if first := m.Deliveries[0].Attempts[0]; first.Source != newAddress || first.Code != 554 || !strings.Contains(first.Reply, "Client host rejected") {
		w.Errorf("first attempt %+v", first)
	}
	if got := w.strict.next(w.T); xmlOf(got) == "" || got.GetHeader("X-Lead-ID") != number {
		w.Errorf("over the old address came %s without %s", got.GetHeader("X-Lead-ID"), number)
	}
	w.operator.shows("/platform/changeovers/"+w.plan+"/customers", strictDomain, "Client host rejected")
	w.office.post("/affected/"+w.plan+"/survey", nil)
	w.office.shows("/affected/"+w.plan+"?problem=blames_new", "Makler "+strictDomain)
}

// stripped is a lead that came without its XML: the broker reports it, and gets it once
// more over the old address.
func (w *walk) stripped() {
	w.Helper()
	number, m := w.lead(w.T, w.filtered)
	at(w.T, m, "delivered", 1, newAddress)
	first := w.filtered.next(w.T)
	if xmlOf(first) != "" || first.GetHeader("X-Lead-ID") != number {
		w.Fatalf("%s came with XML %q", first.GetHeader("X-Lead-ID"), xmlOf(first))
	}
	report := regexp.MustCompile(`Bitte hier melden: http://[^/]+(\S+)`).FindStringSubmatch(first.Text)
	if report == nil {
		w.Fatalf("no link to report it: %s", first.Text)
	}
	w.outside.post(report[1], url.Values{"kind": {"no_xml"}, "text": {"Die XML-Datei fehlt."}})
	w.office.shows("/lead-cases", filteredDomain)

	body := fmt.Sprintf(`{"filter":{"message":%q},"include_delivered":true,"old_sources":true,"reason":"ohne XML angekommen"}`, m.ID)
	if a := w.request(w.T, http.MethodPost, "/v1/redeliveries", []byte(body)); a.status != http.StatusAccepted {
		w.Fatalf("redelivery: %s", a)
	}
	again := w.filtered.next(w.T)
	if !strings.HasPrefix(again.GetHeader("Subject"), "Nachlieferung: ") || again.GetHeader("X-Lead-ID") != number || !strings.Contains(xmlOf(again), number) {
		w.Errorf("redelivered: %q, %s, XML %q", again.GetHeader("Subject"), again.GetHeader("X-Lead-ID"), xmlOf(again))
	}
	if !strings.Contains(again.Root.Header.Get("Received"), oldAddress) || !strings.Contains(again.Text, "Ist diese E-Mail echt?") {
		w.Errorf("it came by %q with the text %q", again.Root.Header.Get("Received"), again.Text)
	}
}

// admitted lets both servers know the new address; tests show that everything arrives.
func (w *walk) admitted() {
	w.Helper()
	for _, c := range []*customer{w.strict, w.filtered} {
		c.admit(w.T, oldAddress, newAddress)
		w.outside.post(c.page+"/answer", url.Values{"answer": {"added"}})
		eventually(w.T, "the next test is sent", func() error {
			answer, err := w.outside.client.PostForm(w.outside.origin+c.page+"/test", nil)
			if err != nil {
				w.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				time.Sleep(5 * time.Second) // the last one is not a minute old, and the page is for people
				return errors.New(answer.Status)
			}
			return nil
		})
		m := c.next(w.T)
		text, xml := textCode.FindStringSubmatch(m.Text), xmlCode.FindStringSubmatch(xmlOf(m))
		if text == nil || xml == nil {
			w.Fatalf("%s got %q with XML %q", c.domain, m.Text, xmlOf(m))
		}
		w.outside.post(c.page+"/codes", url.Values{"codes": {text[1] + " " + xml[1]}})
		w.outside.shows(c.page, "Text und XML-Datei sind bestätigt")
		w.office.shows("/affected/"+w.plan+"?state=done", "Makler "+c.domain)
		_, lead := w.lead(w.T, c)
		at(w.T, lead, "delivered", 1, newAddress)
		if xmlOf(c.next(w.T)) == "" {
			w.Errorf("%s gets no XML from the new address", c.domain)
		}
	}
}

// ended ends the overlap: there is a report, the old address is retired, and mail goes on.
func (w *walk) ended() {
	w.Helper()
	w.operator.shows("/platform/changeovers/"+w.plan, "/"+w.plan+"/finish") // the clock begins it, as all mail goes over the new address
	if report := w.operator.get("/platform/changeovers/" + w.plan + "/report.pdf"); !strings.HasPrefix(report, "%PDF-") {
		w.Errorf("the report begins with %.20q", report)
	}
	if rows := w.operator.get("/platform/changeovers/" + w.plan + "/customers.csv"); strings.Count(rows, strictDomain) == 0 || strings.Contains(rows, filteredDomain) {
		w.Errorf("customers on fallback: %s", rows)
	}
	w.deed("finish")
	eventually(w.T, "the old address is retired", func() error {
		if listed := w.published(); listed != newAddress+" active, "+oldAddress+" retired" {
			return errors.New(listed)
		}
		return nil
	})
	_, m := w.lead(w.T, w.strict)
	at(w.T, m, "delivered", 1, newAddress)
}
