package tenant

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stafette/internal/dns"
	"stafette/internal/fault"
	"stafette/internal/message"
)

// NormalDomain returns a domain name as Domain.Name keeps it: A-labels (RFC 5891) in
// lower case without a final dot. A name that cannot receive mail from the public
// (one label, an address) is an Invalid refusal "domain_malformed".
func NormalDomain(name string) (string, error) {
	domain, err := message.ParseDomain(strings.TrimSuffix(strings.TrimSpace(name), "."))
	if err != nil {
		return "", fault.Field("domain", "domain_malformed", "The domain is not a name such as example.com.")
	}
	return domain, nil
}

// RecordName returns the name under which the key's TXT record is published
// (RFC 6376, 3.6.2.1).
func (k DKIMKey) RecordName() string { return k.Selector + "._domainkey." + k.DomainName }

// DomainCheck is what the public DNS says of a domain.
type DomainCheck struct {
	// State is Verified when every active key's record is published, otherwise
	// Pending; a Trusted domain stays Trusted whatever DNS says.
	State DomainState
	DKIM  []DKIMFinding
	// SPF and DMARC are the records found, "" if none. They are advice: mail of a
	// domain without them is delivered, though worse.
	SPF, DMARC string
}

// DKIMFinding compares one key with its published record.
type DKIMFinding struct {
	Key   DKIMKeyID
	Name  string // where the record is looked for
	Found bool   // the right record is there
	Other string // a different key record under that name, "" if none
}

// CheckDomain asks DNS for the records of a domain. A name server that gives no
// answer is an error and says nothing about the domain: its state must then stay.
func CheckDomain(ctx context.Context, r dns.Resolver, d Domain, keys []DKIMKey) (DomainCheck, error) {
	check := DomainCheck{State: Pending}
	active, found := 0, 0
	for _, k := range keys {
		if !k.Active {
			continue
		}
		f, err := findKey(ctx, r, k)
		if err != nil {
			return DomainCheck{}, err
		}
		active++
		if f.Found {
			found++
		}
		check.DKIM = append(check.DKIM, f)
	}
	if active > 0 && found == active {
		check.State = Verified
	}
	if d.State == Trusted {
		check.State = Trusted
	}
	var err error
	if check.SPF, err = findRecord(ctx, r, d.Name, "v=spf1"); err != nil {
		return DomainCheck{}, err
	}
	if check.DMARC, err = findRecord(ctx, r, "_dmarc."+d.Name, "v=DMARC1"); err != nil {
		return DomainCheck{}, err
	}
	return check, nil
}

func findKey(ctx context.Context, r dns.Resolver, k DKIMKey) (DKIMFinding, error) {
	f := DKIMFinding{Key: k.ID, Name: k.RecordName()}
	records, err := texts(ctx, r, f.Name)
	if err != nil {
		return f, err
	}
	want := tagOf(k.Record, "p")
	for _, text := range records {
		switch have := tagOf(text, "p"); {
		case have == want && want != "":
			f.Found = true
		case have != "":
			f.Other = text
		}
	}
	return f, nil
}

// findRecord returns the first TXT record that starts with the version tag.
func findRecord(ctx context.Context, r dns.Resolver, name, version string) (string, error) {
	records, err := texts(ctx, r, name)
	if err != nil {
		return "", err
	}
	for _, text := range records {
		rest, ok := cutPrefixFold(text, version)
		if ok && (rest == "" || rest[0] == ' ' || rest[0] == ';') {
			return text, nil
		}
	}
	return "", nil
}

func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// texts returns no records for a name that does not exist.
func texts(ctx context.Context, r dns.Resolver, name string) ([]string, error) {
	records, err := r.TXT(ctx, name)
	if errors.Is(err, dns.ErrNoDomain) || errors.Is(err, dns.ErrNoHost) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	return records, nil
}

// tagOf returns the value of one tag of a tag=value list (RFC 6376, 3.2) without
// white space, which people's DNS editors like to insert into long keys.
func tagOf(record, tag string) string {
	for part := range strings.SplitSeq(record, ";") {
		name, value, ok := strings.Cut(part, "=")
		if ok && strings.TrimSpace(name) == tag {
			return strings.Join(strings.Fields(value), "")
		}
	}
	return ""
}
