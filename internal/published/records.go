package published

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"stafette/internal/egress"
)

const (
	// Label stands before a domain whose TXT records list the addresses, one each.
	Label = "_sending"
	// recordVersion begins each of these records.
	recordVersion = "v=sending1"
	// spfBytes bounds one SPF record, so that an answer with it fits 512 bytes of UDP
	// (RFC 7208, 3.4).
	spfBytes = 400
)

// Record is a TXT record that should stand in DNS.
type Record struct{ Name, Value string }

// SPFRecords are the records that cover all used addresses (RFC 7208), the first at the
// name itself: it may include others below it, where one would be too long.
func SPFRecords(name string, list []Entry) []Record {
	var parts []string
	part := ""
	for _, e := range list {
		if !e.Used() {
			continue
		}
		m := " ip4:" + e.Address.String()
		if e.Address.Is6() {
			m = " ip6:" + e.Address.String()
		}
		if len(part)+len(m) > spfBytes {
			parts, part = append(parts, part), ""
		}
		part += m
	}
	parts = append(parts, part)
	if len(parts) == 1 {
		return []Record{{name, "v=spf1" + part + " -all"}}
	}
	records, head := []Record{{Name: name}}, "v=spf1"
	for i, p := range parts {
		below := fmt.Sprintf("_%d.%s", i+1, name)
		head += " include:" + below
		records = append(records, Record{below, "v=spf1" + p + " -all"})
	}
	records[0].Value = head + " -all"
	return records
}

// ListRecords are the TXT records at _sending.<domain>, one for each used address.
func ListRecords(domain string, list []Entry) []Record {
	var records []Record
	for _, e := range list {
		if !e.Used() {
			continue
		}
		text := recordVersion + "; ip=" + e.Address.String() + "; role=" + string(e.Role) + "; ehlo=" + e.EHLO
		if !e.ValidFrom.IsZero() {
			text += "; from=" + e.ValidFrom.Format(time.DateOnly)
		}
		if !e.ValidUntil.IsZero() {
			text += "; until=" + e.ValidUntil.Format(time.DateOnly)
		}
		records = append(records, Record{Label + "." + domain, text})
	}
	return records
}

// TextKind is the first line of the list as plain text.
const TextKind = "# stafette-sending-addresses-text/1"

// text is the list as firewalls read it: one address a line, "#" begins a comment. What
// is used no more stands in a comment.
func (d Document) text() []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line(TextKind)
	line("# %s", oneLine(d.Name))
	line("# version %d, issued %s, valid until %s", d.Version, d.IssuedAt, d.ValidUntil)
	line("# signed list: %s", d.JSONAt)
	line("# signature of this file (Ed25519): %s.sig, key: %s", d.TextAt, d.KeyAt)
	for _, e := range d.Addresses {
		mark := ""
		if e.Role == egress.StateRetired {
			mark = "# "
		}
		line("%s%s # %s %s from=%s until=%s", mark, e.Address, e.Role, e.EHLO, e.ValidFrom, e.ValidUntil)
	}
	return []byte(b.String())
}

// oneLine makes a foreign name fit for a comment.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085' {
			return ' '
		}
		return r
	}, s)
}

// private reports whether nobody outside could ever see mail come from the address.
func private(a netip.Addr) bool { return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() }
