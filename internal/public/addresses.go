package public

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/published"
	"stafette/internal/tenant"
)

const (
	jsonEnd = ".json"
	textEnd = ".txt"
	sigEnd  = ".txt.sig"
	// maxForm bounds the short forms.
	maxForm = 8 << 10
)

// addresses adds the pages of sending addresses in both languages.
func (d *door) addresses(mux *http.ServeMux) {
	mux.HandleFunc("GET "+published.KeyPath, func(w http.ResponseWriter, r *http.Request) {
		d.file(w, r, "application/x-pem-file", d.Published.PublicKey())
	})
	for lang, path := range map[i18n.Lang]string{i18n.German: published.PathDE, i18n.English: published.PathEN} {
		of := func(do func(http.ResponseWriter, *http.Request, i18n.Lang, string)) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { do(w, r, lang, r.PathValue("account")) }
		}
		mux.HandleFunc("GET "+path, of(d.list))
		for _, end := range []string{jsonEnd, textEnd, sigEnd} {
			mux.HandleFunc("GET "+path+end, func(w http.ResponseWriter, r *http.Request) { d.list(w, r, lang, end) })
		}
		mux.HandleFunc("GET "+path+"/{account}", of(d.list))
		mux.HandleFunc("POST "+path, of(d.subscribe))
		mux.HandleFunc("POST "+path+"/{account}", of(d.subscribe))
		mux.HandleFunc("GET "+path+"/confirm/{account}", of(d.wish))
		mux.HandleFunc("POST "+path+"/confirm/{account}", of(d.confirm))
		mux.HandleFunc("GET "+path+"/end/{account}", of(d.subscribed))
		mux.HandleFunc("POST "+path+"/end/{account}", of(d.end))
		mux.HandleFunc("POST "+path+"/hook/{account}", of(d.hook))
	}
}

// list answers with a list as page, JSON, text or signature of the text, by the end of
// its name.
func (d *door) list(w http.ResponseWriter, r *http.Request, lang i18n.Lang, name string) {
	end := ""
	for _, e := range []string{jsonEnd, sigEnd, textEnd} {
		if strings.HasSuffix(name, e) {
			name, end = strings.TrimSuffix(name, e), e
			break
		}
	}
	of, err := account(name)
	var l published.List
	if err == nil {
		l, err = d.Published.List(r.Context(), of)
	}
	if fault.IsKind(err, fault.NotFound) {
		d.notice(w, r, d.sheet(lang, "Stafette"), http.StatusNotFound, "genuine.missing", "")
		return
	}
	if err == nil && end != "" {
		err = d.asFile(w, r, l, end)
	} else if err == nil {
		d.show(w, r, http.StatusOK, addressesPage(d.listSheet(lang, l), l, subscribing{}))
	}
	if err != nil {
		d.failed(w, r, d.sheet(lang, "Stafette"), "sending addresses not shown", err)
	}
}

// listSheet is the page of a list.
func (d *door) listSheet(lang i18n.Lang, l published.List) sheet {
	s := d.sheet(lang, l.Name)
	s.other = d.Published.Path(s.otherLang(), l.For)
	return s
}

func (d *door) asFile(w http.ResponseWriter, r *http.Request, l published.List, end string) error {
	if end == jsonEnd {
		body, err := d.Published.JSON(l)
		if err == nil {
			d.file(w, r, "application/json", body)
		}
		return err
	}
	text, signature, err := d.Published.Text(l)
	switch {
	case err != nil:
		return err
	case end == sigEnd:
		d.file(w, r, "application/octet-stream", signature)
	default:
		d.file(w, r, "text/plain; charset=utf-8", text)
	}
	return nil
}

// file answers with something that programs fetch again and again, from anywhere.
func (d *door) file(w http.ResponseWriter, r *http.Request, kind string, body []byte) {
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(body) //nolint:gosec // never of the type of a page; the reader left: nothing to be done
}

// subscribing is the state of the forms of a page.
type subscribing struct {
	email, url           string
	emailFault, urlFault string
}

func (d *door) subscribe(w http.ResponseWriter, r *http.Request, lang i18n.Lang, name string) {
	s := d.sheet(lang, "Stafette")
	if !d.mayAsk(w, r, s) {
		return
	}
	of, err := account(name)
	var l published.List
	if err == nil {
		l, err = d.Published.List(r.Context(), of)
	}
	if fault.IsKind(err, fault.NotFound) {
		d.notice(w, r, s, http.StatusNotFound, "genuine.missing", "")
		return
	}
	if err != nil {
		d.failed(w, r, s, "sending addresses not shown", err)
		return
	}
	s = d.listSheet(lang, l)
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		d.notice(w, r, s, http.StatusBadRequest, "published.retry", "")
		return
	}
	if r.PostForm.Has("url") {
		d.subscribeHook(w, r, s, l)
		return
	}
	d.subscribeMail(w, r, s, l)
}

