// Package approvals is where an account has its groups approved: the three steps of
// saying where the addresses come from, how far the review is, the questions and answers,
// and why a group may not be written to.
//
// It is a subject of the door web (floor 4). Package approval keeps the cases and their
// clock; staff decide them in package reviews.
package approvals

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"time"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Approvals keeps the cases; *approval.Service does.
type Approvals interface {
	Case(ctx context.Context, t tenant.ID, g audience.GroupID) (approval.Case, audience.Group, error)
	SaveDraft(ctx context.Context, t tenant.ID, g audience.GroupID, d approval.Submission, files []approval.File, actor string) (approval.Case, error)
	Submit(ctx context.Context, t tenant.ID, g audience.GroupID, s approval.Submission, actor string) (approval.Case, error)
	Answer(ctx context.Context, t tenant.ID, g audience.GroupID, text string, files []approval.File, actor string) (approval.Case, error)
	Log(ctx context.Context, c approval.Case) ([]approval.Entry, error)
	Files(ctx context.Context, c approval.Case) ([]approval.File, error)
	File(ctx context.Context, c approval.Case, f approval.FileID) (approval.File, error)
	Calendar() approval.Calendar
}

// People names who spoke for the account; tenant.Store does.
type People interface {
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Approvals Approvals
	People    People
}

// Room is the entry of the navigation that the pages belong to.
const Room = "groups"

// Routes are the pages of one group's approval.
func Routes(c Config) []frame.Route {
	read, write := tenant.MessagesRead, tenant.ContactsWrite
	const one = "/groups/{id}/approval"
	return []frame.Route{
		{Pattern: "GET " + one, Permission: read, Do: c.show},
		{Pattern: "GET " + one + "/step/{step}", Permission: write, Do: c.showStep},
		{Pattern: "POST " + one + "/step/{step}", Permission: write, Act: "approvals.step", Do: c.takeStep},
		{Pattern: "POST " + one + "/answer", Permission: write, Act: "approvals.answer", Do: c.answer},
		{Pattern: "GET " + one + "/files/{file}", Permission: read, Do: c.file},
	}
}

// page is what is shown of a case.
type page struct {
	approval.Case
	group audience.Group
	log   []approval.Entry
	files map[approval.FileID]approval.File
	names map[string]string
	clock approval.Clock
	hours approval.Calendar
}

func (v page) path() string { return approval.Path(v.group.ID) }

func groupOf(r *http.Request) (audience.GroupID, error) {
	g, err := id.Parse[audience.GroupKind](r.PathValue("id"))
	if err != nil {
		return g, fault.New(fault.NotFound, "group_not_found", "There is no such group.")
	}
	return g, nil
}

// read reads the case that the path names.
func (c Config) read(r *http.Request, p frame.Page) (page, error) {
	g, err := groupOf(r)
	if err != nil {
		return page{}, err
	}
	v := page{files: map[approval.FileID]approval.File{}, names: map[string]string{}, hours: c.Approvals.Calendar()}
	if v.Case, v.group, err = c.Approvals.Case(r.Context(), p.Tenant(), g); err != nil {
		return v, fmt.Errorf("read approval: %w", err)
	}
	v.clock = v.hours.Clock(v.Case, p.Now)
	if v.ID.IsZero() {
		return v, nil
	}
	if v.log, err = c.Approvals.Log(r.Context(), v.Case); err != nil {
		return v, err
	}
	files, err := c.Approvals.Files(r.Context(), v.Case)
	for _, f := range files {
		v.files[f.ID] = f
	}
	for _, e := range v.log {
		if _, known := v.names[e.Actor]; known || e.ByStaff() {
			continue
		}
		v.names[e.Actor] = p.T("approval.by.program")
		if u, err := id.Parse[tenant.UserKind](e.Actor); err == nil {
			if who, err := c.People.User(r.Context(), p.Tenant(), u); err == nil { // who left is not named any more
				v.names[e.Actor] = who.Name
			}
		}
	}
	return v, err
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.read(r, p)
	if err != nil {
		return err
	}
	return c.render(w, r, p, v, http.StatusOK, frame.Form{Values: map[string]string{}})
}

