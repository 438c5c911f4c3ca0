package leadpages

import (
	"crypto/hmac"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/lead/leadform"
)

// Names of what a form sends beside its fields and leadform.Params.
const (
	tokenName = "t"
	signName  = "sig"
	trapName  = "website" // people do not see it
)

// sheet is a form as a page shows it.
type sheet struct {
	leadform.Form
	draft
	about  leadform.About
	token  string
	params map[string]string // as signed, to be sent along
	sig    string
	action string
	note   string // why it is shown again, "" if it is not
	// preview shows a form that cannot be sent.
	preview bool
}

// find reads the form that the path names, as far as it may be shown, and sets where its
// page may stand.
func (d *door) find(w http.ResponseWriter, r *http.Request) (f leadform.Form, p page, preview, ok bool) {
	f, err := d.Forms.Find(r.Context(), r.PathValue("key"))
	if err != nil {
		d.failed(w, r, err)
		return f, p, false, false
	}
	p = d.page(r, f.Lang)
	p.framed = strings.HasSuffix(r.URL.Path, "/embed")
	h := w.Header()
	frames, targets := "'none'", ""
	if f.Redirect != "" {
		if u, err := url.Parse(f.Redirect); err == nil {
			targets = " " + u.Scheme + "://" + u.Host
		}
	}
	if p.framed {
		frames = strings.Join(append([]string{"'self'"}, f.Origins...), " ")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	h.Set("Content-Security-Policy", policy(frames, targets))
	preview = hmac.Equal([]byte(r.URL.Query().Get("preview")), []byte(d.Forms.Preview(f)))
	if !f.Active && !preview {
		d.sorry(w, r, http.StatusNotFound, "inactive")
		return f, p, false, false
	}
	if p.portal, err = d.Forms.Portal(r.Context(), f.Tenant); err != nil {
		d.broken(w, r, err)
		return f, p, false, false
	}
	return f, p, preview, true
}

// sheetOf reads what a request says about the object. A preview of a form whose object
// comes by address shows one that is made up.
func (d *door) sheetOf(r *http.Request, p page, f leadform.Form, from url.Values, preview bool) (sheet, error) {
	s := sheet{Form: f, params: map[string]string{}, sig: from.Get(signName), action: r.URL.Path, preview: preview}
	if lang := r.URL.Query().Get("lang"); i18n.Lang(lang).Valid() {
		s.action += "?lang=" + lang
	}
	if f.Signed {
		for _, name := range leadform.Params() {
			if v := from.Get(name); v != "" {
				s.params[name] = v
			}
		}
	}
	var err error
	s.about, err = d.Forms.About(f, s.params, s.sig)
	if preview && fault.IsKind(err, fault.NotFound) {
		s.about.Object.Title, s.about.Object.City = p.t("leadform.sample.title", nil), p.t("leadform.sample.city", nil)
		return s, nil
	}
	return s, err
}

func (d *door) showForm(w http.ResponseWriter, r *http.Request) {
	f, p, preview, ok := d.find(w, r)
	if !ok {
		return
	}
	s, err := d.sheetOf(r, p, f, r.URL.Query(), preview)
	if err != nil {
		d.failed(w, r, err)
		return
	}
	if !preview {
		s.token = d.Forms.NewToken(f)
	}
	d.render(w, r, http.StatusOK, formPage(p, s))
}

// takeForm takes an entry from a page of ours, or from a form or script of a site that the
// form allows. An entry that may be spam is answered like any other.
func (d *door) takeForm(w http.ResponseWriter, r *http.Request) {
	f, p, _, ok := d.find(w, r)
	if !ok {
		return
	}
	origin := r.Header.Get("Origin")
	if f.Allows(origin) {
		w.Header().Set("Access-Control-Allow-Origin", origin)
	}
	w.Header().Add("Vary", "Origin")
	if !d.read(w, r) {
		return
	}
	s, err := d.sheetOf(r, p, f, r.PostForm, false)
	if err != nil {
		d.failed(w, r, err)
		return
	}
	s.token = r.PostForm.Get(tokenName)
	e := leadform.Entry{About: s.about, Values: map[leadform.Field]string{}, Token: s.token, Trap: r.PostForm.Get(trapName), Lang: p.Lang,
		Known: d.own(origin) || f.Allows(origin), Flood: d.Entering.Take(d.ClientIP(r)) > 0}
	s.values = map[string]string{}
	for _, name := range leadform.Fields() {
		e.Values[name] = r.PostForm.Get(string(name))
		s.values[string(name)] = e.Values[name]
	}
	asked := slices.ContainsFunc(strings.Split(r.Header.Get("Accept"), ","), func(v string) bool { return strings.HasPrefix(strings.TrimSpace(v), "application/json") })
	_, err = d.Forms.Take(r.Context(), f, e)
	switch {
	case err == nil && asked:
		d.json(w, http.StatusOK, map[string]any{"ok": true, "thanks": thanks(p, f)})
	case err == nil && f.Redirect != "":
		http.Redirect(w, r, f.Redirect, http.StatusSeeOther)
	case err == nil:
		d.render(w, r, http.StatusOK, thanksPage(p, s))
	case fault.IsKind(err, fault.NotFound):
		d.failed(w, r, err)
	case !s.refused(p, err):
		d.later(w, r, p, s, err)
	case asked:
		d.json(w, http.StatusUnprocessableEntity, map[string]any{"ok": false, "errors": s.problems})
	default:
		d.again(w, r, p, s, err)
	}
}

// again shows a refused entry with all that was typed.
func (d *door) again(w http.ResponseWriter, r *http.Request, p page, s sheet, err error) {
	if s.note = p.t("leadform.refused", i18n.Args{"n": len(s.problems)}); fault.IsKind(err, fault.Conflict) {
		s.note, s.problems = p.fault(fault.As(err)), nil
		s.token = d.Forms.NewToken(s.Form)
	}
	if s.token == "" { // it came from a plain form; here it goes on as one of ours
		s.token = d.Forms.NewToken(s.Form)
	}
	d.render(w, r, http.StatusUnprocessableEntity, formPage(p, s))
}

// later shows an entry that could not be kept now with all that was typed: its token makes
// it the same lead when it is sent again.
func (d *door) later(w http.ResponseWriter, r *http.Request, p page, s sheet, err error) {
	d.Log.ErrorContext(r.Context(), "entry into form not kept", "form", s.ID.String(), "err", err)
	w.Header().Set("Retry-After", "30")
	if s.note = p.t("leadform.later", nil); s.token == "" {
		s.token = d.Forms.NewToken(s.Form)
	}
	d.render(w, r, http.StatusServiceUnavailable, formPage(p, s))
}

func (d *door) json(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the reader left: nothing to be done
}

func thanks(p page, f leadform.Form) string {
	if f.Thanks != "" {
		return f.Thanks
	}
	return p.t("leadform.thanks.text", nil)
}
