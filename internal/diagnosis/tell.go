package diagnosis

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/i18n"
)

// Telling is a verdict in words.
type Telling struct {
	Sentence string // what happened, to stand alone
	Do       string // what to do now
}

// Tell words a verdict for the office.
func (s *Service) Tell(voice Voice, v Verdict) Telling {
	args := s.args(voice, v)
	key := "v." + string(v.Situation)
	return Telling{Sentence: s.text(voice, key+".v", args), Do: s.text(voice, key+".do", args)}
}

// Letter is a text to pass on to the customer.
type Letter struct {
	Subject string
	Text    string // lines end in \n
}

// Letter writes what the customer can be told: what happened, the steps at their
// provider where the mail was accepted, and a block for their administrator with the
// proof. status is the address of the status page; "" leaves it out. name is whom it is
// from.
func (s *Service) Letter(voice Voice, v Verdict, name, status string) Letter {
	args := s.passedOn(voice, v)
	args["sender_name"] = name
	hello := "msg.hello"
	if args["name"] == args["recipient"] {
		hello = "msg.hello.nameless"
	}
	parts := []string{s.text(voice, hello, args), s.text(voice, "v."+string(v.Situation)+".msg", args)}
	if v.Accepted() {
		parts = append(parts, s.letterSteps(voice, v))
	}
	parts = append(parts, s.text(voice, "msg.close", args), s.text(voice, "msg.greeting", args))
	if a := v.Evidence.Attempt; a != nil && a.Code != 0 {
		parts = append(parts, s.text(voice, "msg.proof", args))
		if v.Accepted() {
			parts = append(parts, s.text(voice, "msg.admin", args))
		}
	}
	if status != "" {
		parts = append(parts, s.text(voice, "msg.status", i18n.Args{"status_url": status}))
	}
	subject := "msg.subject"
	if v.Query != "" {
		subject = "msg.subject.none"
	}
	return Letter{Subject: s.text(voice, subject, args), Text: strings.Join(parts, "\n\n") + "\n"}
}

// letterSteps numbers the steps that most often lead to the mail; the page has more.
func (s *Service) letterSteps(voice Voice, v Verdict) string {
	var b strings.Builder
	n := 0
	for _, step := range s.Steps(voice, v) {
		if step.Part == "other" || step.Part == "expiry" {
			continue
		}
		n++
		if n > 1 {
			b.WriteByte('\n')
		}
		b.WriteString(strconv.Itoa(n) + ". " + step.Text)
	}
	return b.String()
}

// Notice is what the status page tells the recipient or their administrator; always
// Sie, for nobody there has chosen a tone.
func (s *Service) Notice(lang i18n.Lang, v Verdict) string {
	key := string(v.Delivery.State)
	switch v.Situation {
	case Late, Uncertain:
		key = string(v.Situation)
	}
	voice := Voice{Lang: lang, Tone: i18n.Sie}
	args := s.passedOn(voice, v)
	if v.Situation == Domain {
		// The reason speaks to the sender ("your sender domain").
		args["reason"] = s.text(voice, "status.reason.domain", nil)
	}
	return s.text(voice, "status."+key, args)
}

// passedOn are args for words that are read on another day.
func (s *Service) passedOn(voice Voice, v Verdict) i18n.Args {
	args := s.args(voice, v)
	if v.Query == "" {
		args["next"] = i18n.Clock{Lang: voice.Lang, Zone: s.Zone}.Full(v.Delivery.DueAt)
	}
	return args
}