func (d *door) subscribeMail(w http.ResponseWriter, r *http.Request, s sheet, l published.List) {
	f := subscribing{email: r.PostForm.Get("email")}
	err := d.Published.SubscribeMail(r.Context(), l.For, f.email, s.lang)
	switch refusal := fault.As(err); {
	case err == nil:
		d.notice(w, r, s, http.StatusOK, "published.asked", d.Published.Path(string(s.lang), l.For))
	case refusal != nil && refusal.Kind == fault.Invalid:
		f.emailFault = s.t("fault."+refusal.Code, i18n.Args{"value": f.email})
		d.show(w, r, http.StatusUnprocessableEntity, addressesPage(s, l, f))
	default:
		d.failed(w, r, s, "subscription not taken", err)
	}
}

func (d *door) subscribeHook(w http.ResponseWriter, r *http.Request, s sheet, l published.List) {
	f := subscribing{url: r.PostForm.Get("url")}
	hook, err := d.Published.SubscribeHook(r.Context(), l.For, f.url, s.lang)
	switch refusal := fault.As(err); {
	case err == nil:
		s.other = "" // the secret is on this page alone
		d.show(w, r, http.StatusOK, hookPage(s, d.hookPath(s.lang, hook.Confirm), &hook, false))
	case refusal != nil && (refusal.Kind == fault.Invalid || refusal.Kind == fault.Conflict):
		f.urlFault = s.t("fault."+refusal.Code, nil)
		d.show(w, r, http.StatusUnprocessableEntity, addressesPage(s, l, f))
	default:
		d.failed(w, r, s, "webhook not taken", err)
	}
}

func (d *door) hookPath(lang i18n.Lang, token string) string {
	return d.Published.Path(string(lang), tenant.ID{}) + "/hook/" + token
}

// hook has a webhook checked.
func (d *door) hook(w http.ResponseWriter, r *http.Request, lang i18n.Lang, token string) {
	s := d.sheet(lang, "Stafette")
	if !d.mayAsk(w, r, s) {
		return
	}
	err := d.Published.CheckHook(r.Context(), token)
	if fault.IsKind(err, fault.Conflict) {
		d.show(w, r, http.StatusConflict, hookPage(s, d.hookPath(lang, token), nil, true))
		return
	}
	d.settled(w, r, s, "published.confirmed", err)
}

func (d *door) wish(w http.ResponseWriter, r *http.Request, lang i18n.Lang, token string) {
	_, err := d.Published.Wish(r.Context(), token)
	d.question(w, r, lang, "published.confirm", err)
}

func (d *door) subscribed(w http.ResponseWriter, r *http.Request, lang i18n.Lang, token string) {
	_, err := d.Published.Subscribed(r.Context(), token)
	d.question(w, r, lang, "published.end", err)
}

// question asks before anything is changed: mail filters follow every link.
func (d *door) question(w http.ResponseWriter, r *http.Request, lang i18n.Lang, key string, err error) {
	s := d.sheet(lang, "Stafette")
	if err != nil {
		d.settled(w, r, s, "", err)
		return
	}
	d.show(w, r, http.StatusOK, questionPage(s, key, r.URL.Path))
}

func (d *door) confirm(w http.ResponseWriter, r *http.Request, lang i18n.Lang, token string) {
	d.settled(w, r, d.sheet(lang, "Stafette"), "published.confirmed", d.Published.Confirm(r.Context(), token))
}

// end is a person's button, or that of a mail program (RFC 8058).
func (d *door) end(w http.ResponseWriter, r *http.Request, lang i18n.Lang, token string) {
	d.settled(w, r, d.sheet(lang, "Stafette"), "published.ended", d.Published.End(r.Context(), token))
}

// settled tells what came of a change.
func (d *door) settled(w http.ResponseWriter, r *http.Request, s sheet, key string, err error) {
	switch {
	case err == nil:
		d.notice(w, r, s, http.StatusOK, key, d.Published.Path(string(s.lang), tenant.ID{}))
	case fault.IsKind(err, fault.NotFound):
		d.notice(w, r, s, http.StatusNotFound, "published.gone", d.Published.Path(string(s.lang), tenant.ID{}))
	default:
		d.failed(w, r, s, "subscription not changed", err)
	}
}

// roleMark is the colour of a role, among those of states.
func roleMark(r egress.SourceState) string {
	switch r {
	case egress.StateActive:
		return "delivered"
	case egress.StateNew:
		return "sending"
	case egress.StateRetiring:
		return "deferred"
	}
	return "expired"
}
