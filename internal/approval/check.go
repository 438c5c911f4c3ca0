package approval

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/message"
)

// tidy puts what was typed in order and cuts nothing.
func tidy(text string) string {
	return strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
}

// readable reports whether text has at most n characters and no control characters but
// line ends.
func readable(text string, n int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= n && !strings.ContainsFunc(text, func(r rune) bool {
		return r != '\n' && r != '\t' && (unicode.IsControl(r) || r == '\u2028' || r == '\u2029')
	})
}

// oneLine reports whether text is readable and stands on one line.
func oneLine(text string, n int) bool {
	return readable(text, n) && !strings.ContainsAny(text, "\n\t")
}

// Check holds a submission to the rules and puts it in order. Errors are *fault.Error
// with the fields "read", "sources", "sources/n/…" and "contact/…".
func (s *Submission) Check() error {
	var wrong []*fault.Error
	refuse := func(field, code, detail string) { wrong = append(wrong, fault.Field(field, code, detail)) }
	if !s.Read {
		refuse("read", "approval_read", "Say that the group has only addresses that may be used.")
	}
	s.checkSources(refuse)
	s.checkContact(refuse)
	return fault.Join(wrong)
}

// CheckSources is Check for what is asked of sources alone.
func (s *Submission) CheckSources() error {
	var wrong []*fault.Error
	s.checkSources(func(field, code, detail string) { wrong = append(wrong, fault.Field(field, code, detail)) })
	return fault.Join(wrong)
}

func (s *Submission) checkSources(refuse func(field, code, detail string)) {
	if len(s.Sources) == 0 || len(s.Sources) > MaxSources {
		refuse("sources", "approval_sources", "A group has 1 to 8 sources.")
		return
	}
	for i := range s.Sources {
		s.Sources[i].check(func(field, code, detail string) { refuse(fmt.Sprintf("sources/%d/%s", i, field), code, detail) })
	}
}

func (s *Source) check(refuse func(field, code, detail string)) {
	if !s.Kind.Valid() {
		refuse("kind", "approval_source_kind", "A source is double_opt_in, written, existing_customer or contract.")
		return
	}
	if s.Description = tidy(s.Description); utf8.RuneCountInString(s.Description) < 10 || !readable(s.Description, maxText) {
		refuse("description", "approval_description", "Describe in 10 to 4,000 characters how the addresses were collected.")
	}
	if s.Count < 0 || s.Count > 1_000_000_000 {
		refuse("count", "approval_count", "A number of addresses is expected.")
	}
	s.checkForm(refuse)
	for key, text := range s.Answers {
		if !slices.Contains(s.Kind.Asked(), key) {
			delete(s.Answers, key)
			continue
		}
		if s.Answers[key] = tidy(text); !readable(text, maxAnswer) {
			refuse("answers/"+key, "approval_text", "At most 2,000 characters.")
		}
		if s.Answers[key] == "" {
			delete(s.Answers, key)
		}
	}
	for _, condition := range s.Kind.Conditions() {
		if !slices.Contains(s.Confirmed, condition) {
			refuse("confirmed/"+condition, "approval_condition", "All four conditions must hold.")
		} else if s.Answers[condition] == "" {
			refuse("answers/"+condition, "approval_condition_shown", "Say how the condition is met.")
		}
	}
	s.Confirmed = slices.DeleteFunc(s.Confirmed, func(c string) bool { return !slices.Contains(s.Kind.Conditions(), c) })
}

func (s *Source) checkForm(refuse func(field, code, detail string)) {
	if s.FormURL = strings.TrimSpace(s.FormURL); s.FormURL == "" {
		if s.Kind == DoubleOptIn {
			refuse("form_url", "approval_form_missing", "The page with the form is needed.")
		}
		return
	}
	text, err := FormURL(s.FormURL)
	if err != nil {
		refuse("form_url", err.Code, err.Detail)
		return
	}
	s.FormURL = text
}

