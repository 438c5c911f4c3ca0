package bounce

import (
	"regexp"
	"slices"
	"strings"
)

// prose reads a bounce that only people were meant to read: which addresses it
// speaks of, and what it says of each. It looks for the shape that almost all
// servers share, an address at the start of a line and the reason behind it, before
// it takes an address from the middle of a sentence.
func (m *mail) prose(l Limits) (Report, bool) {
	text, _ := cutOriginal(m.text)
	lines := strings.Split(text[:min(len(text), maxProse)], "\n")
	r := Report{Kind: KindDSN, Original: m.originalFields(l)}
	delayed := m.looksDelayed(text)
	passages := m.passages(lines)
	for i, p := range passages {
		rcpt := Recipient{Final: p.address, Action: ActionFailed}
		if delayed {
			rcpt.Action = ActionDelayed
		}
		if i >= maxShared && len(p.about) == len(lines) {
			p.about = nil // the text speaks of too many to be read for each
		}
		rcpt.say(p.reason())
		if len(passages) == 1 {
			p.about = lines
		}
		rcpt.see(p.about)
		r.add(rcpt, l)
	}
	return r, len(r.Recipients) > 0
}

// maxProse bounds the text searched for recipients: explanations are short.
const maxProse = 64 << 10

// passage is the part of a text that speaks of one address.
type passage struct {
	address string
	about   []string // the lines on it, from the one that names it
	size    int      // of about, in bytes
}

// hear takes a line in, as long as there is room.
func (p *passage) hear(line string) {
	if p.size += len(line) + 1; p.size <= maxPassage {
		p.about = append(p.about, line)
	}
}

// maxPassage bounds what is read of one address.
const maxPassage = 8 << 10

// passages finds the addresses and what is said of each. Addresses the header names
// as failed are certain; others are looked for in ever looser ways.
func (m *mail) passages(lines []string) []passage {
	failed := m.failedInHeader()
	list := m.leading(lines)
	if len(failed) > 0 {
		return certain(failed, list, lines)
	}
	if len(list) > 0 {
		return list
	}
	if list = m.mentioned(lines, introduced); len(list) == 0 {
		list = m.mentioned(lines, addressText)
	}
	if len(list) == 0 && m.looksBounced() {
		list = m.toOurselves(lines)
	}
	return list
}

// toOurselves is for texts that speak of nobody but whom they are to, as a message to
// one's own address that failed, or of nobody at all: then the one it was for.
func (m *mail) toOurselves(lines []string) []passage {
	ours := m.ours
	m.ours = nil
	list := m.leading(lines)
	if len(list) == 0 {
		list = m.mentioned(lines, introduced)
	}
	if m.ours = ours; len(list) > 0 {
		return list
	}
	to := firstAddress(fields(m.originalFields(Limits{}.withDefaults())).get("To"))
	if to == "" {
		return nil
	}
	return []passage{{address: to, about: lines}}
}

// certain gives each address of the header its passage, or the whole text.
func certain(failed []string, list []passage, lines []string) []passage {
	var all []passage
	for _, a := range failed {
		i := slices.IndexFunc(list, func(p passage) bool { return strings.EqualFold(p.address, a) })
		if i >= 0 && len(strings.TrimSpace(list[i].reason())) > 0 {
			all = append(all, list[i])
			continue
		}
		all = append(all, passage{address: a, about: lines})
	}
	return all
}

// failedInHeader reads the fields in which servers name who failed.
func (m *mail) failedInHeader() []string {
	var list []string
	for _, name := range []string{"X-Failed-Recipients", "X-Failed-Recipient", "X-Actual-Recipient"} {
		for _, value := range m.header.all(name) {
			list = append(list, addresses(value)...)
		}
	}
	return list[:min(len(list), maxPassages)]
}

// leads matches an address at the start of a line and what follows it.
var leads = regexp.MustCompile(`^[\s>*•|-]{0,12}["'<]{0,3}(?:mailto:|rfc822;\s*)?(` + addressText.String() + `)["'>]{0,3}(.*)$`)

// refused matches a reply line that names its recipient, as transcripts have.
var refused = regexp.MustCompile(`^\s*(?:<<<\s*)?[45]\d\d[ -].{0,40}?<(` + addressText.String() + `)>(.*)$`)

// inORAddress matches an Internet address inside an X.400 one, as the connectors of
// Exchange name recipients (RFC 2156, 4.3).
var inORAddress = regexp.MustCompile(`(?i)^\s*c=[a-z]{2};.{0,200}?\bsmtp=(` + addressText.String() + `)(.*)$`)

// leading finds the addresses at the start of lines. What is said of one goes to the
// next; several addresses in a row share what follows the last.
func (m *mail) leading(lines []string) []passage {
	var list []passage
	open := 0 // how many of the last passages still share their lines
	for i, line := range lines {
		address, follows := m.leadingAddress(lines, i)
		if address != "" && slices.ContainsFunc(list, func(p passage) bool { return strings.EqualFold(p.address, address) }) {
			// Named again, in a transcript or in a second language.
			address = ""
		}
		if address == "" {
			for k := len(list) - open; k < len(list); k++ {
				list[k].hear(line)
			}
			continue
		}
		if open > 0 && strings.TrimSpace(list[len(list)-1].reason()) != "" {
			open = 0
		}
		if len(list) == maxPassages {
			break
		}
		list = append(list, passage{address: address, about: []string{follows}})
		open = min(open+1, maxShared)
	}
	for i := range list {
		if strings.TrimSpace(list[i].reason()) == "" {
			// The reason may stand in front, as Notes and the phone companies write.
			list[i].about = lines
		}
	}
	return list
}

