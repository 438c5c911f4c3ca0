package dns

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Limits of asking and of believing what was answered.
const (
	ednsSize  = 1232 // bytes of a UDP answer that are not fragmented anywhere
	tries     = 4    // per question, over all servers
	maxChain  = 8    // CNAMEs followed
	maxTTL    = 24 * time.Hour
	maxNegTTL = 3 * time.Hour   // RFC 2308, 5
	failTTL   = 5 * time.Second // of failures and of a "no" without SOA
	// maxWayNegTTL bounds a "no" about where mail goes: a domain or host that somebody
	// repairs gets its mail after minutes, whatever its SOA says.
	maxWayNegTTL = 15 * time.Minute
)

// question is one name and type.
type question struct {
	name  string
	qtype uint16
}

// answer is what a question ended in.
type answer struct {
	records []dns.RR // of the type asked for, at the end of the CNAMEs; shared, only read
	err     error    // ErrNoDomain or ErrTemporary
	expires time.Time
	secure  bool   // proven by DNSSEC, all the way
	end     string // of the CNAMEs
}

// lookup answers from the cache or the name server. The work for a question many
// ask is not ended by one who gives up.
func (c *Client) lookup(ctx context.Context, name string, qtype uint16) (answer, error) {
	if _, ok := dns.IsDomainName(name); !ok || name == "" {
		return answer{}, ErrNoDomain // cannot exist
	}
	q := question{name, qtype}
	if a, ok := c.cache.get(q, c.cfg.Now()); ok {
		return a, a.err
	}
	key := dns.TypeToString[qtype] + " " + name
	done := c.flight.DoChan(key, func() (any, error) {
		shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.Timeout)
		defer cancel()
		a := c.resolve(shared, q)
		c.cache.put(q, a, c.cfg.Now())
		return a, nil
	})
	select {
	case r := <-done:
		a, _ := r.Val.(answer)
		return a, a.err
	case <-ctx.Done():
		return answer{}, context.Cause(ctx)
	}
}

// resolve asks, and follows CNAMEs the server did not follow itself.
func (c *Client) resolve(ctx context.Context, q question) answer {
	ttl, secure := maxTTL, true
	for range maxChain {
		msg, err := c.exchange(ctx, q)
		if err != nil {
			return answer{err: fmt.Errorf("%w: %w", ErrTemporary, err), expires: c.cfg.Now().Add(failTTL)}
		}
		records, end := follow(msg.Answer, q, &ttl)
		now := c.cfg.Now()
		secure = secure && c.cfg.TrustAD && msg.AuthenticatedData
		switch {
		case msg.Rcode == dns.RcodeNameError:
			return answer{err: ErrNoDomain, expires: now.Add(min(ttl, negativeTTL(msg, q.qtype))), secure: secure, end: end}
		case len(records) > 0:
			return answer{records: records, expires: now.Add(ttl), secure: secure, end: end}
		case end == "":
			return c.endless()
		case end == q.name || hasSOA(msg):
			return answer{expires: now.Add(min(ttl, negativeTTL(msg, q.qtype))), secure: secure, end: end}
		}
		q.name = end
	}
	return c.endless()
}

func (c *Client) endless() answer {
	err := fmt.Errorf("%w: more than %d CNAMEs", ErrTemporary, maxChain)
	return answer{err: err, expires: c.cfg.Now().Add(failTTL)}
}

// follow walks the CNAMEs of an answer from the name asked for, and returns the
// records at the end and where the end is. Records of other names are not
// believed. The end is "" if there is none within maxChain. ttl is lowered to the
// least on the way.
func follow(section []dns.RR, q question, ttl *time.Duration) (records []dns.RR, end string) {
	end = q.name
	for range maxChain {
		next := ""
		for _, rr := range section {
			h := rr.Header()
			if canonical(h.Name) != end {
				continue
			}
			switch cname, isCNAME := rr.(*dns.CNAME); {
			case h.Rrtype == q.qtype:
				records = append(records, rr)
			case isCNAME:
				next = canonical(cname.Target)
			default:
				continue
			}
			*ttl = min(*ttl, time.Duration(h.Ttl)*time.Second)
		}
		if len(records) > 0 || next == "" {
			return records, end
		}
		end = next
	}
	return nil, ""
}

func hasSOA(m *dns.Msg) bool {
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeSOA {
			return true
		}
	}
	return false
}

// negativeTTL is how long a "no" holds (RFC 2308, 5).
func negativeTTL(m *dns.Msg, qtype uint16) time.Duration {
	limit := maxNegTTL
	switch qtype {
	case dns.TypeMX, dns.TypeA, dns.TypeAAAA:
		limit = maxWayNegTTL
	}
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return min(time.Duration(min(soa.Minttl, soa.Hdr.Ttl))*time.Second, limit)
		}
	}
	return failTTL
}

// exchange asks the servers in turn until one gives an answer that is one. A lost
// question is asked again; a server's refusal is believed once all have spoken,
// and at the second time where there is only one.
func (c *Client) exchange(ctx context.Context, q question) (*dns.Msg, error) {
	var last error
	refusals, edns := 0, true
	for i := range tries {
		msg, err := c.ask(ctx, q, c.servers[i%len(c.servers)], edns)
		switch {
		case err != nil:
			last = err
		case msg.Rcode == dns.RcodeSuccess || msg.Rcode == dns.RcodeNameError:
			return msg, nil
		default:
			last = errors.New(strings.ToLower(dns.RcodeToString[msg.Rcode]))
			refusals++
			// Servers older than EDNS0 refuse what they do not know (RFC 6891, 7).
			edns = msg.Rcode != dns.RcodeFormatError && msg.Rcode != dns.RcodeNotImplemented
		}
		if ctx.Err() != nil || refusals >= max(2, len(c.servers)) {
			break
		}
	}
	return nil, last
}

// ask puts the question to one server once, over TCP if UDP cannot hold the answer.
func (c *Client) ask(ctx context.Context, q question, server string, edns bool) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(q.name), q.qtype)
	if edns {
		m.SetEdns0(ednsSize, c.cfg.TrustAD)
	}
	m.AuthenticatedData = c.cfg.TrustAD // RFC 6840, 5.7: we care for the answer's
	patience := c.cfg.Timeout / tries
	for _, network := range []string{"udp", "tcp"} {
		client := dns.Client{Net: network, UDPSize: ednsSize, Timeout: patience}
		answer, _, err := client.ExchangeContext(ctx, m, server)
		if err != nil {
			return nil, err
		}
		if len(answer.Question) != 1 || canonical(answer.Question[0].Name) != q.name || answer.Question[0].Qtype != q.qtype {
			return nil, errors.New("answer to another question")
		}
		if !answer.Truncated || network == "tcp" {
			return answer, nil
		}
	}
	return nil, errors.New("answer is truncated")
}
