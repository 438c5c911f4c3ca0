package dsn

import (
	"strconv"
	"strings"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/i18n"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Codes told where nobody named one (RFC 3463, 3.5 and 4).
const (
	statusFailed  = "5.0.0"
	statusExpired = "4.4.7"
	statusBarred  = "5.7.1" // suppressed
	statusDelayed = "4.0.0"
	statusDone    = "2.0.0"
)

// recipientOf puts a fate into the words of RFC 3464.
func recipientOf(a bounce.Action, f Fate) Recipient {
	r := Recipient{Original: f.Original, Final: f.Recipient, Action: a, LogID: f.Delivery.String()}
	class := "5"
	switch {
	case a == bounce.ActionDelayed:
		r.Status, r.RetryUntil, class = statusDelayed, f.ExpiresAt, "4"
	case a != bounce.ActionFailed:
		r.Status, class = statusDone, "2"
	case f.State == event.Expired:
		r.Status, class = statusExpired, "" // no server's code says that time is up
	case f.State == event.Suppressed:
		r.Status, r.Finding = statusBarred, "suppressed: "+f.Reason
	default:
		r.Status = statusFailed
	}
	at := f.Attempt
	if at == nil {
		return r
	}
	r.LastAttempt, r.RemoteMTA = f.At, at.MX
	if class != "" && strings.HasPrefix(at.Enhanced, class+".") {
		r.Status = at.Enhanced
	}
	if at.Code == 0 {
		r.RemoteMTA, r.Finding = "", at.Local
		return r
	}
	r.Diagnostic = replyOf(at)
	return r
}

// replyOf is the server's reply as it came.
func replyOf(at *event.Attempt) string {
	words := []string{strconv.Itoa(at.Code)}
	for _, w := range []string{at.Enhanced, at.Reply} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// word fills in what people read, in the language and tone of the tenant's office.
func (r *Reporter) word(owner tenant.Tenant, l Letter, report *Report) {
	lang, tone := i18n.Lang(owner.Locale), i18n.Tone(owner.OfficeTone)
	if !lang.Valid() {
		lang = i18n.German
	}
	say := func(key string, args i18n.Args) string { return r.c.Catalog.Text(lang, tone, "report."+key, args) }
	clock := i18n.Clock{Lang: lang, Zone: r.c.Zone, Now: report.Date}
	action := string(report.Recipients[0].Action)

	report.From = message.Mailbox{Name: say("from", nil), Address: message.Address{Local: "MAILER-DAEMON", Domain: l.SignDomain}}
	subject := oneLine(l.Subject)
	if subject == "" {
		subject = say("nosubject", nil)
	}
	report.Subject = say(action+".subject", i18n.Args{"subject": subject})
	var b strings.Builder
	line := func(parts ...string) { b.WriteString(strings.Join(parts, "") + "\n") }
	line(say(action+".lead", i18n.Args{"n": len(report.Recipients), "time": clock.Full(l.AcceptedAt), "subject": subject}), "\n")
	for i, rcpt := range report.Recipients {
		line("  ", rcpt.Final.String())
		if rcpt.Action == bounce.ActionFailed || rcpt.Action == bounce.ActionDelayed {
			if reason := r.reason(l.Fates[i], lang, tone, say); reason != "" {
				line("    ", reason)
			}
		}
		switch {
		case rcpt.Diagnostic != "" && rcpt.RemoteMTA != "":
			line("    ", say("reply", i18n.Args{"host": oneLine(rcpt.RemoteMTA), "reply": oneLine(rcpt.Diagnostic)}))
		case rcpt.Diagnostic != "":
			line("    ", say("reply.unnamed", i18n.Args{"reply": oneLine(rcpt.Diagnostic)}))
		case rcpt.Finding != "" && l.Fates[i].State != event.Suppressed:
			line("    ", say("finding", i18n.Args{"finding": oneLine(rcpt.Finding)}))
		}
		if !rcpt.RetryUntil.IsZero() {
			line("    ", say("until", i18n.Args{"time": clock.Full(rcpt.RetryUntil)}))
		}
		line()
	}
	line(say("footer", nil))
	report.Text = b.String()
}

// reason explains a fate in a sentence.
func (r *Reporter) reason(f Fate, lang i18n.Lang, tone i18n.Tone, say func(string, i18n.Args) string) string {
	if f.State == event.Expired {
		return say("expired", nil)
	}
	if key := "reason." + f.Reason; f.State == event.Suppressed && r.c.Catalog.Has(key) {
		return r.c.Catalog.Text(lang, i18n.Sie, key, nil)
	}
	class := f.Reason
	if class == "" && f.Attempt != nil {
		class = f.Attempt.Class
	}
	voice := string(lang)
	if lang == i18n.German && tone == i18n.Du {
		voice = "de-du"
	}
	return r.c.Reasons.Sentence(bounce.Class(class), voice)
}
