// Package campaigns is the office's room „Mailings“: people write a form letter, choose the
// groups it goes to, see who would get it and who not and why, look at it with a real
// contact's data, send it at once or later, watch it, stop it, and read what became of it.
//
// It is a subject of the door web (floor 4). Package campaign keeps and sends; this package
// only asks and tells.
package campaigns

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/campaign/preflight"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/tenant"
	"stafette/internal/web/blockform"
	"stafette/internal/web/frame"
	"stafette/internal/web/letterform"
)

// Groups lists those of a tenant; *audience.Groups does.
type Groups interface {
	List(ctx context.Context, t tenant.ID) ([]audience.Group, error)
}

// Config is what the pages stand on.
type Config struct {
	Campaigns *campaign.Service
	Groups    Groups
	Approvals audience.Approvals // nil: every group needs one
	// Reason says in a language why a mail was refused or waits, "" for what it does not
	// know; nil: knows nothing.
	Reason func(lang, code string) string
	// Templates and Book are what the editor writes with.
	Templates Templates
	Book      blockform.Book
	// Pictures are offered in the editor; nil: none.
	Pictures blockform.Library
	// People name who commented; nil: nobody is named.
	People People
	// Publisher names the pages of public mailings; nil: there are none.
	Publisher *campaign.Publisher
	// ProviderName is what a mailbox provider is called; nil: its key.
	ProviderName func(key string) string
	// Checks look mailings over.
	Checks *preflight.Service
	// Tracking says how much the account allows to be told; nil: nobody is asked.
	Tracking letterform.Decider
}

const (
	home     = "/campaigns"
	room     = "campaigns"
	pageSize = 50
	// maxForm bounds the form: its two templates may have half a megabyte each, three times
	// as much as the browser writes them.
	maxForm = 4 << 20
	// maxExport bounds a file.
	maxExport = 1_000_000
)

// Routes are the pages.
func Routes(c Config) []frame.Route {
	read, send := tenant.MessagesRead, tenant.MessagesSend
	const one = home + "/{id}"
	list := []frame.Route{
		{Pattern: "GET " + home, Permission: read, Do: c.show, Entry: frame.Entry{Room: room, Icon: "letters", Group: frame.GroupCampaigns}},
		{Pattern: "GET /campaigns.csv", Permission: read, Do: c.export},
		{Pattern: "GET " + home + "/new", Permission: send, Do: c.showNew},
		{Pattern: "POST " + home, Permission: send, Act: "campaigns.create", Do: c.create},
		{Pattern: "POST " + home + "/cap", Permission: tenant.SettingsWrite, Act: "campaigns.cap", Do: c.saveCap},
		{Pattern: "GET " + one, Permission: read, Do: c.showOne},
		{Pattern: "GET " + one + "/recipients.csv", Permission: read, Do: c.exportLines},
		{Pattern: "GET " + one + "/sample.html", Permission: read, Do: c.sample, Apart: true},
		{Pattern: "GET " + one + "/public.html", Permission: read, Do: c.publicPage, Apart: true},
		{Pattern: "POST " + one + "/publish", Permission: send, Act: "campaigns.publish", Do: c.publish},
		{Pattern: "GET " + one + "/links.html", Permission: read, Do: c.linkMap, Apart: true},
		{Pattern: "GET " + one + "/report.pdf", Permission: read, Do: c.paper},
		{Pattern: "GET " + one + "/edit", Permission: send, Do: c.showEdit},
		{Pattern: "POST " + one, Permission: send, Act: "campaigns.change", Do: c.change},
		{Pattern: "POST " + one + "/autosave", Permission: send, Act: frame.Unrecorded, Do: c.autosave},
		{Pattern: "POST " + one + "/check", Permission: send, Act: "campaigns.check", Do: c.beginCheck},
		{Pattern: "POST " + one + "/test", Permission: send, Act: "campaigns.test", Do: c.try},
		{Pattern: "POST " + one + "/review", Permission: send, Act: "campaigns.review", Do: c.ask},
		{Pattern: "POST " + one + "/answer", Permission: send, Act: "campaigns.answer", Do: c.answer},
		{Pattern: "POST " + one + "/comments", Permission: send, Act: "campaigns.comment", Do: c.comment},
		{Pattern: "POST " + one + "/comments/resolve", Permission: send, Act: "campaigns.resolve", Do: c.resolve},
		{Pattern: "POST " + one + "/comments/read", Permission: send, Act: frame.Unrecorded, Do: c.markRead},
		{Pattern: "POST " + home + "/settings", Permission: tenant.SettingsWrite, Act: "campaigns.settings", Do: c.saveSettings},
		{Pattern: "GET " + one + "/preview", Permission: send, Do: c.savedPreview, Apart: true},
		{Pattern: "POST " + one + "/preview", Permission: send, Act: frame.Unrecorded, Do: c.preview, Apart: true},
		{Pattern: "POST " + home + "/preview", Permission: send, Act: frame.Unrecorded, Do: c.preview, Apart: true},
		{Pattern: "POST " + one + "/send", Permission: send, Act: "campaigns.send", Do: c.send},
		{Pattern: "POST " + one + "/delete", Permission: send, Act: "campaigns.delete", Do: c.remove},
	}
	for name, do := range map[string]func(context.Context, ingest.Principal, campaign.ID) (campaign.Campaign, error){
		"pause": c.Campaigns.Pause, "resume": c.Campaigns.Resume, "cancel": c.Campaigns.Cancel, "unschedule": c.Campaigns.Unschedule,
	} {
		list = append(list, frame.Route{Pattern: "POST " + one + "/" + name, Permission: send, Act: "campaigns." + name, Do: c.act(name, do)})
	}
	return list
}

