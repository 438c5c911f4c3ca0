package demo

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// ledger is a platform that only takes notes.
type ledger struct {
	founded []string
	sent    map[string]int
	fail    error
}

func (l *ledger) Found(_ context.Context, b Business) ([]Record, error) {
	l.founded = append(l.founded, b.Name)
	return []Record{{"s1._domainkey." + b.Domain, "v=DKIM1; p=" + strings.Repeat("A", 400)}}, nil
}

func (l *ledger) Send(_ context.Context, b Business, _ Letter) error {
	l.sent[b.Name]++
	return l.fail
}

func TestSeedFoundsPublishesAndSends(t *testing.T) {
	w, _ := start(t, Options{})
	l := &ledger{sent: map[string]int{}}
	if err := w.Seed(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	for _, b := range Businesses() {
		if l.sent[b.Name] != len(b.Letters) || len(b.Letters) == 0 {
			t.Errorf("%s sent %d of %d letters", b.Name, l.sent[b.Name], len(b.Letters))
		}
		texts, err := w.zone.lookupTXT(t.Context(), "s1._domainkey."+b.Domain)
		if err != nil || len(texts) != 1 || len(texts[0]) != 400+len("v=DKIM1; p=") {
			t.Errorf("key of %s: %v, %v", b.Domain, texts, err)
		}
	}
	if len(l.founded) != len(Businesses())+1 { // the last is the platform itself
		t.Errorf("founded %v", l.founded)
	}
}

func TestSeedStopsAtTheFirstRefusal(t *testing.T) {
	w, _ := start(t, Options{})
	l := &ledger{sent: map[string]int{}, fail: errors.New("no")}
	if err := w.Seed(t.Context(), l); !errors.Is(err, l.fail) {
		t.Errorf("error %v", err)
	}
	if len(l.sent) != 1 {
		t.Errorf("went on: %v", l.sent)
	}
}

func TestSamplesStayInTheirWorld(t *testing.T) {
	w, _ := start(t, Options{})
	for _, b := range Businesses() {
		for _, l := range b.Letters {
			if l.Draft.From.Domain != b.Domain {
				t.Errorf("%q is sent from %s", l.Draft.Subject, l.Draft.From.Domain)
			}
			for _, to := range l.Draft.To {
				m, err := dns.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(to.Domain), dns.TypeMX), w.Resolver())
				if err != nil || len(m.Answer) != 1 {
					t.Errorf("%q goes to %s, which this world does not know: %v", l.Draft.Subject, to.Domain, err)
				}
			}
			if !l.Stream.Valid() {
				t.Errorf("%q goes on stream %q", l.Draft.Subject, l.Stream)
			}
		}
	}
}

func TestSheetsPointIntoThemselves(t *testing.T) {
	pdf := sheet("Titel", "Zeile", "Fuss")
	at := bytes.LastIndex(pdf, []byte("startxref\n"))
	var start int
	for _, d := range pdf[at+len("startxref\n"):] {
		if d < '0' || d > '9' {
			break
		}
		start = start*10 + int(d-'0')
	}
	if !bytes.HasPrefix(pdf[start:], []byte("xref\n")) {
		t.Errorf("startxref points at %q", pdf[start:start+10])
	}
}
