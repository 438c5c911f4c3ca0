package e2e

import (
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// nameServer answers over UDP and TCP with the given records, lines of "TYPE data" by
// name, and denies everything else.
func nameServer(t *testing.T, records map[string]string) string {
	t.Helper()
	known := map[string][]dns.RR{}
	for name, lines := range records {
		for text := range strings.SplitSeq(lines, "\n") {
			rr, err := dns.NewRR(name + " 60 IN " + text)
			if err != nil {
				t.Fatal(err)
			}
			known[dns.CanonicalName(name)] = append(known[dns.CanonicalName(name)], rr)
		}
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		set, ok := known[dns.CanonicalName(q.Question[0].Name)]
		if !ok {
			m.Rcode = dns.RcodeNameError
		}
		for _, rr := range set {
			if rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
		_ = w.WriteMsg(m)
	})
	streams, err := net.Listen("tcp", ownAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	packets, err := net.ListenPacket("udp", streams.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(running.Wait) // runs last: cleanups go backwards
	for _, s := range []*dns.Server{{Listener: streams, Handler: handler}, {PacketConn: packets, Handler: handler}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		running.Go(func() { _ = s.ActivateAndServe() })
		<-started
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return streams.Addr().String()
}
