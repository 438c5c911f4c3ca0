package approvals

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"stafette/internal/approval"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/web/frame"
)

const (
	maxUpload = 25 << 20 // bytes of one form with its files
	maxFiles  = 5        // in one form
	maxFields = 200
	maxField  = 64 << 10
)

// posted is a form with files.
type posted struct {
	values url.Values
	files  []approval.File
}

// readForm reads a form with or without files, within its limits.
func readForm(w http.ResponseWriter, r *http.Request, now time.Time) (posted, error) {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "multipart/form-data" {
		err := frame.ParseForm(w, r)
		return posted{values: r.PostForm}, err
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
	parts, err := r.MultipartReader()
	if err != nil {
		return posted{}, malformed(err)
	}
	in := posted{values: url.Values{}}
	for range maxFields {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return in, nil
		}
		if err != nil {
			return in, malformed(err)
		}
		most := int64(maxField)
		file := part.FileName() != ""
		if file {
			most = approval.MaxFile
		}
		body, err := io.ReadAll(io.LimitReader(part, most+1))
		if err != nil {
			return in, malformed(err)
		}
		switch {
		case file && len(in.files) == maxFiles:
			return in, fault.Field("file", "approval_files", "At most 5 files at once.")
		case file:
			f, err := approval.NewFile(id.New[approval.FileKind](now), part.FileName(), body)
			if err != nil {
				return in, err
			}
			in.files = append(in.files, f)
		case int64(len(body)) > most:
			return in, malformed(nil)
		case part.FormName() != "file":
			in.values.Add(part.FormName(), string(body))
		}
	}
	return in, malformed(nil)
}

func malformed(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return &fault.Error{Kind: fault.TooLarge, Code: "approval_file_large", Field: "file", Detail: "The files are too large.", Err: err}
	}
	return &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
}

// field is the name of a form's field about a source.
func field(k approval.SourceKind, name string) string {
	return string(k) + "." + strings.ReplaceAll(name, "/", ".")
}

// sourcesOf reads the sources of a form. Only those whose questions were shown have
// answers.
func sourcesOf(v url.Values) (list []approval.Source) {
	for _, k := range approval.SourceKinds() {
		if v.Get("kind."+string(k)) != "on" {
			continue
		}
		get := func(name string) string { return strings.TrimSpace(v.Get(field(k, name))) }
		s := approval.Source{Kind: k, FormURL: get("form_url"), Description: get("description"), Count: number(get("count")), Answers: map[string]string{}}
		for _, key := range k.Asked() {
			if text := get("answers/" + key); text != "" {
				s.Answers[key] = text
			}
		}
		for _, key := range k.Conditions() {
			if get("confirmed/"+key) == "on" {
				s.Confirmed = append(s.Confirmed, key)
			}
		}
		list = append(list, s)
	}
	return list
}

// number reads an amount as people write it; what is none is -1, which no check lets pass.
func number(text string) int {
	n := 0
	for _, r := range strings.NewReplacer(".", "", " ", "", "\u00a0", "").Replace(text) {
		if r < '0' || r > '9' || n > 1_000_000_000 {
			return -1
		}
		n = n*10 + int(r-'0')
	}
	return n
}

// formOf shows a submission in the form it was typed into.
func formOf(s approval.Submission) frame.Form {
	f := frame.Form{Values: map[string]string{"name": s.Contact.Name, "email": s.Contact.Email, "phone": s.Contact.Phone}}
	if s.Read {
		f.Values["read"] = "on"
	}
	for _, one := range s.Sources {
		f.Values["kind."+string(one.Kind)] = "on"
		f.Values[field(one.Kind, "form_url")], f.Values[field(one.Kind, "description")] = one.FormURL, one.Description
		if one.Count > 0 {
			f.Values[field(one.Kind, "count")] = number10(one.Count)
		}
		for key, text := range one.Answers {
			f.Values[field(one.Kind, "answers/"+key)] = text
		}
		for _, key := range one.Confirmed {
			f.Values[field(one.Kind, "confirmed/"+key)] = "on"
		}
	}
	return f
}

// place finds the field of the form that a refusal of a submission is about.
func place(s approval.Submission, name string) string {
	rest, ok := strings.CutPrefix(name, "sources/")
	if !ok {
		if name == "sources" {
			return "kind"
		}
		return strings.TrimPrefix(name, "contact/")
	}
	n, what, _ := strings.Cut(rest, "/")
	if i := number(n); i >= 0 && i < len(s.Sources) {
		return field(s.Sources[i].Kind, what)
	}
	return "kind"
}

// tell puts what is wrong with a submission into the form.
func tell(p frame.Page, f *frame.Form, s approval.Submission, err error) bool {
	e := fault.As(err)
	if e == nil || e.Kind != fault.Invalid && e.Kind != fault.Conflict && e.Kind != fault.TooLarge {
		return false
	}
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		at := place(s, one.Field)
		f.Add(at, p.FaultText(one, f.Value(at)))
	}
	return true
}
