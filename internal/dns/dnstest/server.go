// Package dnstest is a name server on loopback that says what a test or the demo
// world tells it, including nothing. It answers over UDP and TCP on one free port,
// for every name in the world as if it were the authority; it asks nobody.
package dnstest

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// Failure is how a name misbehaves.
type Failure int

// The ways to fail. None ends the failure of a name.
const (
	None     Failure = iota
	ServFail         // SERVFAIL
	Refused          // REFUSED
	NXDomain         // NXDOMAIN, whatever records there are
	Silence          // no answer at all
	NoUDP            // truncated over UDP, whole over TCP
)

// Secure makes the server say of the zone and everything in it that DNSSEC proves
// it, to those who want to know, as a validating resolver would.
func (s *Server) Secure(zone string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secure = append(s.secure, dns.CanonicalName(zone))
}

// proven reports whether all names of an answer lie in secure zones; mu is held.
func (s *Server) proven(m *dns.Msg) bool {
	names := []string{m.Question[0].Name}
	for _, rr := range m.Answer {
		names = append(names, rr.Header().Name)
	}
	for _, name := range names {
		if !slices.ContainsFunc(s.secure, func(zone string) bool { return dns.IsSubDomain(zone, dns.CanonicalName(name)) }) {
			return false
		}
	}
	return true
}

// negativeTTL is the TTL, in seconds, of a "no" from a zone without a SOA.
const negativeTTL = 60

// Server is the name server. It is safe for concurrent use; changes hold for the
// next question.
type Server struct {
	addr string
	udp  *dns.Server
	tcp  *dns.Server
	wg   sync.WaitGroup

	mu       sync.Mutex
	records  map[string][]dns.RR
	failures map[string]Failure
	asked    map[string]int
	secure   []string
}

// New starts a server that knows the records of a zone text (RFC 1035, 5; origin
// is the root, so every name is written out; the default TTL is 300):
//
//	example.de. MX 10 mx.example.de.
//	mx.example.de. 60 A 127.0.0.1
func New(zone string) (*Server, error) {
	s := &Server{failures: map[string]Failure{}, asked: map[string]int{}}
	if err := s.Set(zone); err != nil {
		return nil, err
	}
	conn, ln, err := listen()
	if err != nil {
		return nil, err
	}
	s.addr = ln.Addr().String()
	s.udp = &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(s.handleUDP)}
	s.tcp = &dns.Server{Listener: ln, Handler: dns.HandlerFunc(s.handleTCP)}
	var ready sync.WaitGroup
	for _, srv := range []*dns.Server{s.udp, s.tcp} {
		ready.Add(1)
		srv.NotifyStartedFunc = ready.Done
		s.wg.Go(func() { _ = srv.ActivateAndServe() }) // ends with Close
	}
	ready.Wait()
	return s, nil
}

// listen takes a port that is free for both protocols.
func listen() (net.PacketConn, net.Listener, error) {
	var last error
	for range 20 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, fmt.Errorf("listen for name server: %w", err)
		}
		conn, err := net.ListenPacket("udp", ln.Addr().String())
		if err == nil {
			return conn, ln, nil
		}
		last = err
		_ = ln.Close()
	}
	return nil, nil, fmt.Errorf("listen for name server: %w", last)
}

// Addr is where the server listens, host and port, for dns.Config.Server.
func (s *Server) Addr() string { return s.addr }

// Close ends the server.
func (s *Server) Close() error {
	err := s.udp.Shutdown()
	if e := s.tcp.Shutdown(); err == nil {
		err = e
	}
	s.wg.Wait()
	return err
}

// Set replaces all records by those of the zone text. On an error nothing changes.
func (s *Server) Set(zone string) error {
	records, err := parse(zone)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = map[string][]dns.RR{}
	s.add(records)
	return nil
}

// Add adds the records of a zone text. On an error nothing changes.
func (s *Server) Add(zone string) error {
	records, err := parse(zone)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(records)
	return nil
}

func (s *Server) add(records []dns.RR) {
	for _, rr := range records {
		name := dns.CanonicalName(rr.Header().Name)
		s.records[name] = append(s.records[name], rr)
	}
}

