package suppressions

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Limits of a list that passes through the browser twice; longer ones go over the API.
const (
	maxUpload = 2 << 20
	maxLines  = 20_000
	shown     = 20 // lines of a preview
)

// byHand are the reasons a person may give.
func byHand() []audience.Reason {
	return []audience.Reason{audience.Manual, audience.Unsubscribed, audience.Complaint, audience.HardBounce, audience.Role, audience.Unnamed}
}

func (c Config) showNew(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f := frame.Form{Values: map[string]string{"address": frame.Shorten(r.URL.Query().Get("address"), 320), "reason": string(audience.Manual)}}
	return c.form(w, r, p, http.StatusOK, f)
}

func (c Config) form(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	p.Room, p.Title = room, p.T("sup.new.title")
	return p.Render(w, r, status, newPage(p, f))
}

func (c Config) add(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f := frame.Form{Values: map[string]string{}}
	for _, name := range []string{"address", "stream", "reason", "expires_at", "note"} {
		f.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	wish := audience.Wish{Stream: tenant.Stream(f.Value("stream")), Reason: audience.Reason(f.Value("reason")), Note: f.Value("note")}
	var err error
	if wish.Address, err = message.ParseAddress(f.Value("address")); err != nil {
		noteFault(p, &f, "address", err)
	}
	if text := f.Value("expires_at"); text != "" {
		day, err := time.ParseInLocation(time.DateOnly, text, p.Zone)
		if err != nil {
			f.Add("expires_at", p.T("fault.time_malformed"))
		}
		wish.ExpiresAt = day
	}
	if !f.Valid() {
		return c.form(w, r, p, http.StatusUnprocessableEntity, f)
	}
	_, err = c.List.Suppress(r.Context(), p.Tenant(), wish, p.Who.User.ID.String())
	if e := fault.As(err); e != nil && e.Kind == fault.Invalid {
		for _, one := range append([]*fault.Error{e}, e.Also...) {
			noteFault(p, &f, one.Field, one)
		}
		return c.form(w, r, p, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return fmt.Errorf("suppress address: %w", err)
	}
	frame.Redirect(w, r, "/suppressions", "added")
	return nil
}

// noteFault puts a refusal at its field.
func noteFault(p frame.Page, f *frame.Form, field string, err error) {
	e := fault.As(err)
	if e == nil {
		e = fault.Field(field, "address_malformed", "")
	}
	f.Add(field, p.FaultText(e, f.Value(field)))
}

// preview is a list that was read and not yet taken.
type preview struct {
	frame.Form
	text           string // the list, to be sent back when it is confirmed
	good, bad      int
	lines          []audience.Outcome
	added, present int // after it was taken
	taken          bool
}

func (c Config) showImport(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.importing(w, r, p, http.StatusOK, preview{})
}

func (c Config) importing(w http.ResponseWriter, r *http.Request, p frame.Page, status int, v preview) error {
	p.Room, p.Title = room, p.T("sup.import.title")
	return p.Render(w, r, status, importPage(p, v))
}

// take reads a list and shows what is in it, or takes it in if that was confirmed.
func (c Config) take(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	text, err := upload(w, r)
	var lines []audience.Line
	if err == nil {
		lines, err = audience.ReadCSV(bytes.NewReader(text))
	}
	if err == nil && len(lines) > maxLines {
		err = fault.New(fault.TooLarge, "import_too_many_lines", "too many lines for a page")
	}
	if err == nil && len(lines) == 0 {
		err = fault.New(fault.Invalid, "import_empty", "no lines")
	}
	v := preview{text: string(text)}
	if e := fault.As(err); e != nil && e.Kind != fault.Unavailable {
		v.Add("file", p.FaultText(e, ""))
		return c.importing(w, r, p, frame.StatusOf(e.Kind), v)
	}
	if err != nil {
		return fmt.Errorf("read list: %w", err)
	}
	v.taken = r.PostForm.Get("confirmed") == "yes"
	outcomes, err := c.List.Import(r.Context(), p.Tenant(), lines, p.Who.User.ID.String(), !v.taken)
	if err != nil {
		return fmt.Errorf("import suppressions: %w", err)
	}
	v.count(outcomes)
	return c.importing(w, r, p, http.StatusOK, v)
}

// count sums what became of the lines, and keeps those to show: wrong ones first.
func (v *preview) count(outcomes []audience.Outcome) {
	var good []audience.Outcome
	for _, o := range outcomes {
		switch {
		case o.Err != nil:
			v.bad++
			v.lines = append(v.lines, o)
			continue
		case o.Added:
			v.added++
		default:
			v.present++
		}
		v.good++
		if len(good) < shown {
			good = append(good, o)
		}
	}
	v.lines = append(v.lines, good...)
	v.lines = v.lines[:min(len(v.lines), shown)]
}

// upload is the posted list: a file, or what was pasted.
func upload(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	r.Body = http.MaxBytesReader(w, r.Body, 2*maxUpload)
	// All of it in memory: addresses must not lie in a temporary file.
	err := r.ParseMultipartForm(2 * maxUpload) //nolint:gosec // G120: the body is bounded above
	if errors.Is(err, http.ErrNotMultipart) {
		err = r.ParseForm()
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, fault.New(fault.TooLarge, "import_too_large", "too large for a page")
	}
	if err != nil {
		return nil, &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
	}
	text := []byte(r.PostForm.Get("list"))
	if file, _, err := r.FormFile("file"); err == nil {
		defer file.Close()
		data, err := io.ReadAll(io.LimitReader(file, maxUpload+1))
		if err != nil {
			return nil, &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
		}
		if len(data) > 0 {
			text = data
		}
	}
	if len(text) > maxUpload {
		return nil, fault.New(fault.TooLarge, "import_too_large", "too large for a page")
	}
	return text, nil
}