// args are the values of all placeholders that sentences about a delivery may have.
func (s *Service) args(voice Voice, v Verdict) i18n.Args {
	if v.Query != "" {
		return i18n.Args{"query": v.Query, "recipient": v.Query, "name": v.Query}
	}
	c := i18n.Clock{Lang: voice.Lang, Zone: s.Zone, Now: s.Now()}
	m, d, e := v.Message, v.Delivery, v.Evidence
	at := e.At
	if at.IsZero() || d.State != event.Delivered && d.State.Final() {
		at = d.UpdatedAt
	}
	args := i18n.Args{
		"recipient": addressText(d.Recipient), "domain": d.Recipient.Domain, "name": cmp.Or(nameOf(m, d.Recipient), addressText(d.Recipient)),
		"from": addressText(m.From.Address), "sender_domain": m.From.Domain, "subject": s.subject(voice, m.Subject), "message_id": m.MessageID,
		"stream": s.text(voice, "stream."+string(m.Stream), nil), "state": string(d.State), "attempts": d.Attempts,
		"date": c.Date(at), "time": c.Time(at), "age": i18n.Span(voice.Lang, s.Now().Sub(m.AcceptedAt)), "days": v.Guide.Days,
		"utc": at.UTC().Format("2006-01-02 15:04:05"), "next": c.Near(d.DueAt), "until": c.Full(d.ExpiresAt),
		"first": c.Full(cmp.Or(e.First, m.AcceptedAt)), "last": c.Full(cmp.Or(e.Last, d.UpdatedAt)),
		"host": cmp.Or(v.Host(), s.text(voice, "diag.host", nil)), "provider": v.ProviderName(),
		"reason": s.reason(voice, cmp.Or(d.LateReason, d.Reason)), "reply": s.Reply(voice, v),
		"tls": s.Protection(voice, v), "source": s.text(voice, "diag.source", nil), "ehlo": "",
		"later": "", "later_reply": "",
	}
	if a := e.Attempt; a != nil && a.Source != "" {
		args["source"], args["ehlo"] = a.Source, a.EHLO
	}
	if e.Later != nil {
		args["later"] = c.Date(e.Later.At)
		args["later_reply"] = args["reason"]
		if e.Later.Report != nil && e.Later.Report.Reply != "" {
			args["later_reply"] = oneLine(e.Later.Report.Reply)
		}
	}
	return args
}

func (s *Service) subject(voice Voice, subject string) string {
	if strings.TrimSpace(subject) == "" {
		return s.text(voice, "message.nosubject", nil)
	}
	return subject
}

// ProviderName is how people call who runs the mailbox: the provider's name if we know
// it, otherwise the domain of the address.
func (v Verdict) ProviderName() string {
	return cmp.Or(v.Guide.Name, v.Delivery.Recipient.Domain)
}

// reason explains a reason code: our own ones from the catalogue, bounce classes in the
// words of package bounce.
func (s *Service) reason(voice Voice, code string) string {
	switch {
	case code == "":
		return s.text(voice, "reason.none", nil)
	case s.Catalog.Has("reason." + code):
		return s.text(voice, "reason."+code, nil)
	}
	if sentence := s.Reasons.Sentence(bounce.Class(code), string(voice.Lang)); sentence != "" {
		return sentence
	}
	return s.text(voice, "reason.other", i18n.Args{"code": code})
}

// protection says how the session was protected.
func (s *Service) protection(voice Voice, a *event.Attempt) string {
	switch {
	case a.TLS == "":
		return s.text(voice, "diag.tls.none", nil)
	case a.TLSResult == "verified":
		return s.text(voice, "diag.tls.verified", i18n.Args{"tls": a.TLS})
	}
	return s.text(voice, "diag.tls.some", i18n.Args{"tls": a.TLS})
}

// maxReply bounds a server's words within a text, in characters.
const maxReply = 300

// replyOf is a server's reply on one line, or our own finding where it said none.
func replyOf(a *event.Attempt) string {
	if a.Code == 0 {
		return oneLine(a.Local)
	}
	words := strconv.Itoa(a.Code)
	if a.Enhanced != "" {
		words += " " + a.Enhanced
	}
	return oneLine(words + " " + a.Reply)
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(harmless(s)), " ")
	if r := []rune(s); len(r) > maxReply {
		return string(r[:maxReply-1]) + "…"
	}
	return s
}

// Reply is what the server said in the attempt that decided, on one line, or our own
// finding where it said nothing.
func (s *Service) Reply(voice Voice, v Verdict) string {
	if a := v.Evidence.Attempt; a != nil {
		if reply := replyOf(a); reply != "" {
			return reply
		}
	}
	return s.text(voice, "diag.noreply", nil)
}

// Protection says how the session of the attempt that decided was protected.
func (s *Service) Protection(voice Voice, v Verdict) string {
	if v.Evidence.Attempt == nil {
		return s.text(voice, "diag.tls.unknown", nil)
	}
	return s.protection(voice, v.Evidence.Attempt)
}

// Moment writes an instant to the second with its zone: "19.11.2026, 09:20:04 Uhr (MEZ)".
func (s *Service) Moment(lang i18n.Lang, at time.Time) string {
	zone := s.Zone
	if zone == nil {
		zone = time.UTC
	}
	local := at.In(zone)
	name := local.Format("MST")
	if lang == i18n.English {
		return local.Format("2 January 2006, 15:04:05") + " (" + name + ")"
	}
	switch name {
	case "CET":
		name = "MEZ"
	case "CEST":
		name = "MESZ"
	}
	return local.Format("02.01.2006, 15:04:05") + " Uhr (" + name + ")"
}