// Remove forgets all records of a name.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, dns.CanonicalName(name))
}

// Fail makes a name fail from now on.
func (s *Server) Fail(name string, how Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures[dns.CanonicalName(name)] = how
}

// Asked returns how many questions of a type ("MX") came for a name.
func (s *Server) Asked(name, qtype string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[dns.CanonicalName(name)+" "+qtype]
}

func parse(zone string) ([]dns.RR, error) {
	p := dns.NewZoneParser(strings.NewReader(zone), ".", "")
	p.SetDefaultTTL(300)
	var records []dns.RR
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		records = append(records, rr)
	}
	if err := p.Err(); err != nil {
		return nil, fmt.Errorf("parse zone: %w", err)
	}
	return records, nil
}

func (s *Server) handleUDP(w dns.ResponseWriter, q *dns.Msg) { s.handle(w, q, true) }
func (s *Server) handleTCP(w dns.ResponseWriter, q *dns.Msg) { s.handle(w, q, false) }

func (s *Server) handle(w dns.ResponseWriter, q *dns.Msg, udp bool) {
	m, how := s.answer(q)
	switch {
	case how == Silence:
		return
	case how == NoUDP && udp:
		m.Answer, m.Truncated = nil, true
	case udp:
		size := dns.MinMsgSize
		if opt := q.IsEdns0(); opt != nil {
			size = int(opt.UDPSize())
		}
		m.Truncate(size)
	}
	_ = w.WriteMsg(m) // who asked will ask again
}

func (s *Server) answer(q *dns.Msg) (*dns.Msg, Failure) {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative, m.RecursionAvailable = true, true
	if q.IsEdns0() != nil {
		m.SetEdns0(1232, false)
	}
	if len(q.Question) != 1 {
		m.Rcode = dns.RcodeFormatError
		return m, None
	}
	ask := q.Question[0]
	name := dns.CanonicalName(ask.Name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[name+" "+dns.TypeToString[ask.Qtype]]++
	how := s.failures[name]
	switch how {
	case ServFail:
		m.Rcode = dns.RcodeServerFailure
	case Refused:
		m.Rcode = dns.RcodeRefused
	case NXDomain:
		m.Rcode = dns.RcodeNameError
		m.Ns = []dns.RR{s.soa(name)}
	case Silence:
	default:
		s.fill(m, name, ask.Qtype)
	}
	if opt := q.IsEdns0(); q.AuthenticatedData || opt != nil && opt.Do() {
		m.AuthenticatedData = s.proven(m)
	}
	return m, how
}

// fill answers from the records, through CNAMEs, which it follows eight times.
func (s *Server) fill(m *dns.Msg, name string, qtype uint16) {
	for range 8 {
		var cname *dns.CNAME
		found := false
		for _, rr := range s.records[name] {
			if rr.Header().Rrtype == qtype || qtype == dns.TypeANY {
				m.Answer, found = append(m.Answer, rr), true
			} else if c, ok := rr.(*dns.CNAME); ok {
				cname = c
			}
		}
		if found {
			return
		}
		if cname == nil {
			if !s.exists(name) {
				m.Rcode = dns.RcodeNameError
			}
			m.Ns = []dns.RR{s.soa(name)}
			return
		}
		m.Answer = append(m.Answer, cname)
		name = dns.CanonicalName(cname.Target)
	}
}

// exists reports whether the name or one below it has a record (RFC 8020).
func (s *Server) exists(name string) bool {
	for have := range s.records {
		if have == name || strings.HasSuffix(have, "."+name) {
			return true
		}
	}
	return false
}

// soa is that of the closest zone, or one made up.
func (s *Server) soa(name string) dns.RR {
	for zone := name; zone != ""; _, zone, _ = strings.Cut(zone, ".") {
		for _, rr := range s.records[zone] {
			if rr.Header().Rrtype == dns.TypeSOA {
				return rr
			}
		}
	}
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: negativeTTL},
		Ns:  "ns.test.", Mbox: "root.test.", Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: negativeTTL,
	}
}
