package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// zone is the name server of the world. It knows what it was told and denies the
// existence of everything else.
type zone struct {
	addr    string
	servers []*dns.Server

	mu      sync.RWMutex
	records map[string][]dns.RR // by name, lower case, with final dot
}

// startZone starts a name server on loopback.
func startZone(ctx context.Context) (*zone, error) {
	packets, streams, err := listenForNames(ctx)
	if err != nil {
		return nil, err
	}
	z := &zone{addr: packets.LocalAddr().String(), records: map[string][]dns.RR{}}
	z.servers = []*dns.Server{{PacketConn: packets, Handler: z}, {Listener: streams, Handler: z}}
	for _, s := range z.servers {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { _ = s.ActivateAndServe() }()
		<-started
	}
	return z, nil
}

// listenForNames finds a port that is free for both UDP and TCP.
func listenForNames(ctx context.Context) (net.PacketConn, net.Listener, error) {
	const tries = 20
	var lc net.ListenConfig
	var last error
	for range tries {
		packets, err := lc.ListenPacket(ctx, "udp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, fmt.Errorf("name server: %w", err)
		}
		streams, err := lc.Listen(ctx, "tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, streams, nil
		}
		last = errors.Join(err, packets.Close())
	}
	return nil, nil, fmt.Errorf("name server finds no common port: %w", last)
}

func (z *zone) close() error {
	var errs []error
	for _, s := range z.servers {
		errs = append(errs, s.Shutdown())
	}
	return errors.Join(errs...)
}

// set replaces all records of a name by those given as "TYPE data".
func (z *zone) set(name string, records ...string) {
	list := make([]dns.RR, 0, len(records))
	for _, r := range records {
		if rr, err := dns.NewRR(dns.Fqdn(name) + " 60 IN " + r); err == nil {
			list = append(list, rr)
		}
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[dns.CanonicalName(name)] = list
}

// add adds a TXT record, cut into strings of at most 255 bytes (RFC 1035, 3.3).
func (z *zone) add(name, text string) {
	rr := &dns.TXT{Hdr: dns.RR_Header{Name: dns.Fqdn(name), Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}}
	for len(text) > 255 {
		rr.Txt, text = append(rr.Txt, text[:255]), text[255:]
	}
	rr.Txt = append(rr.Txt, text)
	z.mu.Lock()
	defer z.mu.Unlock()
	key := dns.CanonicalName(name)
	z.records[key] = append(z.records[key], rr)
}

// ServeDNS implements dns.Handler.
func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = true
	if len(q.Question) != 1 {
		_ = w.WriteMsg(m.SetRcode(q, dns.RcodeFormatError))
		return
	}
	z.mu.RLock()
	list, known := z.records[dns.CanonicalName(q.Question[0].Name)]
	z.mu.RUnlock()
	if !known {
		m.Rcode = dns.RcodeNameError
	}
	for _, rr := range list {
		if rr.Header().Rrtype == q.Question[0].Qtype {
			m.Answer = append(m.Answer, rr)
		}
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		size := dns.MinMsgSize
		if opt := q.IsEdns0(); opt != nil {
			size = int(opt.UDPSize())
		}
		m.Truncate(size)
	}
	_ = w.WriteMsg(m)
}

// lookupTXT asks the zone over the network, as any verifier would.
func (z *zone) lookupTXT(ctx context.Context, name string) ([]string, error) {
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeTXT)
	client := &dns.Client{Net: "tcp"}
	answer, _, err := client.ExchangeContext(ctx, q, z.addr)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	if answer.Rcode == dns.RcodeNameError {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	var texts []string
	for _, rr := range answer.Answer {
		if txt, ok := rr.(*dns.TXT); ok {
			texts = append(texts, strings.Join(txt.Txt, ""))
		}
	}
	return texts, nil
}
