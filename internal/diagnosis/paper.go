package diagnosis

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/i18n"
)

// PDF prints a proof: its facts with times in the zone of the pages, what the state
// means and what it does not, and how to verify the signed data. The same proof in the
// same language makes the same bytes.
func (s *Service) PDF(p Proof, lang i18n.Lang) ([]byte, error) {
	voice := Voice{Lang: lang, Tone: i18n.Sie}
	title := s.text(voice, "proof.title.other", nil)
	if p.verdict.Accepted() {
		title = s.text(voice, "proof.title", nil)
	}
	w := paper{Service: s, voice: voice, sheet: newSheet(title + " " + p.Facts.Delivery)}
	w.head(p, title)
	w.facts(p)
	w.attempts(p)
	w.end(p)
	w.number(func(page, pages int) string {
		return w.say("proof.page", i18n.Args{"number": p.Facts.Delivery, "page": page, "pages": pages})
	})
	return w.bytes()
}

// paper writes one proof.
type paper struct {
	*Service
	*sheet
	voice Voice
}

func (w paper) say(key string, args i18n.Args) string { return w.text(w.voice, key, args) }

func (w paper) head(p Proof, title string) {
	if p.verdict.Accepted() {
		at := p.verdict.Evidence.At
		moment := w.local(at)
		w.postmark(marginLeft+textWidth-50, marginTop+46, strings.ToUpper(w.say("proof.stamp", nil)), moment.Format("02.01.2006"), moment.Format("15:04:05"),
			strings.ToUpper(p.verdict.Host()))
	}
	w.brand(marginLeft, marginTop)
	w.y = marginTop + 34
	w.paragraph(marginLeft, textWidth-120, bold, 20, black(), title)
	w.paragraph(marginLeft, textWidth-120, regular, 9.5, grey(), w.say("proof.one", i18n.Args{"number": p.Facts.Delivery}))
	w.space(20)
	w.y = max(w.y, marginTop+112)
	w.paragraph(marginLeft, textWidth, regular, 11.5, black(), w.statement(p))
	w.space(10)
}

// statement is the proof in one sentence.
func (w paper) statement(p Proof) string {
	v := p.verdict
	args := w.args(w.voice, v)
	key := "proof.says." + string(v.Delivery.State)
	at := v.Delivery.UpdatedAt
	switch {
	case v.Situation == Late:
		key = "proof.says.late"
	case v.Delivery.State.Final():
	default:
		key = "proof.says.waiting"
	}
	if v.Delivery.State == event.Delivered && !v.Evidence.At.IsZero() {
		at = v.Evidence.At
	}
	args["moment"] = w.Moment(w.voice.Lang, at)
	if v.Evidence.Later != nil {
		args["later"] = w.Moment(w.voice.Lang, v.Evidence.Later.At)
	}
	args["state_label"] = w.say("state."+string(v.Delivery.State)+".label", nil)
	return w.say(key, args)
}

func (w paper) facts(p Proof) {
	v, f := p.verdict, p.Facts
	w.row(w.say("status.from", nil), strings.TrimPrefix(f.FromName+", "+f.From, ", "), regular)
	w.row(w.say("status.recipient", nil), f.Recipient, regular)
	w.row(w.say("diag.fact.subject", nil), w.subject(w.voice, f.Subject), regular)
	w.row("Message-ID", "<"+f.MessageID+">", mono)
	w.row(w.say("status.accepted", nil), w.Moment(w.voice.Lang, v.Message.AcceptedAt), regular)
	w.row(w.say("proof.state", nil), w.say("state."+string(f.State)+".label", nil)+", "+w.Moment(w.voice.Lang, v.Delivery.UpdatedAt), regular)
	for _, m := range f.Marks {
		w.row(w.say("diag.fact.after", nil), strings.Join(nonEmpty(w.say("mark."+string(m.Mark)+".label", nil), w.moment(m.At), m.From, m.Reply), "\n"), regular)
	}
	content := f.Content
	if content == "" {
		content = w.say("proof.content.gone", nil)
	}
	w.row(w.say("proof.content", nil), content+"\n"+i18n.Number(w.voice.Lang, f.Size)+" Byte", mono)
	for _, file := range f.Files {
		w.row(w.say("proof.file", nil), file.Filename+" ("+i18n.Bytes(w.voice.Lang, file.Size)+")\nsha256:"+file.SHA256, mono)
	}
}

