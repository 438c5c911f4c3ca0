package dns

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// maxSite bounds the name of a site.
const maxSite = 200

// Site names the set of mail hosts, so that all domains with the same hosts share
// one name, and with it connections and rates. The rule:
//
//   - hosts in lower case, each once, sorted; preferences do not count;
//   - one host is its own name;
//   - labels that all hosts end in are written once, the rest in parentheses:
//     "(alt1|alt2).gmail-smtp-in.l.google.com", with an empty alternative for a
//     host that is the common end itself;
//   - hosts with no label in common are joined by "|";
//   - a name over 200 bytes keeps the common end behind the number of hosts and a
//     digest of them all: "(12 hosts 1f2e3d4c5b6a7988).example.net".
//
// No hosts give "".
func Site(hosts []MX) string {
	names := make([]string, 0, len(hosts))
	for _, h := range hosts {
		names = append(names, canonical(h.Host))
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	end := commonEnd(names)
	name := strings.Join(names, "|")
	if end != "" {
		heads := make([]string, len(names))
		for i, n := range names {
			heads[i] = strings.TrimSuffix(strings.TrimSuffix(n, end), ".")
		}
		name = "(" + strings.Join(heads, "|") + ")." + end
	}
	if len(name) <= maxSite {
		return name
	}
	sum := sha256.Sum256([]byte(strings.Join(names, "|")))
	return strings.TrimSuffix(fmt.Sprintf("(%d hosts %s).%s", len(names), hex.EncodeToString(sum[:8]), end), ".")
}

// commonEnd returns the labels all names end in.
func commonEnd(names []string) string {
	end := strings.Split(names[0], ".")
	for _, n := range names[1:] {
		labels := strings.Split(n, ".")
		k := 0
		for k < len(end) && k < len(labels) && end[len(end)-1-k] == labels[len(labels)-1-k] {
			k++
		}
		end = end[len(end)-k:]
	}
	return strings.Join(end, ".")
}

// Provider names the mailbox provider behind the hosts by the first of them, the
// one tried first; "" if it is none we know. Several brands of one provider that
// explain themselves apart (GMX, web.de) keep their own names.
func Provider(hosts []MX) string {
	if len(hosts) == 0 {
		return ""
	}
	for name := canonical(hosts[0].Host); name != ""; {
		if p := providerOf(name); p != "" {
			return p
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return ""
}

// providerOf knows the ends of mail hosts' names.
func providerOf(end string) string {
	switch end {
	case "gmx.net", "gmx.com", "gmx.de", "mail.com":
		return "gmx"
	case "web.de":
		return "webde"
	case "ionos.de", "ionos.com", "kundenserver.de", "1and1.com", "1and1.de", "perfora.net", "oneandone.net":
		return "ionos"
	case "t-online.de", "magenta.de":
		return "tonline"
	case "google.com", "googlemail.com", "gmail.com":
		return "gmail"
	case "outlook.com", "hotmail.com", "mx.microsoft":
		return "ms"
	case "yahoodns.net", "yahoo.com", "aol.com":
		return "yahoo"
	case "icloud.com", "apple.com":
		return "icloud"
	case "freenet.de", "freenet-mail.de":
		return "freenet"
	case "rzone.de", "strato.de":
		return "strato"
	case "posteo.de", "posteo.net":
		return "posteo"
	case "mailbox.org":
		return "mailboxorg"
	case "vodafonemail.de", "vodafone.de", "vodafone-ip.de", "arcor.de", "arcor-online.net", "kabelmail.de", "unitybox.de":
		return "vodafone"
	case "bluewin.ch", "swisscom.ch":
		return "bluewin"
	case "a1.net", "aon.at", "a1telekom.at":
		return "a1"
	case "protonmail.ch", "proton.me":
		return "proton"
	case "tutanota.de", "tuta.com":
		return "tuta"
	case "kasserver.com":
		return "allinkl"
	case "your-server.de":
		return "hetzner"
	case "o2online.de", "o2mail.de":
		return "o2"
	case "hornetsecurity.com", "antispameurope.com":
		return "hornetsecurity"
	case "mimecast.com", "mimecast.co.uk":
		return "mimecast"
	case "pphosted.com", "ppe-hosted.com":
		return "proofpoint"
	case "barracudanetworks.com":
		return "barracuda"
	}
	return ""
}

// ProviderHosts lists the ends of the names of a provider's mail hosts: "gmx.net" is
// that host and every one below it. A provider that is not known has none.
func ProviderHosts(provider string) []string {
	for _, p := range knownProviders() {
		if p.name == provider {
			return p.ends
		}
	}
	return nil
}

// Providers lists the providers that are known, in alphabetical order.
func Providers() []string {
	var list []string
	for _, p := range knownProviders() {
		list = append(list, p.name)
	}
	slices.Sort(list)
	return list
}

// knownProvider is what providerOf knows, the other way round; a test compares them.
type knownProvider struct {
	name string
	ends []string // of mail hosts' names
}

func knownProviders() []knownProvider {
	return []knownProvider{
		{"gmx", []string{"gmx.net", "gmx.com", "gmx.de", "mail.com"}},
		{"webde", []string{"web.de"}},
		{"ionos", []string{"ionos.de", "ionos.com", "kundenserver.de", "1and1.com", "1and1.de", "perfora.net", "oneandone.net"}},
		{"tonline", []string{"t-online.de", "magenta.de"}},
		{"gmail", []string{"google.com", "googlemail.com", "gmail.com"}},
		{"ms", []string{"outlook.com", "hotmail.com", "mx.microsoft"}},
		{"yahoo", []string{"yahoodns.net", "yahoo.com", "aol.com"}},
		{"icloud", []string{"icloud.com", "apple.com"}},
		{"freenet", []string{"freenet.de", "freenet-mail.de"}},
		{"strato", []string{"rzone.de", "strato.de"}},
		{"posteo", []string{"posteo.de", "posteo.net"}},
		{"mailboxorg", []string{"mailbox.org"}},
		{"vodafone", []string{"vodafonemail.de", "vodafone.de", "vodafone-ip.de", "arcor.de", "arcor-online.net", "kabelmail.de", "unitybox.de"}},
		{"bluewin", []string{"bluewin.ch", "swisscom.ch"}},
		{"a1", []string{"a1.net", "aon.at", "a1telekom.at"}},
		{"proton", []string{"protonmail.ch", "proton.me"}},
		{"tuta", []string{"tutanota.de", "tuta.com"}},
		{"allinkl", []string{"kasserver.com"}},
		{"hetzner", []string{"your-server.de"}},
		{"o2", []string{"o2online.de", "o2mail.de"}},
		{"hornetsecurity", []string{"hornetsecurity.com", "antispameurope.com"}},
		{"mimecast", []string{"mimecast.com", "mimecast.co.uk"}},
		{"proofpoint", []string{"pphosted.com", "ppe-hosted.com"}},
		{"barracuda", []string{"barracudanetworks.com"}},
	}
}
