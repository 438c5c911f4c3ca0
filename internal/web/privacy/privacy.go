// Package privacy is the office's page of data protection: how long rows of mail are kept
// and what was dropped, whether contacts are made of recipients, and the requests of
// people with their progress, files and certificates.
//
// It is a subject of the door web (floor 4). Requests are made from the Kundenakte, see
// package contacts; the room privacy works them off.
package privacy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/privacy"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Rights serves what people may ask for; *privacy.Service does.
type Rights interface {
	Settings(ctx context.Context, t tenant.ID) (privacy.Settings, error)
	SetSettings(ctx context.Context, t tenant.ID, v privacy.Settings) error
	DefaultMonths() int
	Request(ctx context.Context, t tenant.ID, r privacy.RequestID) (privacy.Request, error)
	Requests(ctx context.Context, t tenant.ID, after privacy.RequestID, limit int) ([]privacy.Request, bool, error)
	Retentions(ctx context.Context, t tenant.ID, limit int) ([]privacy.Retention, error)
	Fetch(ctx context.Context, t tenant.ID, r privacy.RequestID) (func(io.Writer) error, privacy.Request, error)
	Certificate(ctx context.Context, t tenant.ID, r privacy.RequestID) (privacy.Certificate, error)
}

// Users names who made a request; tenant.Store does.
type Users interface {
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
}

// Config is what the pages stand on; both are needed.
type Config struct {
	Rights Rights
	Users  Users
}

// Routes are the pages of data protection.
func Routes(c Config) []frame.Route {
	read, write, manage := tenant.SettingsRead, tenant.SettingsWrite, tenant.PrivacyManage
	return []frame.Route{
		{Pattern: "GET /privacy", Permission: read, Do: c.show, Entry: frame.Entry{Room: room, Icon: "shield", Group: frame.GroupAdministration}},
		{Pattern: "POST /privacy", Permission: write, Do: c.set},
		{Pattern: "GET /privacy/requests/{id}", Permission: manage, Do: c.showRequest},
		{Pattern: "GET /privacy/requests/{id}/export.zip", Permission: manage, Do: c.fetch},
		{Pattern: "GET /privacy/requests/{id}/certificate.json", Permission: manage, Do: c.certificate},
	}
}

const (
	room  = "privacy"
	shown = 50
)

// overview is what the page shows.
type overview struct {
	frame.Form
	requests []privacy.Request
	older    string
	dropped  []privacy.Retention
	months   int // of the platform
	done     string
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.Rights.Settings(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	form := frame.Form{Values: map[string]string{}}
	if v.Months > 0 {
		form.Values["months"] = strconv.Itoa(v.Months)
	}
	for name, on := range map[string]bool{"gather": v.Gather, "notes": v.Notes} {
		if on {
			form.Values[name] = "on"
		}
	}
	return c.page(w, r, p, http.StatusOK, form)
}

func (c Config) page(w http.ResponseWriter, r *http.Request, p frame.Page, status int, form frame.Form) error {
	o := overview{Form: form, months: c.Rights.DefaultMonths(), done: p.Done("saved")}
	after, _ := id.Parse[privacy.RequestKind](r.URL.Query().Get("after")) // what is none begins anew
	var more bool
	var err error
	if o.requests, more, err = c.Rights.Requests(r.Context(), p.Tenant(), after, shown); err != nil {
		return fmt.Errorf("list requests: %w", err)
	}
	if more {
		o.older = "/privacy?after=" + o.requests[len(o.requests)-1].ID.String()
	}
	if o.dropped, err = c.Rights.Retentions(r.Context(), p.Tenant(), 12); err != nil {
		return fmt.Errorf("list retention: %w", err)
	}
	p.Room, p.Title = room, p.T("nav.privacy")
	return p.Render(w, r, status, overviewPage(p, o))
}

func (c Config) set(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{}}
	for _, name := range []string{"months", "gather", "notes"} {
		form.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	v := privacy.Settings{Gather: form.Value("gather") == "on", Notes: form.Value("notes") == "on"}
	var err error
	if text := form.Value("months"); text != "" {
		if v.Months, err = strconv.Atoi(text); err != nil || v.Months < 1 {
			v.Months = -1 // which the rules refuse
		}
	}
	err = c.Rights.SetSettings(r.Context(), p.Tenant(), v)
	if f := fault.As(err); f != nil && f.Kind == fault.Invalid {
		form.Add(f.Field, p.FaultText(f, form.Value(f.Field)))
		return c.page(w, r, p, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return fmt.Errorf("store settings: %w", err)
	}
	frame.Redirect(w, r, "/privacy", "saved")
	return nil
}

// requestOf reads the request that the path names.
func requestOf(r *http.Request) (privacy.RequestID, error) {
	found, err := id.Parse[privacy.RequestKind](r.PathValue("id"))
	if err != nil {
		return found, fault.New(fault.NotFound, "privacy_request_not_found", "no such request")
	}
	return found, nil
}

// sheet is the page of one request.
type sheet struct {
	privacy.Request
	by string
}

func (c Config) showRequest(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	one, err := requestOf(r)
	if err != nil {
		return err
	}
	s := sheet{}
	if s.Request, err = c.Rights.Request(r.Context(), p.Tenant(), one); err != nil {
		return err
	}
	s.by = p.T("sup.by.unknown")
	if u, err := id.Parse[tenant.UserKind](s.Actor); err == nil {
		if user, err := c.Users.User(r.Context(), p.Tenant(), u); err == nil { // without the name the page still tells
			s.by = user.Name
		}
	}
	p.Room, p.Title = room, p.T("privacy.kind."+string(s.Kind))
	return p.Render(w, r, http.StatusOK, requestPage(p, s))
}

func (c Config) fetch(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	one, err := requestOf(r)
	if err != nil {
		return err
	}
	write, request, err := c.Rights.Fetch(r.Context(), p.Tenant(), one)
	if err != nil {
		return err
	}
	attach(w, "application/zip", p.T("privacy.filename")+"-"+request.ID.String()+".zip")
	w.Header().Set("Content-Length", strconv.FormatInt(request.Size, 10))
	// The header is out: a file that is too short is taken for whole by nobody.
	_ = write(w)
	return nil
}

func (c Config) certificate(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	one, err := requestOf(r)
	if err != nil {
		return err
	}
	found, err := c.Rights.Certificate(r.Context(), p.Tenant(), one)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(found, "", "  ")
	if err != nil {
		return fmt.Errorf("write certificate: %w", err)
	}
	attach(w, "application/json", p.T("privacy.certificate.filename")+"-"+found.Request.String()+".json")
	_, _ = w.Write(append(text, '\n')) // the reader left: nothing to be done
	return nil
}

// sorted are the names of counts in order.
func sorted(counts map[string]int64) []string { return slices.Sorted(maps.Keys(counts)) }

func attach(w http.ResponseWriter, media, name string) {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Cache-Control", "no-store")
}
