package changeovers

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// clockForm is how a browser writes a moment in its field.
const clockForm = "2006-01-02T15:04"

// draft is the page on which a plan is written.
type draft struct {
	changeover.Changeover
	sources []egress.Source
	form    frame.Form
	isNew   bool
}

// values fills the form with a plan.
func values(p frame.Page, c changeover.Changeover) map[string]string {
	v := map[string]string{
		"name": c.Name, "test_share": strconv.Itoa(c.TestShare), "imprint_host": c.ImprintHost, "domains": strings.Join(c.Domains, "\n"),
		"steps": stepsText(c), "version": strconv.Itoa(c.Version),
	}
	if !c.Tenant.IsZero() {
		v["tenant"] = c.Tenant.String()
	}
	for name, t := range map[string]time.Time{"announce_at": c.AnnounceAt, "test_from": c.TestFrom, "cutover_at": c.CutoverAt, "overlap_until": c.OverlapUntil} {
		if !t.IsZero() {
			v[name] = t.In(p.Zone).Format(clockForm)
		}
	}
	for _, name := range c.Old {
		v["part-"+name] = "old"
	}
	for _, name := range c.New {
		v["part-"+name] = "new"
	}
	return v
}

// stepsText writes steps as days after the cut-over with their shares, a line each.
func stepsText(c changeover.Changeover) string {
	var b strings.Builder
	for _, s := range c.Steps {
		days := strconv.FormatFloat(s.At.Sub(c.CutoverAt).Hours()/24, 'f', -1, 64)
		fmt.Fprintf(&b, "%s %d\n", days, s.Share)
	}
	return b.String()
}

// readSteps reads what stepsText wrote.
func readSteps(text string, from time.Time) ([]changeover.Step, error) {
	var list []changeover.Step
	for line := range strings.Lines(text) {
		words := strings.Fields(strings.NewReplacer(",", ".", "%", "").Replace(line))
		if len(words) == 0 {
			continue
		}
		if len(words) != 2 || len(list) == maxLines {
			return nil, errSteps
		}
		days, err := strconv.ParseFloat(words[0], 64)
		share, shareErr := strconv.Atoi(words[1])
		if err != nil || shareErr != nil || days < 0 || days > 730 {
			return nil, errSteps
		}
		list = append(list, changeover.Step{At: from.Add(time.Duration(days * 24 * float64(time.Hour))).Truncate(time.Second), Share: share})
	}
	return list, nil
}

// maxLines bounds what is read of a list in a form.
const maxLines = 250

var errSteps = errors.New("steps cannot be read")

func (c Config) blank(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	plan := changeover.Defaults(p.Now)
	return c.draft(w, r, p, http.StatusOK, draft{Changeover: plan, isNew: true, form: frame.Form{Values: values(p, plan)}})
}

func (c Config) edit(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	which, err := number(r)
	if err != nil {
		return err
	}
	plan, err := c.Service.Changeover(r.Context(), which)
	if err != nil {
		return err
	}
	if plan.Stage != changeover.Draft {
		return fault.New(fault.Conflict, "changeover_started", "The changeover has begun.")
	}
	return c.draft(w, r, p, http.StatusOK, draft{Changeover: plan, form: frame.Form{Values: values(p, plan)}})
}

func (c Config) draft(w http.ResponseWriter, r *http.Request, p frame.Page, status int, d draft) error {
	p.Room, p.Title = room, p.T("changeovers.edit", "name", d.Name)
	if d.isNew {
		p.Title = p.T("changeovers.new")
	}
	plan, err := c.Plan(r.Context())
	if err != nil {
		return fmt.Errorf("changeover: %w", err)
	}
	d.sources = slices.DeleteFunc(slices.Clone(plan.Sources), func(s egress.Source) bool { return s.State == egress.StateRetired })
	return p.Render(w, r, status, draftPage(p, d))
}

func (c Config) create(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.put(w, r, p, draft{isNew: true})
}

func (c Config) save(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	which, err := number(r)
	if err != nil {
		return err
	}
	return c.put(w, r, p, draft{Changeover: changeover.Changeover{ID: which}})
}

// put saves what the form says.
func (c Config) put(w http.ResponseWriter, r *http.Request, p frame.Page, d draft) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	d.form.Values = map[string]string{}
	readPlan(p, &d, r.PostForm)
	if d.form.Valid() {
		do := c.Service.Change
		if d.isNew {
			do = c.Service.Create
		}
		saved, err := do(r.Context(), d.Changeover, p.Who.User.ID.String())
		if err == nil {
			frame.Redirect(w, r, home+"/"+saved.ID.String(), "saved")
			return nil
		}
		if !refused(p, &d.form, err) {
			return fmt.Errorf("save changeover: %w", err)
		}
	}
	return c.draft(w, r, p, http.StatusUnprocessableEntity, d)
}

