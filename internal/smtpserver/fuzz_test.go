package smtpserver

import (
	"strings"
	"testing"

	"stafette/internal/ingest"
)

// FuzzParameters holds that what a client writes behind a path is taken or refused in
// one line, and that nothing of it that is taken could break a line later.
func FuzzParameters(f *testing.F) {
	for _, seed := range []string{
		" SIZE=100 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B1", " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+40b",
		" ORCPT=utf-8;\\x{E4}@b", " NOTIFY=NEVER NOTIFY=NEVER", " SIZE=-1", " =", " ENVID=+0D+0A", " a=b=c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var mail mailParameters
		refused := parameters(text, func(key, value string) *answer { return mail.take(key, value, 1<<20) })
		oneLine(t, refused)
		if refused == nil && (mail.size < 0 || mail.size > 1<<20 || len(mail.envelopeID) > 100 || strings.ContainsAny(mail.envelopeID, "\r\n\x00")) {
			t.Errorf("%q gives %+v", text, mail)
		}
		var wish ingest.RecipientReports
		oneLine(t, parameters(text, func(key, value string) *answer { return rcptParameter(&wish, key, value) }))
		if strings.ContainsAny(wish.Original.String(), "\r\n\x00") {
			t.Errorf("%q gives %+v", text, wish)
		}
	})
}

// oneLine demands that a refusal fits one line of a reply (RFC 5321, 4.5.3.1.5).
func oneLine(t *testing.T, refused *answer) {
	t.Helper()
	if refused == nil {
		return
	}
	if refused.code < 400 || len(refused.text) > 480 || strings.ContainsFunc(refused.text, func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("refused with %d %q", refused.code, refused.text)
	}
}
