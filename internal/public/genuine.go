package public

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"stafette/internal/fault"
	"stafette/internal/genuine"
	"stafette/internal/i18n"
	"stafette/internal/tenant"
)

// The pages of the question whether an e-mail is genuine; the account follows.
const (
	genuineDE = "/echt/"
	genuineEN = "/genuine/"
)

// GenuinePath is the page of an account in a language.
func GenuinePath(lang string, t tenant.ID) string {
	if lang == string(i18n.English) {
		return genuineEN + t.String()
	}
	return genuineDE + t.String()
}

func (d *door) genuine(mux *http.ServeMux) {
	for lang, path := range map[i18n.Lang]string{i18n.German: genuineDE, i18n.English: genuineEN} {
		mux.HandleFunc("GET "+path+"{account...}", func(w http.ResponseWriter, r *http.Request) {
			if s, of, ok := d.asker(w, r, lang); ok {
				d.show(w, r, http.StatusOK, genuinePage(s, GenuinePath(string(lang), of), question{}))
			}
		})
		mux.HandleFunc("POST "+path+"{account...}", func(w http.ResponseWriter, r *http.Request) { d.ask(w, r, lang) })
	}
}

// asker finds the account of a page; where there is none it answers.
func (d *door) asker(w http.ResponseWriter, r *http.Request, lang i18n.Lang) (sheet, tenant.ID, bool) {
	s := d.sheet(lang, "Stafette")
	of, err := account(r.PathValue("account"))
	name := ""
	if err == nil && !of.IsZero() {
		name, err = d.Genuine.Name(r.Context(), of)
	}
	switch {
	case fault.IsKind(err, fault.NotFound) || err == nil && name == "":
		d.notice(w, r, s, http.StatusNotFound, "genuine.missing", "")
		return s, of, false
	case err != nil:
		d.failed(w, r, s, "question not taken", err)
		return s, of, false
	}
	s.brand = name
	s.other = GenuinePath(s.otherLang(), of)
	return s, of, true
}

// question is what was asked and, once it was looked into, the answer.
type question struct {
	code, date, subject, header string
	mail                        []byte
	answer                      *genuine.Answer
	fault                       string // key of what could not be asked
}

func (d *door) ask(w http.ResponseWriter, r *http.Request, lang i18n.Lang) {
	s, of, ok := d.asker(w, r, lang)
	if !ok || !d.mayAsk(w, r, s) {
		return
	}
	q, err := readQuestion(w, r)
	var a genuine.Answer
	if err == nil {
		a, err = d.look(r.Context(), of, q)
	}
	status := http.StatusOK
	switch {
	case err == nil:
		q.answer = &a
	case fault.IsKind(err, fault.TooLarge):
		q.fault, status = "genuine.too_large", http.StatusRequestEntityTooLarge
	case fault.IsKind(err, fault.Unavailable):
		q.fault, status = "genuine.busy", http.StatusServiceUnavailable
	case fault.IsKind(err, fault.Invalid):
		a = genuine.Answer{Verdict: genuine.Unknown, Reason: genuine.Unreadable}
		q.answer, status = &a, http.StatusUnprocessableEntity
	default:
		d.failed(w, r, s, "question not answered", err)
		return
	}
	d.show(w, r, status, genuinePage(s, GenuinePath(string(lang), of), q))
}

// look asks by the best that was given.
func (d *door) look(ctx context.Context, of tenant.ID, q question) (genuine.Answer, error) {
	switch {
	case len(q.mail) > 0:
		return d.Genuine.AskMail(ctx, of, q.mail)
	case q.header != "":
		return d.Genuine.AskMail(ctx, of, []byte(q.header))
	case q.code != "":
		return d.Genuine.AskCode(ctx, of, q.code)
	}
	day, err := time.Parse(time.DateOnly, q.date)
	if err != nil {
		return genuine.Answer{Verdict: genuine.Unknown, Reason: genuine.NotFound}, nil //nolint:nilerr // a day nobody can send on
	}
	return d.Genuine.AskSubject(ctx, of, day, q.subject)
}

const (
	maxQuestionField = 300 << 10 // header fields are at most 256 KB
	maxQuestionParts = 8
)

// readQuestion reads the form within its limits, in memory: what is handed in is kept
// nowhere.
func readQuestion(w http.ResponseWriter, r *http.Request) (q question, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, genuine.MaxMail+maxQuestionField)
	parts, err := r.MultipartReader()
	if err != nil {
		return q, fault.New(fault.Invalid, "form_malformed", "A form is expected.")
	}
	into := map[string]*string{"code": &q.code, "date": &q.date, "subject": &q.subject, "header": &q.header}
	for range maxQuestionParts {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return q, nil
		}
		if err != nil {
			return q, formFault(err)
		}
		limit, field := int64(maxQuestionField), into[part.FormName()]
		if part.FormName() == "mail" {
			limit = genuine.MaxMail
		} else if field == nil {
			continue
		}
		var b bytes.Buffer
		if n, err := b.ReadFrom(io.LimitReader(part, limit+1)); err != nil {
			return q, formFault(err)
		} else if n > limit {
			return q, fault.New(fault.TooLarge, "genuine_too_large", "Too large.")
		}
		if field != nil {
			*field = b.String()
		} else {
			q.mail = b.Bytes()
		}
	}
	return q, fault.New(fault.Invalid, "form_malformed", "The form has too many fields.")
}

// formFault tells a form that is too large from one that broke off.
func formFault(err error) error {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return fault.New(fault.TooLarge, "genuine_too_large", "Too large.")
	}
	return fault.New(fault.Invalid, "form_malformed", "The form is incomplete.")
}