// readPlan reads the form; what cannot be read is noted in it.
func readPlan(p frame.Page, d *draft, posted url.Values) {
	f := &d.form
	take := func(name string, limit int) string {
		f.Values[name] = frame.Shorten(strings.TrimSpace(strings.ToValidUTF8(posted.Get(name), "")), limit)
		return f.Values[name]
	}
	d.Name, d.ImprintHost = take("name", 200), strings.ToLower(take("imprint_host", 300))
	for line := range strings.FieldsFuncSeq(take("domains", 10000), func(r rune) bool { return r == '\n' || r == '\r' || r == ',' || r == ' ' }) {
		d.Domains = append(d.Domains, strings.ToLower(line))
	}
	if text := take("tenant", 64); text != "" {
		var err error
		if d.Tenant, err = id.Parse[tenant.Kind](text); err != nil {
			f.Add("tenant", p.T("fault.tenant_unknown"))
		}
	}
	for name, into := range map[string]*time.Time{"announce_at": &d.AnnounceAt, "test_from": &d.TestFrom, "cutover_at": &d.CutoverAt, "overlap_until": &d.OverlapUntil} {
		at, err := time.ParseInLocation(clockForm, take(name, 40), p.Zone)
		if err != nil {
			f.Add(name, p.T("fault.time_malformed"))
			continue
		}
		*into = at.UTC()
	}
	var err error
	if d.TestShare, err = strconv.Atoi(take("test_share", 10)); err != nil {
		f.Add("test_share", p.T("fault.share_out_of_range"))
	}
	if d.Version, err = strconv.Atoi(take("version", 10)); err != nil {
		d.Version = -1 // no form of ours: nothing is overwritten
	}
	if d.Steps, err = readSteps(take("steps", 2000), d.CutoverAt); err != nil {
		f.Add("steps", p.T("fault.changeover_steps"))
	}
	for _, key := range slices.Sorted(maps.Keys(posted)) {
		source, ok := strings.CutPrefix(key, "part-")
		if !ok || len(d.Old)+len(d.New) >= maxLines {
			continue
		}
		switch take(key, 10) {
		case "old":
			d.Old = append(d.Old, source)
		case "new":
			d.New = append(d.New, source)
		}
	}
}

// refused notes a refusal in the form, each part at its field; false if it is none.
func refused(p frame.Page, f *frame.Form, err error) bool {
	e := fault.As(err)
	if e == nil || e.Kind != fault.Invalid && e.Kind != fault.Conflict {
		return false
	}
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		field, _, _ := strings.Cut(one.Field, "/")
		if field == "old" || field == "new" {
			field = "sources"
		}
		f.Add(field, p.FaultText(one, f.Value(field)))
	}
	return true
}

// spareRows is how many empty rows for exceptions stand below those there are.
const spareRows = 2

// sharesForm fills the form of shares.
func sharesForm(c changeover.Changeover) frame.Form {
	v := map[string]string{"share": strconv.Itoa(c.Share), "version": strconv.Itoa(c.Version), "rows": strconv.Itoa(len(c.Shares) + spareRows)}
	for i, s := range c.Shares {
		n := strconv.Itoa(i)
		v["stream-"+n], v["provider-"+n], v["percent-"+n] = string(s.Stream), s.Provider, strconv.Itoa(s.Percent)
		if !s.Tenant.IsZero() {
			v["tenant-"+n] = s.Tenant.String()
		}
	}
	return frame.Form{Values: v}
}

// rows is how many exceptions a form of shares has room for.
func rows(f frame.Form) int {
	n, err := strconv.Atoi(f.Value("rows"))
	if err != nil || n < 0 {
		return 0
	}
	return min(n, maxLines)
}

// readShares reads the form of shares; rows without a percentage are left out.
func readShares(p frame.Page, f *frame.Form, posted url.Values) (share, version int, list []egress.Share) {
	take := func(name string) string {
		f.Values[name] = frame.Shorten(strings.TrimSpace(strings.ToValidUTF8(posted.Get(name), "")), 100)
		return f.Values[name]
	}
	percent := func(name string) int {
		n, err := strconv.Atoi(strings.TrimSuffix(take(name), "%"))
		if err != nil {
			f.Add("share", p.T("fault.share_out_of_range"))
		}
		return n
	}
	share = percent("share")
	version, err := strconv.Atoi(take("version"))
	if err != nil {
		version = -1
	}
	take("rows")
	for i := range rows(*f) {
		n := strconv.Itoa(i)
		s := egress.Share{Stream: tenant.Stream(take("stream-" + n)), Provider: strings.ToLower(take("provider-" + n))}
		account := take("tenant-" + n)
		if take("percent-"+n) == "" {
			continue
		}
		s.Percent = percent("percent-" + n)
		if account != "" {
			if s.Tenant, err = id.Parse[tenant.Kind](account); err != nil {
				f.Add("share", p.T("fault.tenant_unknown"))
			}
		}
		list = append(list, s)
	}
	return share, version, list
}

func (c Config) shares(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	s, err := c.sheet(r)
	if err != nil {
		return err
	}
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	s.shares = frame.Form{Values: map[string]string{}}
	share, version, list := readShares(p, &s.shares, r.PostForm)
	if s.shares.Valid() {
		_, err := c.Service.Shares(r.Context(), s.ID, version, share, list, p.Who.User.ID.String())
		if err == nil {
			frame.Redirect(w, r, home+"/"+s.ID.String(), "shares")
			return nil
		}
		if !refused(p, &s.shares, err) {
			return fmt.Errorf("set shares: %w", err)
		}
	}
	return c.show(w, r, p, http.StatusUnprocessableEntity, s)
}

func (c Config) extend(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	s, err := c.sheet(r)
	if err != nil {
		return err
	}
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	text := frame.Shorten(r.PostForm.Get("overlap_until"), 40)
	s.extends = frame.Form{Values: map[string]string{"overlap_until": text}}
	until, err := time.ParseInLocation(clockForm, text, p.Zone)
	if err != nil {
		s.extends.Add("overlap_until", p.T("fault.time_malformed"))
		return c.show(w, r, p, http.StatusUnprocessableEntity, s)
	}
	if _, err := c.Service.Extend(r.Context(), s.ID, until, p.Who.User.ID.String()); err == nil {
		frame.Redirect(w, r, home+"/"+s.ID.String(), "extended")
		return nil
	} else if !refused(p, &s.extends, err) {
		return fmt.Errorf("extend overlap: %w", err)
	}
	return c.show(w, r, p, http.StatusUnprocessableEntity, s)
}