const (
	maxPassages = 1000
	maxShared   = 20
)

// leadingAddress returns the address line i begins with, if it is one the text is
// about, and the rest of the line.
func (m *mail) leadingAddress(lines []string, i int) (address, follows string) {
	found := leads.FindStringSubmatch(lines[i])
	if found == nil {
		if found = inORAddress.FindStringSubmatch(lines[i]); found != nil && !m.isOurs(found[1]) {
			return found[1], found[2]
		}
		if found = refused.FindStringSubmatch(lines[i]); found == nil || m.isOurs(found[1]) {
			return "", ""
		}
		return found[1], lines[i]
	}
	rest := strings.TrimSpace(found[2])
	if m.isOurs(found[1]) || asksToWrite(lines, i) {
		return "", ""
	}
	if rest == "" || strings.ContainsRune(`:(.[<,;-=`, rune(rest[0])) || strings.HasPrefix(rest, "on ") ||
		strings.HasPrefix(lines[i], " ") || codeInPlace.MatchString(rest) || failureWord.MatchString(rest) {
		return found[1], found[2]
	}
	return "", ""
}

// failureWord tells that the rest of a line is a reason.
var failureWord = regexp.MustCompile(`(?i)error|fail|invalid|unknown|reject|refus|full|exceed|not found|does not|denied|undeliver|couldn|could not|konnte nicht|unzustellbar`)

// asksToWrite tells that the line before ends with "please contact", "send mail to".
func asksToWrite(lines []string, i int) bool {
	for i--; i >= 0; i-- {
		if before := strings.ToLower(strings.TrimSpace(lines[i])); before != "" {
			for _, end := range []string{"contact", "mail to", "assistance", "help", "to the address", "kontaktieren sie", "from", "by", "von", "sender:", "from:"} {
				if strings.HasSuffix(before, end) {
					return true
				}
			}
			return false
		}
	}
	return false
}

// isOurs tells the addresses a bounce is to and from, which it may mention.
func (m *mail) isOurs(address string) bool { return m.ours[strings.ToLower(address)] }

// introduced matches an address that a sentence introduces as the recipient.
var introduced = regexp.MustCompile(`(?i)(?:\bto|recipients?|rcpt to|address(?:es)?|an|à|para|per|errors|attempts|size|user|for|mailbox|empfänger|list)\b[^\n<"'@:]{0,30}?:?\s*["'<]{0,2}(` + addressText.String() + `)`)

// mentioned finds addresses inside of sentences. Each is said to have met all of the
// text.
func (m *mail) mentioned(lines []string, how *regexp.Regexp) []passage {
	var list []passage
	for i, line := range lines {
		for _, found := range how.FindAllStringSubmatch(line, 20) {
			address := strings.TrimRight(found[len(found)-1], ".")
			known := slices.ContainsFunc(list, func(p passage) bool { return strings.EqualFold(p.address, address) })
			if known || m.isOurs(address) || asksToWrite(lines, i) || asksToWrite([]string{before(line, address)}, 1) || len(list) == maxShared {
				continue
			}
			list = append(list, passage{address: address, about: lines})
		}
	}
	return list
}

func before(line, address string) string {
	head, _, _ := strings.Cut(line, address)
	return strings.TrimRight(head, " <\"'")
}

// reason is the part of a passage that gives the reason: the server's reply if there
// is one, else its words.
func (p passage) reason() string {
	if lines := replyIn(p.about, p.address); lines != nil {
		return paragraph(lines)
	}
	text := strings.TrimSpace(strings.Join(worded(p.about), "\n"))
	return strings.TrimLeft(text[:min(len(text), maxReason)], ":-. \t\n")
}

// worded leaves out the rules and titles between the sections of a text.
func worded(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), title.MatchString)
}

var title = regexp.MustCompile(`^\s*(?:[-=_*#~+]{3,}|-{2,}[^-].*-{2,}\s*$|-{3,})`)

// maxReason bounds the words kept where no reply stands.
const maxReason = 2 << 10

// replyIn returns the lines from the one that holds a reply code: one that names the
// address if there is any, so that a transcript of several recipients is told apart.
func replyIn(lines []string, address string) []string {
	first := -1
	for i, line := range lines {
		code, enhanced := codes(line)
		if code < 400 && (enhanced == "" || enhanced[0] == '2') {
			continue
		}
		if strings.Contains(strings.ToLower(line), strings.ToLower(address)) && code != 0 {
			return withLead(lines, i)
		}
		if first < 0 {
			first = i
		}
	}
	if first < 0 {
		return nil
	}
	return withLead(lines, first)
}

// withLead takes the paragraph's lines before a reply in: there servers say which
// command it answered.
func withLead(lines []string, i int) []string {
	start := i
	for start > 0 && i-start < 4 && strings.TrimSpace(lines[start-1]) != "" {
		start--
	}
	return lines[start:]
}

// paragraph joins lines up to the first empty one behind a word.
func paragraph(lines []string) string {
	var list []string
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" && len(list) > 0 {
			break
		}
		if line != "" {
			list = append(list, line)
		}
	}
	return strings.TrimLeft(strings.Join(list, "\n"), ":-. ")
}

// see reads what the lines of a passage tell beside the reply itself.
func (r *Recipient) see(lines []string) {
	text := strings.Join(lines, "\n")
	text = text[:min(len(text), maxText)]
	if r.Stage == "" {
		r.Stage = stageOf(text)
	}
	if r.RemoteMTA == "" {
		r.RemoteMTA = hostName(submatch(saidBy, text))
	}
	if text = strings.TrimSpace(text); text != r.Reply {
		r.context = strings.ToValidUTF8(text, "")
	}
}
