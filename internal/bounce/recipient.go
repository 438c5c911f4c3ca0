package bounce

import (
	"regexp"
	"strings"

	"stafette/internal/dns"
)

// JudgeRecipient says what a report means for one of its recipients. The server's
// reply decides; where it gives no reason, the other words of the report are asked.
//
// Permanent follows the report: it is set for ActionFailed, as nobody will try again,
// and never for a delay. Hard is only ever set for a failure whose codes do not say
// "not now".
func (t *Table) JudgeRecipient(kind Kind, r Recipient) Judgement {
	switch kind {
	case KindComplaint:
		return t.judgement(Complaint, false)
	case KindAutoReply:
		return t.judgement(AutoReply, false)
	}
	switch r.Action {
	case ActionDelivered, ActionRelayed, ActionExpanded:
		return t.judgement(Delivered, false)
	}
	in := r.input()
	j := t.Judge(in)
	if vague(j.Class) && r.context != "" {
		in.Text += "\n" + r.context
		// Words around a quoted reply are not enough to give an address up.
		if more := t.Judge(in); !vague(more.Class) && (in.Code == 0 || !more.Hard) {
			j = more
		}
	}
	if r.Action == ActionDelayed {
		j.Permanent, j.Hard = false, false
		return j
	}
	j.Permanent = true
	if in.Code == 0 && generic(in.Enhanced) && notNow.MatchString(r.Reply) {
		j.Hard = false
	}
	return j
}

// notNow finds that prose without a code calls the failure a temporary one.
var notNow = regexp.MustCompile(`(?i)\btemporar(?:y|ily) (?:fail|error|problem|unable|unavail|reject)|\bdeferred:|vorübergehend`)

// vague tells the classes that mean "some reason".
func vague(c Class) bool { return c == Rejected || c == Temporary }

// input turns what a report says into what a server said.
func (r Recipient) input() Input {
	in := Input{Code: r.Code, Enhanced: r.Enhanced, Text: r.Reply, Stage: r.Stage, Host: r.RemoteMTA}
	if in.Code < 400 {
		in.Code = 0
	}
	if strings.HasPrefix(in.Enhanced, "2") {
		in.Enhanced = ""
	}
	status := r.Status
	if strings.HasPrefix(status, "2") {
		status = ""
	}
	if generic(in.Enhanced) && agreeing(in.Code, status) != "" {
		in.Enhanced = status
	}
	if in.Code == 0 && in.Enhanced == "" && r.Action == ActionDelayed {
		in.Enhanced = "4.0.0"
	}
	return in
}

// generic tells a code that says nothing more than its class.
func generic(enhanced string) bool {
	return enhanced == "" || strings.HasSuffix(enhanced, ".0.0")
}

// Provider names the mailbox provider that r speaks of, by the host that replied,
// else by the domain of the address or a host the reply names; "" if it is none we
// know.
func (r Recipient) Provider() string {
	if r.RemoteMTA != "" {
		if p := dns.Provider([]dns.MX{{Host: r.RemoteMTA}}); p != "" {
			return p
		}
	}
	for _, a := range []string{r.Final, r.Original} {
		if _, domain, ok := strings.Cut(a, "@"); ok {
			if p := dns.Provider([]dns.MX{{Host: domain}}); p != "" {
				return p
			}
		}
	}
	for _, host := range hostText.FindAllStringSubmatch(strings.ToLower(r.Reply), 20) {
		if p := dns.Provider([]dns.MX{{Host: host[1]}}); p != "" {
			return p
		}
	}
	return ""
}

// hostText matches a host name in a reply: its greeting, or the page that explains.
var hostText = regexp.MustCompile(`(?:^|[ /\[(-])((?:[a-z][a-z0-9-]*\.)+[a-z]{2,})\b`)
