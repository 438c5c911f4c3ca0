package bounce

import (
	"regexp"
	"strings"
)

// The signs by which prose is known for what it is, in the languages servers write.
var (
	bounceSender  = regexp.MustCompile(`(?i)mailer-?daemon|postmaster|mail delivery|mail administrator|mail system|mdaemon|bounce@|delivery subsystem`)
	bounceSubject = regexp.MustCompile(`(?i)undeliver|non.?deliver|deliver(?:y|ing)[^.]{0,30}(?:fail|status|notif|error|problem|incomplete|delay|impossible|report)|fail(?:ed|ure)[^.]{0,20}(?:deliver|notice|recipient|mail)|returned? mail|mail (?:error|failed|failure|system error)|message (?:delivery|status|undeliv|you sent)|could not (?:be )?(?:send|sent|deliver)|can.?t be delivered|rejected mail|delivery (?:has )?failed|failure notice|unable to deliver|warning: (?:could not|message)|bounced? |unzustellbar|nicht zustellbar|zustellung|zugestellt|non remis|échec|echec|non recapit|mancata|não (?:entreg|foi)|no se (?:puede|pudo)|devuel|onbestelbaar|kan ikke lever|ikke levert|nedoru|niedostarcz|не доставлен|недоставлен|配信不能|未配信|退信|系统退信|returned to sender`)
	bounceText    = regexp.MustCompile(`(?i)could not be deliver|couldn.t be deliver|cannot be deliver|can.t be deliver|unable to deliver|wasn.t able to deliver|was not delivered|were not delivered|not able to deliver|delivery to the following|did not reach the following|permanent fatal errors|error (?:has )?occurred while|had permanent|delivery (?:has )?failed|failed permanently|undeliverable|transcript of session|returned to sender|rejected by (?:a|the) remote|konnte nicht zugestellt|nicht zugestellt werden|unzustellbar|n'a pas pu être|n'ont pas pu|no se ha podido entregar|no se pudo entregar|non è stato possibile|non recapitabile|não pôde ser|kon niet worden|не может быть доставлен|could not be sent|error delivering your mail|message could not be|permanent error|had trouble delivering|not a member of this (?:mailing )?list`)
	delaySign     = regexp.MustCompile(`(?i)warning only|will (?:be retried|retry|keep trying|continue to try|continue trying|try again)|has not yet been delivered|has not been delivered [^.]{0,80}(?:after more than|yet)|not yet been delivered|delivery attempts will continue|delivery (?:is |has been )?delayed|delayed mail|delivery incomplete|still being (?:retried|tried)|\(delay\)|no action is required on your part|temporarily delayed|verzögert|noch nicht zugestellt|weiterhin versuch|weitere zustellversuche`)
	gaveUp        = regexp.MustCompile(`(?i)permanent error|failed permanently|given up|giving up|not going to try|gave up|could not be delivered for .{0,40}and has been|no further|has failed`)
	autoSubject   = regexp.MustCompile(`(?i)^(?:\W{0,3}(?:re|aw|fwd|wg|sv|antwort):?\W{0,3})*(?:auto(?:matic|mated|matische[rs]?)?[ -]?(?:re(?:ply|sponse)|antwort|responder|submitted)?:|auto(?:matic|mated)?[ -]?(?:re(?:ply|spon[sd]))|automatische antwort|out of (?:the )?office|abwesen|abwesend|nicht im (?:büro|haus)|vacation|on (?:leave|vacation|holiday)|away from|i am away|réponse automatique|absence|absent|risposta automatica|fuori (?:sede|ufficio)|respuesta automática|fuera de|resposta automática|ausência|automatisch antwoord|afwezig|autosvar|frånvaro|自動応答|自動返信|不在|自动回复|автоответ)`)
)

// looksBounced tells whether a message without a machine-readable part may be a
// bounce, by its header or by its words.
func (m *mail) looksBounced() bool {
	return m.fromServer() || bounceText.MatchString(m.text[:min(len(m.text), maxText)])
}

// fromServer tells by the header that a server wrote the message: people write the
// same words, as "your mail was not delivered".
func (m *mail) fromServer() bool {
	if len(m.failedInHeader()) > 0 || m.header.get("X-MLServer") != "" {
		return true
	}
	if bounceSubject.MatchString(m.header.get("Subject")) {
		return true
	}
	daemon := bounceSender.MatchString(m.header.get("From")) || strings.TrimSpace(m.header.get("Return-Path")) == "<>"
	report := strings.Contains(strings.ToLower(m.header.get("Content-Type")), "multipart/report")
	return (daemon || report) && !autoSubject.MatchString(m.header.get("Subject")) && !m.saysAutomatic()
}

// looksAutomatic tells an automatic answer (RFC 3834, 5) by the fields programs set.
func (m *mail) looksAutomatic() bool {
	return m.saysAutomatic() || autoSubject.MatchString(m.header.get("Subject"))
}

func (m *mail) saysAutomatic() bool {
	if v := strings.ToLower(m.header.get("Auto-Submitted")); strings.HasPrefix(v, "auto-") {
		return true
	}
	for _, name := range []string{"X-Autoreply", "X-Autorespond", "X-Autoresponse", "X-Auto-Reply-From", "X-Mail-Autoreply", "X-Auto-Response-Suppress"} {
		if m.header.get(name) != "" {
			return true
		}
	}
	switch strings.ToLower(m.header.get("Precedence")) {
	case "auto_reply", "auto-reply", "autoreply":
		return true
	}
	return strings.Contains(strings.ToLower(m.header.get("X-Auto-Submitted")), "auto-replied")
}

// looksDelayed tells a warning that the server is still trying.
func (m *mail) looksDelayed(text string) bool {
	text = text[:min(len(text), maxText)]
	return (delaySign.MatchString(m.header.get("Subject")) || delaySign.MatchString(text)) && !gaveUp.MatchString(text)
}

// cut matches the line behind which a server puts the message it returns.
var cut = regexp.MustCompile(`(?im)^(?:[ \t>]*[-*_=#~+]{2,}.*(?:copy of|original message|original mail|message header|returned message|unsent message|undelivered message|forwarded message|returned mail|ursprüngliche|message original|original-?nachricht|messaggio originale).*` +
	`|[ \t>]*(?:original message (?:follows|headers?|header:)|message headers? follow|headers? of the (?:original|message)|included is a copy|below is a copy of|below this line|original mail as follows|original message:|the header of the original|(?:start of )?returned message|ursprüngliche (?:nachricht|kopfzeilen|nachrichtenkopf)|ursprüngliche nachrichtenkopfzeilen|en-têtes de message d'origine|intestazioni originali|encabezados de mensajes? originales|cabeçalhos|oorspronkelijke|message original|original headers:|mail header :?|enclosed is a copy|a copy of (?:the|your) (?:original )?message).*` +
	`|(?:Received|Return-Path|X-Received|DKIM-Signature): ?.*)$`)

// cutOriginal parts a text at the original message: what the server says, and the
// returned text.
func cutOriginal(text string) (said, original string) {
	for _, at := range cut.FindAllStringIndex(text[:min(len(text), maxProse)], 20) {
		if strings.TrimSpace(text[:at[0]]) == "" {
			continue
		}
		rest := text[at[1]:]
		if strings.Contains(firstWord(text[at[0]:at[1]]), ":") && !strings.Contains(text[at[0]:at[1]], "--") {
			if _, _, ok := cutField(text[at[0]:at[1]]); ok {
				rest = text[at[0]:]
			}
		}
		return text[:at[0]], rest
	}
	return text, ""
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(s), " ")
	return word
}
