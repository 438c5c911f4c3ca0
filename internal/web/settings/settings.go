// Package settings is the page on which a tenant's owner says how the account is called,
// in which language, tone and time zone it is spoken to, what a new mail begins with, and
// who answers to those it writes to. Staff have the same fields on the page of an account
// (package offices).
//
// It is a subject of the door web (floor 4); account checks and stores. How long mail is
// kept is decided on the page of data protection, which it leads to.
package settings

import (
	"context"
	"net/http"
	"strings"

	"stafette/internal/account"
	"stafette/internal/privacy"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Accounts does what the page asks for; *account.Service does.
type Accounts interface {
	OfficeProfile(ctx context.Context, t tenant.ID) (tenant.Profile, error)
	SaveOwnOffice(ctx context.Context, t tenant.ID, to account.OfficeSettings) error
}

// Rights tells how long mail is kept; *privacy.Service does.
type Rights interface {
	Settings(ctx context.Context, t tenant.ID) (privacy.Settings, error)
	DefaultMonths() int
}

// Config is what the page stands on; both are needed.
type Config struct {
	Accounts Accounts
	Rights   Rights
}

const (
	room = "settings"
	path = "/settings"
)

// Routes are the page and its form.
func Routes(c Config) []frame.Route {
	return []frame.Route{
		{Pattern: "GET " + path, Permission: tenant.SettingsRead, Do: c.show, Entry: frame.Entry{Room: room, Icon: "sliders", Group: frame.GroupAdministration}},
		{Pattern: "POST " + path, Permission: tenant.SettingsWrite, Act: "tenant.settings", Do: c.save},
	}
}

// Names are the fields of the form, which Read understands.
func Names() []string {
	return []string{"name", "locale", "office_tone", "customer_tone", "time_zone", "stream", "from", "contact", "imprint"}
}

// Values are the fields as they stand.
func Values(t tenant.Tenant, said tenant.Profile) map[string]string {
	return map[string]string{
		"name": t.Name, "locale": t.Locale, "office_tone": string(t.OfficeTone), "customer_tone": string(t.CustomerTone), "time_zone": t.TimeZone,
		"stream": string(said.Stream), "from": account.MailboxText(said.From), "contact": said.Contact, "imprint": said.Imprint,
	}
}

// Read makes settings of the fields, without a quota.
func Read(f frame.Form) account.OfficeSettings {
	return account.OfficeSettings{
		Name: f.Value("name"), Locale: f.Value("locale"), OfficeTone: tenant.Tone(f.Value("office_tone")), CustomerTone: tenant.Tone(f.Value("customer_tone")),
		TimeZone: f.Value("time_zone"), Stream: tenant.Stream(f.Value("stream")), From: f.Value("from"), Contact: f.Value("contact"), Imprint: f.Value("imprint"),
	}
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	said, err := c.Accounts.OfficeProfile(r.Context(), p.Tenant())
	if err != nil {
		return err
	}
	return c.page(w, r, p, http.StatusOK, frame.Form{Values: Values(p.Who.Tenant, said)})
}

func (c Config) page(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	kept, err := c.Rights.Settings(r.Context(), p.Tenant())
	if err != nil {
		return err
	}
	if kept.Months == 0 {
		kept.Months = c.Rights.DefaultMonths()
	}
	p.Room, p.Title = room, p.T("nav.settings")
	return p.Render(w, r, status, settingsPage(p, f, kept.Months, p.Done("saved")))
}

func (c Config) save(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f := frame.Form{Values: map[string]string{}}
	for _, name := range Names() {
		f.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	err := c.Accounts.SaveOwnOffice(r.Context(), p.Tenant(), Read(f))
	if frame.Refused(p, &f, err, "name") {
		return c.page(w, r, p, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, path, "saved")
	return nil
}