func principal(p frame.Page) ingest.Principal {
	return ingest.Principal{Tenant: p.Tenant(), Actor: p.Who.User.ID.String(), Door: "office"}
}

func pathOf(c campaign.Campaign) string { return home + "/" + c.ID.String() }

// find reads the campaign that the path names. What is no identifier is answered like what
// does not exist.
func (c Config) find(r *http.Request, p frame.Page) (campaign.Campaign, error) {
	number, err := id.Parse[campaign.Kind](r.PathValue("id"))
	if err != nil {
		return campaign.Campaign{}, fault.New(fault.NotFound, campaign.CodeNotFound, "There is no such campaign.")
	}
	return c.Campaigns.Campaign(r.Context(), p.Tenant(), number)
}

// list is what the page of all campaigns shows.
type list struct {
	frame.View
	campaigns []campaign.Campaign // those that the reader asked for
	any       bool
	more      bool // there are older ones, which only the interface lists
	most      campaign.Cap
	form      frame.Form
	settings  frame.Form
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	most, err := c.Campaigns.Cap(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("read frequency cap: %w", err)
	}
	form := frame.Form{Values: map[string]string{}}
	if most.Count > 0 {
		form.Values["count"], form.Values["days"] = strconv.Itoa(most.Count), strconv.Itoa(most.Days)
	}
	return c.renderList(w, r, p, http.StatusOK, list{most: most, form: form})
}

func (c Config) renderList(w http.ResponseWriter, r *http.Request, p frame.Page, status int, l list) error {
	if err := c.mailings(r, p, &l); err != nil {
		return err
	}
	if l.settings.Values == nil {
		set, err := c.Campaigns.Settings(r.Context(), p.Tenant())
		if err != nil {
			return err
		}
		l.settings.Values = map[string]string{"seeds": strings.Join(set.Seeds, "\n")}
		if set.Review {
			l.settings.Values["review"] = "on"
		}
	}
	p.Room, p.Title, p.Live = room, p.T("nav."+room), true
	return p.Render(w, r, status, listPage(p, l))
}

// when is the time that a list shows of a campaign.
func when(c campaign.Campaign) time.Time {
	if !c.StartAt.IsZero() {
		return c.StartAt
	}
	return c.UpdatedAt
}

func (c Config) saveCap(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	l := list{form: frame.Form{Values: map[string]string{}}}
	var v campaign.Cap
	for name, to := range map[string]*int{"count": &v.Count, "days": &v.Days} {
		text := strings.TrimSpace(r.PostForm.Get(name))
		l.form.Values[name] = frame.Shorten(text, 20)
		n, err := strconv.Atoi(text)
		if *to = n; text != "" && (err != nil || n < 1) {
			l.form.Add(name, p.T("campaigns.cap.wrong"))
		}
	}
	if l.form.Valid() {
		err := c.Campaigns.SetCap(r.Context(), p.Tenant(), v)
		if err == nil {
			frame.Redirect(w, r, home, "cap")
			return nil
		}
		if !fault.IsKind(err, fault.Invalid) {
			return fmt.Errorf("save frequency cap: %w", err)
		}
		l.form.Add("count", p.T("campaigns.cap.wrong"))
	}
	return c.renderList(w, r, p, http.StatusUnprocessableEntity, l)
}

// act does something with the campaign of the path.
func (c Config) act(name string, do func(context.Context, ingest.Principal, campaign.ID) (campaign.Campaign, error)) func(http.ResponseWriter, *http.Request, frame.Page) error {
	return func(w http.ResponseWriter, r *http.Request, p frame.Page) error {
		if err := frame.ParseForm(w, r); err != nil {
			return err
		}
		v, err := c.find(r, p)
		if err != nil {
			return err
		}
		word := name
		_, err = do(r.Context(), principal(p), v.ID)
		// Somebody was faster, or the group is not approved any more: the page shows how it stands.
		if f := fault.As(err); f != nil && f.Code == campaign.CodeState {
			err, word = nil, "state"
		} else if f != nil && f.Code == campaign.CodeNotApproved {
			err, word = nil, "unapproved"
		}
		if err != nil {
			return err
		}
		frame.Redirect(w, r, pathOf(v), word)
		return nil
	}
}

func (c Config) remove(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	if err := c.Campaigns.Delete(r.Context(), p.Tenant(), v.ID); err != nil {
		return err
	}
	frame.Redirect(w, r, home, "deleted")
	return nil
}

// markOf is the mark of a campaign's state, in the colours of deliveries.
func markOf(s campaign.State) string {
	switch s {
	case campaign.Scheduled:
		return "queued"
	case campaign.Sending:
		return "sending"
	case campaign.Paused:
		return "held"
	case campaign.Sent:
		return "delivered"
	case campaign.Cancelled:
		return "cancelled"
	case campaign.Draft:
	}
	return "queued"
}

// reasonText says in words why something is excluded, failed or rests.
func reasonText(p frame.Page, code string) string {
	for _, prefix := range []string{"campaigns.reason.", "reason.", "suppressions.reason.", "fault."} {
		if code != "" && p.Has(prefix+code) {
			return p.T(prefix+code, "value", "…")
		}
	}
	return code
}

// reasonOf is reasonText, for reasons of deliveries too.
func (c Config) reasonOf(p frame.Page) func(code string) string {
	return func(code string) string {
		text := reasonText(p, code)
		if text == code && code != "" && c.Reason != nil {
			if known := c.Reason(string(p.Lang), code); known != "" {
				return known
			}
		}
		return text
	}
}

// option is a group to choose.
type option struct {
	audience.Group
	approval audience.ApprovalState
	chosen   bool
}