func (c Config) render(w http.ResponseWriter, r *http.Request, p frame.Page, v page, status int, f frame.Form) error {
	p.Room, p.Title = Room, p.T("approval.of", "group", v.group.Name)
	return p.Render(w, r, status, casePage(p, v, f))
}

func (c Config) answer(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.read(r, p)
	if err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{}}
	in, err := readForm(w, r, p.Now)
	if err == nil {
		form.Values["text"] = in.values.Get("text")
		_, err = c.Approvals.Answer(r.Context(), p.Tenant(), v.group.ID, in.values.Get("text"), in.files, p.Who.User.ID.String())
	}
	if err == nil {
		done := "answered"
		if v.State == approval.InReview {
			done = "amended"
		}
		frame.Redirect(w, r, v.path(), done)
		return nil
	}
	if !refusedIn(p, &form, err, "text") {
		return err
	}
	return c.render(w, r, p, v, http.StatusUnprocessableEntity, form)
}

// refusedIn is frame.Refused for files too, which may be too large.
func refusedIn(p frame.Page, form *frame.Form, err error, otherwise string) bool {
	if f := fault.As(err); f != nil && f.Kind == fault.TooLarge {
		form.Add("file", p.FaultText(f, ""))
		return true
	}
	return frame.Refused(p, form, err, otherwise)
}

func (c Config) file(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	g, err := groupOf(r)
	if err != nil {
		return err
	}
	one, _, err := c.Approvals.Case(r.Context(), p.Tenant(), g)
	if err != nil {
		return err
	}
	return Serve(w, r, c.Approvals, one)
}

// Files hands out evidence; *approval.Service does.
type Files interface {
	File(ctx context.Context, c approval.Case, f approval.FileID) (approval.File, error)
}

// Serve answers with the piece of evidence that the path names ("{file}"), to keep: what
// strangers brought is never shown within the office.
func Serve(w http.ResponseWriter, r *http.Request, files Files, c approval.Case) error {
	name, err := id.Parse[approval.FileKind](r.PathValue("file"))
	if err != nil || c.ID.IsZero() {
		return fault.New(fault.NotFound, approval.CodeUnknown, "There is no such file.")
	}
	f, err := files.File(r.Context(), c, name)
	if err != nil {
		return fmt.Errorf("read evidence: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", f.Type)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}))
	h.Set("Content-Length", strconv.Itoa(len(f.Body)))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", "no-store")
	_, err = w.Write(f.Body)
	return err
}

// Mark is the mark of a state, in the colours of deliveries.
func Mark(s approval.State) string {
	switch s {
	case approval.InReview:
		return "queued"
	case approval.Question:
		return "signal"
	case approval.Approved:
		return "delivered"
	case approval.Rejected:
		return "bounced"
	}
	return "held"
}

// Word is what a state is called.
func Word(p frame.Page, s approval.State) string { return p.T("approval.state." + string(s)) }

// Left writes an amount of working time.
func Left(p frame.Page, d time.Duration) string {
	d = d.Truncate(time.Minute)
	return p.T("approval.left", "h", int(d.Hours()), "m", int(d.Minutes())%60)
}

// Hours says when reviewers work.
func Hours(p frame.Page, c approval.Calendar) string {
	at := func(minutes int) string { return fmt.Sprintf("%d:%02d", minutes/60, minutes%60) }
	if c.Land == "" {
		return p.T("approval.hours.plain", "from", at(c.Opens), "to", at(c.Closes))
	}
	return p.T("approval.hours", "from", at(c.Opens), "to", at(c.Closes), "state", p.T("approval.land."+string(c.Land)))
}