// FormURL checks the address of a page with a form and returns it in one writing: http or
// https, a host with a name, and more than the home page.
func FormURL(text string) (string, *fault.Error) {
	malformed := fault.Field("form_url", "approval_form_malformed", "An address like https://www.muster.example/anmelden is expected.")
	if text = strings.TrimSpace(text); len(text) > maxURL || !oneLine(text, maxURL) {
		return "", malformed
	}
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Opaque != "" {
		return "", malformed
	}
	host, err := message.ParseDomain(u.Hostname())
	if _, number := netip.ParseAddr(u.Hostname()); err != nil || number == nil || !strings.Contains(host, ".") {
		return "", malformed
	}
	if u.Host = host; u.Port() != "" {
		u.Host += ":" + u.Port()
	}
	u.Fragment = ""
	if home(u) {
		return "", fault.Field("form_url", "approval_form_home", "This is the home page. The page on which the form stands is needed.")
	}
	return u.String(), nil
}

// home reports whether an address leads to a home page, by whatever name.
func home(u *url.URL) bool {
	name := strings.ToLower(strings.Trim(path.Clean("/"+u.Path), "/"))
	base, _, _ := strings.Cut(name, ".")
	return u.RawQuery == "" && slices.Contains([]string{"", "index", "home", "start", "startseite", "de", "en"}, base)
}

func (s *Submission) checkContact(refuse func(field, code, detail string)) {
	c := &s.Contact
	if c.Name = strings.TrimSpace(c.Name); c.Name == "" || !oneLine(c.Name, maxLine) {
		refuse("contact/name", "approval_contact_name", "A name is expected.")
	}
	if c.Phone = strings.TrimSpace(c.Phone); !oneLine(c.Phone, maxLine) {
		refuse("contact/phone", "approval_text", "At most 200 characters on one line.")
	}
	a, err := message.ParseAddress(strings.TrimSpace(c.Email))
	if err != nil {
		refuse("contact/email", "address_malformed", "An address is expected.")
		return
	}
	c.Email = a.String()
}

// NewFile takes a piece of evidence as it came: what it is, its own bytes say. Errors:
// TooLarge "approval_file_large", Invalid "approval_file_type", "approval_file_empty".
func NewFile(id FileID, name string, body []byte) (File, error) {
	switch {
	case len(body) == 0:
		return File{}, fault.Field("file", "approval_file_empty", "The file is empty.")
	case len(body) > MaxFile:
		return File{}, &fault.Error{Kind: fault.TooLarge, Code: "approval_file_large", Field: "file", Detail: "A file has at most 10 MB."}
	}
	kind := typeOf(name, body)
	if kind == "" {
		return File{}, fault.Field("file", "approval_file_type", "Evidence is a PDF, PNG, JPEG, text, CSV or EML file.")
	}
	return File{ID: id, Name: fileName(name), Type: kind, Size: len(body), Sum: sha256.Sum256(body), Body: body}, nil
}

// typeOf is the media type of evidence, "" if it is none. Text must be text to the end,
// and never markup.
func typeOf(name string, body []byte) string {
	media, _, _ := strings.Cut(http.DetectContentType(body), ";")
	switch media {
	case "application/pdf", "image/png", "image/jpeg":
		return media
	case "text/plain":
		if !utf8.Valid(body) || bytes.IndexByte(body, 0) >= 0 {
			return ""
		}
		switch strings.ToLower(path.Ext(name)) {
		case ".csv":
			return "text/csv"
		case ".eml":
			return "message/rfc822"
		}
		return media
	}
	return ""
}

// fileName is the last part of a foreign name, without what no name should have.
func fileName(name string) string {
	name = name[strings.LastIndexAny(name, "/\\")+1:]
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || strings.ContainsRune(`"<>|:*?;`, r) || r == '\u202e' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	if r := []rune(name); len(r) > maxFileName {
		name = string(r[len(r)-maxFileName:])
	}
	if name = strings.Trim(name, ". "); name == "" {
		return "datei"
	}
	return name
}
