package bounce_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"stafette/internal/bounce"
)

// labelled is one line of testdata/replies.tsv.
type labelled struct {
	name   string
	input  bounce.Input
	reason string
	hard   bool
}

func replies(t testing.TB) []labelled {
	t.Helper()
	text, err := os.ReadFile("testdata/replies.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var list []labelled
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 7 {
			t.Fatalf("line %q", line)
		}
		code, err := strconv.Atoi(f[2])
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, labelled{f[0] + "/" + f[1], bounce.Input{Code: code, Enhanced: f[3], Text: f[6]}, f[4], f[5] == "true"})
	}
	return list
}

// meant are the classes a label of sisimai may become. It knows no stage here, and
// calls an unknown user said after DATA "filtered" and not hard; we do not.
func meant(reason string) []bounce.Class {
	switch reason {
	case "filtered":
		// Said after DATA by a rule of the recipient, or of a mailbox that is not there.
		return []bounce.Class{"user_unknown", "recipient_moved", "recipient_restricted"}
	case "userunknown":
		return []bounce.Class{"user_unknown", "recipient_moved"}
	case "mailboxfull":
		return []bounce.Class{"mailbox_full"}
	case "suspend":
		return []bounce.Class{"mailbox_disabled"}
	case "hasmoved":
		return []bounce.Class{"recipient_moved"}
	case "hostunknown":
		return []bounce.Class{"dns_no_domain"}
	case "notaccept":
		return []bounce.Class{"domain_no_mail", "dns_no_host"}
	case "blocked":
		// By its definition for the address, the host name or the name in EHLO.
		return []bounce.Class{"ip_blocked", "ip_dns"}
	case "badreputation":
		// Yahoo's TSS04 names volume and complaints.
		return []bounce.Class{"ip_blocked", "rate_limited"}
	case "requireptr":
		return []bounce.Class{"ip_dns"}
	case "authfailure":
		return []bounce.Class{"auth_missing"}
	case "spamdetected":
		return []bounce.Class{"content_spam"}
	case "virusdetected":
		return []bounce.Class{"content_virus"}
	case "policyviolation":
		// Gmail's "potential security issue" is a forbidden attachment.
		return []bounce.Class{"policy", "recipient_restricted", "tls_failed", "content_virus"}
	case "securityerror":
		// A login that is demanded of a stranger among them.
		return []bounce.Class{"policy", "recipient_restricted", "tls_failed", "relay_denied"}
	case "rejected":
		return []bounce.Class{"sender_refused", "recipient_restricted"}
	case "norelaying":
		return []bounce.Class{"relay_denied"}
	case "mesgtoobig", "exceedlimit":
		return []bounce.Class{"too_large"}
	case "speeding", "toomanyconn":
		return []bounce.Class{"rate_limited"}
	case "systemerror":
		return []bounce.Class{"system_error", "mail_loop"}
	case "mailererror", "systemfull":
		return []bounce.Class{"system_error"}
	case "networkerror":
		return []bounce.Class{"mail_loop", "system_error", "dns_no_domain", "dns_no_host", "dns_failed", "connect_failed", "connection_lost", "timeout"}
	case "notcompliantrfc", "syntaxerror", "contenterror":
		return []bounce.Class{"malformed"}
	case "expired":
		// It ran out of time because of what we name.
		return []bounce.Class{"expired", "temporary", "connect_failed", "connection_lost", "timeout", "dns_failed"}
	case "feedback":
		return []bounce.Class{"complaint"}
	case "vacation":
		return []bounce.Class{"auto_reply"}
	case "delivered":
		return []bounce.Class{"delivered"}
	case "onhold", "undefined":
		return []bounce.Class{"rejected", "temporary"}
	case "failedstarttls":
		return []bounce.Class{"tls_failed"}
	}
	return nil
}

// TestJudges holds the agreement with labels others gave to real bounces. The
// bounds are what is reached, so that a change for the worse shows.
func TestJudges(t *testing.T) {
	table := load(t)
	list := replies(t)
	class, hard, raw, falseHard := 0, 0, 0, 0
	for _, l := range list {
		j := table.Judge(l.input)
		if l.input.Code < 500 && (j.Hard || j.Permanent) {
			t.Errorf("%s: a temporary failure is judged final: %+v", l.name, j)
		}
		if j.Hard == l.hard {
			raw++
		}
		mapped := l.hard || l.reason == "filtered" && j.Class == "user_unknown"
		switch {
		case j.Hard == mapped:
			hard++
		case j.Hard:
			falseHard++
		}
		if slices.Contains(meant(l.reason), j.Class) {
			class++
		} else {
			t.Logf("%s: %s, judged %s: %d %s %s", l.name, l.reason, j.Class, l.input.Code, l.input.Enhanced, l.input.Text)
		}
	}
	n := len(list)
	t.Logf("%d replies: hard flag %.1f %% raw, %.1f %% mapped (%d judged hard against the label); class %.1f %%",
		n, share(raw, n), share(hard, n), falseHard, share(class, n))
	if share(hard, n) < 97 || share(class, n) < 92 || falseHard > 1 {
		t.Error("less agreement than before")
	}
}

func share(part, whole int) float64 { return 100 * float64(part) / float64(whole) }
