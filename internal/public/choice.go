package public

import (
	"net/http"
	"slices"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/preference"
	"stafette/internal/tenant"
)

// leavingPerMinute bounds what mail programs' servers may send of one-click requests: a
// provider asks for many people from few addresses, and must not be kept from it.
const leavingPerMinute = 6000

// maxChoice bounds the form of a page, in bytes.
const maxChoice = 4 << 10

func (d *door) choices(mux *http.ServeMux) {
	mux.HandleFunc("GET "+preference.Path+"{token}", d.showChoice)
	mux.HandleFunc("POST "+preference.Path+"{token}", d.takeChoice)
	mux.HandleFunc("OPTIONS "+preference.Path+"{token}", func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		anyOrigin(h)
		h.Set("Access-Control-Allow-Methods", "POST")
		h.Set("Access-Control-Allow-Headers", "Content-Type")
		h.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
	})
}

// anyOrigin lets mail programs that are web sites ask for one click. There is no cookie
// that would go with it, and only who has the mail knows the link.
func anyOrigin(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

// choice is the page in the language asked for in its address, else the browser's.
func (d *door) choice(r *http.Request, brand string) sheet {
	lang := i18n.Lang(r.URL.Query().Get("lang"))
	if !lang.Valid() {
		lang = i18n.Negotiate(r.Header.Get("Accept-Language"))
	}
	s := d.sheet(lang, brand)
	s.other = r.URL.Path + "?lang=" + s.otherLang()
	return s
}

func (d *door) showChoice(w http.ResponseWriter, r *http.Request) {
	v, err := d.Preference.Open(r.Context(), r.PathValue("token"))
	if err != nil {
		d.choiceFailed(w, r, err)
		return
	}
	d.show(w, r, http.StatusOK, choicePage(d.choice(r, v.Tenant.Name), v, ""))
}

// takeChoice takes both the click of a mail program (RFC 8058) and the form of the page.
func (d *door) takeChoice(w http.ResponseWriter, r *http.Request) {
	anyOrigin(w.Header())
	r.Body = http.MaxBytesReader(w, r.Body, maxChoice)
	// RFC 8058, 3.2: the body is a form of either encoding.
	if err := r.ParseMultipartForm(maxChoice); err != nil && r.PostForm == nil { //nolint:gosec // G120: the body is bounded above
		d.notice(w, r, d.choice(r, "Stafette"), http.StatusBadRequest, "choice.unreadable", "")
		return
	}
	token := r.PathValue("token")
	if r.PostForm.Get("List-Unsubscribe") == "One-Click" {
		v, err := d.Preference.Leave(r.Context(), token)
		if err != nil {
			d.choiceFailed(w, r, err)
			return
		}
		d.show(w, r, http.StatusOK, choicePage(d.choice(r, v.Tenant.Name), v, "choice.left"))
		return
	}
	var want []tenant.Stream
	done := "choice.saved"
	switch r.PostForm.Get("do") {
	case "save":
		for _, name := range r.PostForm["want"] {
			want = append(want, tenant.Stream(name))
		}
	case "none":
		done = "choice.left_all"
	default:
		d.notice(w, r, d.choice(r, "Stafette"), http.StatusBadRequest, "choice.unreadable", "")
		return
	}
	v, err := d.Preference.Choose(r.Context(), token, want)
	if err != nil {
		d.choiceFailed(w, r, err)
		return
	}
	d.show(w, r, http.StatusOK, choicePage(d.choice(r, v.Tenant.Name), v, done))
}

func (d *door) choiceFailed(w http.ResponseWriter, r *http.Request, err error) {
	s := d.choice(r, "Stafette")
	switch {
	case fault.IsKind(err, fault.NotFound):
		d.notice(w, r, s, http.StatusNotFound, "choice.unknown", "")
	case fault.IsKind(err, fault.Invalid):
		d.notice(w, r, s, http.StatusBadRequest, "choice.unreadable", "")
	default:
		d.failed(w, r, s, "choice of a recipient not taken", err)
	}
}

// mine reports whether a person may tick a category: it is on, or off by their own wish.
func mine(v preference.State, stream tenant.Stream) bool {
	return v.Off[stream] == "" || v.Mine(stream)
}

// lost lists the categories that only the sender can open again.
func lost(v preference.State) []tenant.Stream {
	return slices.DeleteFunc(v.Listed(), func(stream tenant.Stream) bool { return mine(v, stream) })
}
