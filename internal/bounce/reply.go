package bounce

import (
	"regexp"
	"strconv"
	"strings"
)

// say takes what a server said: the text, and the codes and stage that stand in it.
func (r *Recipient) say(text string) {
	text = strings.TrimSpace(text)
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	r.Reply = text
	r.Code, r.Enhanced = codes(text)
	if r.Stage == "" {
		r.Stage = stageOf(text)
	}
	if r.Status == "" {
		r.Status = r.Enhanced
	}
	if r.RemoteMTA == "" {
		r.RemoteMTA = hostName(submatch(saidBy, text))
	}
}

// The places where a reply code stands in prose. A bare number is none: ports, sizes
// and years look alike.
var (
	codeWithStatus = regexp.MustCompile(`(?:^|[^\d.])([245]\d\d)[ -]+(?:[245]\d\d[ -]+)?\(?#?([245]\.\d{1,3}\.\d{1,3})\b`)
	statusThenCode = regexp.MustCompile(`(?:^|[^\d.])([245]\.\d{1,3}\.\d{1,3})[ >:)]+(?:smtp; ?)?([245]\d\d)[ -]`)
	codeInPlace    = regexp.MustCompile(`(?im)(?:^[ \t>*<]*|(?:said|replied|responded|returned|reason|error|response|was|data|code|smtp|failed with|answer)[^\n\d]{0,40}?[:;( ]\s*['"\[(<]?|[:;]\s*|\[|'|")([245][0-7]\d)(?:[ \t]*[-:;,.]?[ \t]+[\pL<'"[(#*=_]|-[\pL\d#<]|[ '")\]:]*$)`)
	errorCode      = regexp.MustCompile(`(?i)(?:error[_ ]code|smtp[ -]code|reply code|status code)\W{0,4}([245]\d\d)\b`)
)

// codes finds the reply code and the enhanced code in a text, the most certain
// places first; 0 and "" if there are none. Those of a refusal win over those of a
// success, as transcripts hold both.
func codes(text string) (code int, enhanced string) {
	enhanced = refusal(statusCode.FindAllString(text, 20))
	for _, found := range codeWithStatus.FindAllStringSubmatch(text, 20) {
		if found[1][0] != '2' || code == 0 {
			code, _ = strconv.Atoi(found[1])
			enhanced = found[2]
		}
		if code >= 400 {
			return code, agreeing(code, enhanced)
		}
	}
	if found := statusThenCode.FindStringSubmatch(text); found != nil && code < 400 {
		code, _ = strconv.Atoi(found[2])
		return code, agreeing(code, found[1])
	}
	var list []string
	for _, re := range []*regexp.Regexp{codeInPlace, errorCode} {
		for _, found := range re.FindAllStringSubmatch(text, 20) {
			list = append(list, found[1])
		}
	}
	if said := refusal(list); said != "" && code < 400 {
		code, _ = strconv.Atoi(said)
	}
	return code, agreeing(code, enhanced)
}

// refusal returns the first entry that is no success, else the first.
func refusal(list []string) string {
	for _, s := range list {
		if s[0] != '2' {
			return s
		}
	}
	if len(list) > 0 {
		return list[0]
	}
	return ""
}

// agreeing drops an enhanced code whose class is another than that of the code
// (RFC 2034, 4 demands the same): it stands in the text for another reason.
func agreeing(code int, enhanced string) string {
	if enhanced == "" || code == 0 || int(enhanced[0]-'0') == code/100 {
		return enhanced
	}
	return ""
}

// saidBy finds the host that replied: Postfix's "host a[1.2.3.4] said:", Exim's
// "host a [1.2.3.4]:", sendmail's "... while talking to a.:".
var saidBy = regexp.MustCompile(`(?i)\b(?:host:?|while talking to|by the server for the recipient domain \S+ by|connected to|server|remote mta) +<?([\pL\pN][\pL\pN._-]*\.[\pL\pN-]+)`)

func submatch(re *regexp.Regexp, s string) string {
	if found := re.FindStringSubmatch(s); found != nil {
		return found[1]
	}
	return ""
}

// hostName keeps the name of "mx.example.de [192.0.2.1]", lower case; "" for what is
// no name.
func hostName(s string) string {
	name, _, _ := strings.Cut(strings.TrimSpace(strings.ToLower(s)), " ")
	name = strings.Trim(name, "<>[]().:;,")
	if len(name) > 255 || !strings.Contains(name, ".") || strings.Trim(name, "0123456789.") == "" {
		return ""
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_' {
			return ""
		}
	}
	return name
}

