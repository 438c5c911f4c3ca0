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

// hasVersion reports whether a TXT record starts with a version tag such as "v=spf1".
func hasVersion(text, version string) bool {
	if len(text) < len(version) || !strings.EqualFold(text[:len(version)], version) {
		return false
	}
	rest := text[len(version):]
	return rest == "" || rest[0] == ' ' || rest[0] == ';'
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