// maxPrinted bounds the attempts on paper; the signed data has them all.
const maxPrinted = 12

func (w paper) attempts(p Proof) {
	list := p.Facts.Attempts
	if len(list) == 0 {
		return
	}
	w.space(6)
	w.heading(w.say("diag.fact.attempts", nil))
	if len(list) > maxPrinted {
		w.paragraph(marginLeft, textWidth, regular, 9, grey(), w.say("proof.attempts.cut", i18n.Args{"n": len(list), "shown": maxPrinted}))
		list = list[len(list)-maxPrinted:]
	}
	for _, a := range list {
		w.row(w.say("proof.attempt", i18n.Args{"n": a.Number}), strings.Join(w.attempt(a), "\n"), regular)
		w.row(w.say("status.reply", nil), cmp.Or(words(a), w.say("diag.noreply", nil)), mono)
		w.space(3)
	}
}

// attempt tells of one try: when and how it ended, from where to where, how protected.
func (w paper) attempt(a ProofAttempt) []string {
	lines := []string{w.moment(a.At) + ", " + w.say("proof.outcome."+string(a.Outcome), nil)}
	if a.Host != "" {
		lines = append(lines, w.say("proof.to", i18n.Args{"host": strings.TrimSpace(a.Host + " " + bracketed(a.Address))}))
	}
	if a.Source != "" {
		lines = append(lines, w.say("proof.from", i18n.Args{"source": strings.TrimSpace(a.Source + " " + a.EHLO)}))
	}
	if a.Host != "" && a.Code != 0 {
		lines = append(lines, w.protection(w.voice, &event.Attempt{TLS: a.TLS, TLSResult: a.TLSResult}))
	}
	return lines
}

func words(a ProofAttempt) string {
	if a.Code == 0 {
		return a.Finding
	}
	return strings.Join(nonEmpty(strconv.Itoa(a.Code), a.Enhanced, a.Reply), " ")
}

func (w paper) end(p Proof) {
	w.need(180)
	w.space(8)
	w.rule(true)
	w.space(12)
	w.heading(w.say("proof.meaning.title", nil))
	w.paragraph(marginLeft, textWidth, regular, 9, grey(), w.say("proof.meaning", nil))
	w.space(4)
	w.paragraph(marginLeft, textWidth, regular, 9, grey(), w.say("proof.hash", nil))
	w.space(8)
	w.heading(w.say("proof.verify.title", nil))
	w.paragraph(marginLeft, textWidth, regular, 9, grey(), w.say("proof.verify", i18n.Args{"keys": p.Signature.Keys}))
	w.space(4)
	w.row(w.say("proof.fingerprint", nil), "sha256:"+p.Fingerprint(), mono)
	w.row(w.say("proof.key", nil), "Ed25519 "+p.Signature.KeyID, mono)
	w.row(w.say("proof.signature", nil), p.Signature.Value, mono)
}

func (w paper) heading(text string) {
	w.need(40)
	w.paragraph(marginLeft, textWidth, bold, 11, black(), text)
	w.space(3)
}

// moment reads a time of the facts.
func (w paper) moment(text string) string {
	at, err := time.Parse(proofTime, text)
	if err != nil {
		return text // the facts are ours
	}
	return w.Moment(w.voice.Lang, at)
}

func (w paper) local(at time.Time) time.Time {
	if w.Zone == nil {
		return at.UTC()
	}
	return at.In(w.Zone)
}

func bracketed(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf("[%s]", s)
}

func nonEmpty(list ...string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}