// stageOf finds which command a text says was answered, in the words of Postfix,
// Exim, sendmail, qmail and Gmail.
func stageOf(text string) string {
	for _, known := range []struct {
		words *regexp.Regexp
		stage string
	}{
		{atDot, "dot"}, {atRcpt, "rcpt"}, {atMail, "mail"}, {atData, "data"}, {atGreeting, "greeting"},
	} {
		if known.words.MatchString(text) {
			return known.stage
		}
	}
	return ""
}

var (
	atDot      = regexp.MustCompile(`(?i)end of (?:message )?data|end of message|final data|after (?:pipelined )?sending (?:data|message)|\(?data[ _]body|end-of-data|failed after i sent the message|does not like (?:the )?message|text command`)
	atRcpt     = regexp.MustCompile(`(?i)(?:>>> ?|after (?:pipelined )?|reply to |to the |smtp:|\[)rcpt|does not like recipient|rcpt to command|rcpt_to`)
	atMail     = regexp.MustCompile(`(?i)(?:>>> ?|after (?:pipelined )?|reply to |to the |smtp:|\[)mail[ _]?(?:from)?\b|does not like (?:the )?sender|mail from command|mail_from`)
	atData     = regexp.MustCompile(`(?i)(?:>>> ?|after (?:pipelined )?|reply to |to the |smtp:)data\b`)
	atGreeting = regexp.MustCompile(`(?i)initial (?:connection|greeting)|connected to \S+ but greeting failed|greeting (?:banner|failed)|refused to talk to me`)
)

// ParseReplies reads a text that holds nothing but SMTP replies (RFC 5321, 4.2), as
// an operator copies them from a log: each reply is one entry, lines that begin with
// no code go on with the reply before. In a text that begins otherwise each line with
// a reply in its middle is an entry, as logs have them. The recipient is the first
// address in the reply, if there is one. Nothing is returned for a text that begins
// like a message, or holds no reply.
func ParseReplies(raw []byte) []Recipient {
	var list []Recipient
	var lines []string
	more := true
	flush := func() {
		if len(lines) == 0 {
			return
		}
		r := Recipient{}
		r.sayReply(lines)
		list = append(list, r)
		lines = nil
	}
	for line := range strings.Lines(clean(string(raw[:min(len(raw), 1<<20)]))) {
		line = strings.TrimSpace(line)
		begins := replyLine.MatchString(line)
		switch {
		case line == "":
			flush()
			continue
		case !begins && len(list)+len(lines) == 0:
			return loggedReplies(raw)
		case begins && !more:
			flush()
		}
		if len(list) == maxReplies {
			return list
		}
		lines = append(lines, line)
		more = begins && len(line) > 3 && line[3] == '-'
	}
	flush()
	return list
}

// loggedReplies reads a text whose lines have replies in their middle.
func loggedReplies(raw []byte) []Recipient {
	var list []Recipient
	for line := range strings.Lines(clean(string(raw[:min(len(raw), maxProse)]))) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if len(list) == 0 && headerLine.MatchString(line) || len(list) == maxReplies {
			return list
		}
		r := Recipient{}
		if r.say(line); r.Code < 200 {
			continue
		}
		r.Final = firstAddress(line)
		r.Action = actionOf(r.Code)
		list = append(list, r)
	}
	return list
}

// headerLine is how a message begins, or a mailbox file.
var headerLine = regexp.MustCompile(`^(?:[A-Za-z][A-Za-z0-9_-]*[ \t]*:|From )`)

// actionOf is what a reply makes of its recipient.
func actionOf(code int) Action {
	switch {
	case code < 400:
		return ActionDelivered
	case code < 500:
		return ActionDelayed
	}
	return ActionFailed
}

// maxReplies bounds the entries of ParseReplies.
const maxReplies = 1000

var replyLine = regexp.MustCompile(`^[245]\d\d(?:[ -]|$)`)

// sayReply takes a whole reply, code by code.
func (r *Recipient) sayReply(lines []string) {
	code, _ := strconv.Atoi(lines[0][:3])
	for _, line := range lines {
		if replyLine.MatchString(line) {
			code, _ = strconv.Atoi(line[:3])
			line = strings.TrimLeft(line[3:], " -")
		}
		if s := leadingStatus.FindString(line); s != "" {
			r.Enhanced = strings.TrimSpace(s)
		}
	}
	r.Code, r.Status = code, r.Enhanced
	r.Reply = strings.Join(lines, "\n")
	r.Reply = strings.ToValidUTF8(r.Reply[:min(len(r.Reply), maxText)], "")
	r.Final = firstAddress(r.Reply)
	r.RemoteMTA = hostName(submatch(saidBy, r.Reply))
	r.Stage = stageOf(r.Reply)
	r.Action = actionOf(code)
}

var leadingStatus = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}(?: |$)`)
