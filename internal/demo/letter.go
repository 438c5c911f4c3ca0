package demo

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/jhillyerd/enmime/v2"
)

// letter is a mail opened for reading.
type letter struct {
	Headers    []headerLine
	Text, HTML string
	Files      []file
	Problems   []string // what a strict reader finds wrong
}

type headerLine struct{ Name, Value string }

type file struct {
	Name, Kind string
	Content    []byte
}

// open reads a mail as a mail program would. What cannot be read is left out.
func open(raw []byte) letter {
	env, err := enmime.ReadEnvelope(bytes.NewReader(raw))
	if err != nil {
		return letter{Text: string(raw), Problems: []string{"unreadable"}}
	}
	l := letter{Text: env.Text, HTML: env.HTML}
	for _, name := range []string{"From", "Sender", "To", "Cc", "Reply-To", "Date", "Subject", "Message-ID", "List-Unsubscribe"} {
		if v := env.GetHeader(name); v != "" {
			l.Headers = append(l.Headers, headerLine{name, v})
		}
	}
	for _, part := range env.Attachments {
		l.Files = append(l.Files, file{part.FileName, part.ContentType, part.Content})
	}
	for _, part := range append(env.Inlines, env.OtherParts...) {
		if part.ContentID != "" && strings.HasPrefix(part.ContentType, "image/") {
			l.HTML = strings.ReplaceAll(l.HTML, "cid:"+part.ContentID,
				"data:"+part.ContentType+";base64,"+base64.StdEncoding.EncodeToString(part.Content))
			continue
		}
		l.Files = append(l.Files, file{part.FileName, part.ContentType, part.Content})
	}
	for _, e := range env.Errors {
		if e.Name != enmime.ErrorPlainTextFromHTML {
			l.Problems = append(l.Problems, e.Name)
		}
	}
	return l
}

// signature is the verdict on one DKIM signature.
type signature struct {
	Domain, Verdict, Why string // Verdict: pass, fail, temperror, permerror
}

// signatures verifies a mail's DKIM signatures against the world's name server.
func (p *page) signatures(ctx context.Context, raw []byte) []signature {
	const most = 5
	found, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{
		MaxVerifications: most,
		LookupTXT:        func(name string) ([]string, error) { return p.zone.lookupTXT(ctx, name) },
	})
	if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
		return []signature{{Verdict: "permerror", Why: err.Error()}}
	}
	list := make([]signature, 0, len(found))
	for _, v := range found {
		s := signature{Domain: v.Domain, Verdict: "pass"}
		if v.Err != nil {
			s.Why = v.Err.Error()
			switch {
			case dkim.IsTempFail(v.Err):
				s.Verdict = "temperror"
			case dkim.IsPermFail(v.Err):
				s.Verdict = "permerror"
			default:
				s.Verdict = "fail"
			}
		}
		list = append(list, s)
	}
	return list
}
