package offerpages

import (
	"net/http"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/offer"
)

// show is the page of the offer, the question for its password, or the notice that it is
// over.
func (d *door) show(w http.ResponseWriter, r *http.Request, p page) {
	switch p.State {
	case offer.Locked:
		d.render(w, r, http.StatusOK, lockedPage(p))
	case offer.Over:
		d.render(w, r, http.StatusGone, overPage(p))
	case offer.Opened:
		d.Offers.Looked(r.Context(), p.Visit, d.asked(r))
		d.render(w, r, http.StatusOK, offerPage(p))
	}
}

// shut answers requests for parts of an offer that is not open, and reports whether it did.
func (d *door) shut(w http.ResponseWriter, r *http.Request, p page) bool {
	switch p.State {
	case offer.Locked:
		d.render(w, r, http.StatusForbidden, lockedPage(p))
		return true
	case offer.Over:
		d.render(w, r, http.StatusGone, overPage(p))
		return true
	case offer.Opened:
	}
	return false
}

func (d *door) unlock(w http.ResponseWriter, r *http.Request, p page) {
	if p.State != offer.Locked {
		d.back(w, r, p, "", "")
		return
	}
	if wait := d.Guessing.Take(p.Recipient.ID.String()); wait > 0 {
		d.limited(w, r, wait)
		return
	}
	key, err := d.Offers.Unlock(r.Context(), p.Visit, r.PostForm.Get("password"))
	if fault.IsKind(err, fault.Unauthenticated) {
		p.problems["password"] = p.t("password.wrong", nil)
		d.render(w, r, http.StatusForbidden, lockedPage(p))
		return
	}
	if err != nil {
		d.failed(w, r, err)
		return
	}
	p.key = key
	d.back(w, r, p, "", "")
}

func (d *door) fetch(w http.ResponseWriter, r *http.Request, p page) {
	if d.shut(w, r, p) {
		return
	}
	f, data, err := d.Offers.Fetch(r.Context(), p.Visit, r.PathValue("file"), d.asked(r))
	switch {
	case fault.IsKind(err, fault.Forbidden):
		d.back(w, r, p, "", "#expose")
	case err != nil:
		d.failed(w, r, err)
	default:
		d.file(w, r, f, data)
	}
}

// follow leads to a link of the offer: where to stands in the offer, never in the address
// (T24).
func (d *door) follow(w http.ResponseWriter, r *http.Request, p page) {
	if d.shut(w, r, p) {
		return
	}
	target, err := d.Offers.Follow(r.Context(), p.Visit, r.PathValue("link"), d.asked(r))
	if err != nil {
		d.failed(w, r, err)
		return
	}
	http.Redirect(w, r, target, http.StatusFound) //nolint:gosec // G710: from the store, where its sender pointed
}

// trap answers like an address that is not there: whoever came here was no person.
func (d *door) trap(w http.ResponseWriter, r *http.Request, p page) {
	if p.State == offer.Opened {
		d.Offers.Trapped(r.Context(), p.Visit, d.asked(r))
	}
	d.sorry(w, r, http.StatusNotFound, "unknown")
}

func (d *door) notice(w http.ResponseWriter, r *http.Request, p page) {
	if d.shut(w, r, p) {
		return
	}
	d.Offers.ReadNotice(r.Context(), p.Visit, d.asked(r))
	d.render(w, r, http.StatusOK, noticePage(p))
}

func (d *door) confirm(w http.ResponseWriter, r *http.Request, p page) {
	if d.shut(w, r, p) {
		return
	}
	var ticked []offer.BoxKind
	for _, k := range r.PostForm["box"] {
		ticked = append(ticked, offer.BoxKind(k))
		p.values["box_"+k] = "on"
	}
	_, err := d.Offers.Confirm(r.Context(), p.Visit, r.PostForm.Get("wording"), ticked, p.Lang, d.asked(r))
	if err == nil {
		d.back(w, r, p, "confirmed", "#expose")
		return
	}
	if !p.refused(err) {
		d.failed(w, r, err)
		return
	}
	d.render(w, r, http.StatusUnprocessableEntity, offerPage(p))
}

// refused notes the problems of a refusal, and reports whether it was one of the input.
func (p page) refused(err error) bool {
	e := fault.As(err)
	if e == nil || e.Kind != fault.Invalid && e.Kind != fault.Conflict {
		return false
	}
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		text := p.t("problem", nil)
		if key := "fault." + one.Code; p.catalog.Has(key) {
			text = p.catalog.Text(p.Lang, i18n.Sie, key, nil)
		}
		p.problems[one.Field] = text
	}
	return true
}

func (d *door) like(w http.ResponseWriter, r *http.Request, p page) {
	if d.shut(w, r, p) {
		return
	}
	unit := r.PathValue("unit")
	if err := d.Offers.Like(r.Context(), p.Visit, unit, r.PostForm.Get("on") == "1", d.asked(r)); err != nil {
		d.failed(w, r, err)
		return
	}
	d.back(w, r, p, "", "#unit-"+unit)
}

func (d *door) unwatch(w http.ResponseWriter, r *http.Request, p page) {
	if d.shut(w, r, p) {
		return
	}
	if err := d.Offers.Unwatch(r.Context(), p.Visit, p.t("watched", nil)); err != nil {
		d.failed(w, r, err)
		return
	}
	d.back(w, r, p, "unwatched", "")
}

// beginWithdrawal and withdraw are open on every link, also when it is over or behind a
// password: the function must always be there (§ 356a BGB).
func (d *door) beginWithdrawal(w http.ResponseWriter, r *http.Request, p page) {
	p.values = map[string]string{"name": p.Recipient.Name, "contract": p.Version.Content.Title, "email": p.Recipient.Address.String()}
	if p.State == offer.Locked {
		p.values = map[string]string{} // who does not know the password learns nothing
	}
	d.render(w, r, http.StatusOK, withdrawPage(p))
}

func (d *door) withdraw(w http.ResponseWriter, r *http.Request, p page) {
	get := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	v := offer.Withdrawal{Name: get("name"), Contract: get("contract"), Email: get("email")}
	p.values = map[string]string{"name": v.Name, "contract": v.Contract, "email": v.Email}
	text, err := d.Offers.Declare(p.Visit, v, p.Lang)
	switch {
	case err != nil && p.refused(err):
		d.render(w, r, http.StatusUnprocessableEntity, withdrawPage(p))
		return
	case err != nil:
		d.failed(w, r, err)
		return
	case get("step") == "back":
		d.render(w, r, http.StatusOK, withdrawPage(p))
		return
	case get("step") != "confirm":
		p.text = text
		d.render(w, r, http.StatusOK, reviewPage(p))
		return
	}
	a, err := d.Offers.Withdraw(r.Context(), p.Visit, v, p.Lang, d.asked(r))
	if err != nil {
		d.failed(w, r, err)
		return
	}
	p.act, p.text = &a, text
	d.render(w, r, http.StatusOK, withdrawnPage(p))
}

// receipt is the wording of an act as PDF, to keep.
func (d *door) receipt(w http.ResponseWriter, r *http.Request, p page) {
	if p.State == offer.Locked {
		d.shut(w, r, p)
		return
	}
	number, err := id.Parse[offer.ActIDKind](r.PathValue("act"))
	if err != nil {
		d.sorry(w, r, http.StatusNotFound, "unknown")
		return
	}
	a, err := d.Offers.Act(r.Context(), p.Recipient, number)
	var v offer.Visit
	if err == nil {
		v, err = d.Offers.VisitOf(r.Context(), a)
	}
	var data []byte
	if err == nil {
		data, err = d.Offers.ReceiptPDF(v, a)
	}
	if err != nil {
		d.failed(w, r, err)
		return
	}
	d.file(w, r, offer.File{Media: "application/pdf", Name: p.t("receipt.file", nil)}, data)
}

func (d *door) previewed(w http.ResponseWriter, r *http.Request) (page, bool) {
	v, err := d.Offers.Preview(r.Context(), r.PathValue("token"))
	if err != nil {
		d.failed(w, r, err)
		return page{}, false
	}
	frames := strings.TrimSpace("'self' " + d.Frames)
	w.Header().Set("Content-Security-Policy", policy+frames)
	return d.page(r, v, offer.PreviewPath+r.PathValue("token")), true
}

func (d *door) preview(w http.ResponseWriter, r *http.Request) {
	if p, ok := d.previewed(w, r); ok {
		// In its sandbox the page is of no origin; its style and pictures are not secret.
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		d.render(w, r, http.StatusOK, offerPage(p))
	}
}

func (d *door) previewFile(w http.ResponseWriter, r *http.Request) {
	p, ok := d.previewed(w, r)
	if !ok {
		return
	}
	f, data, err := d.Offers.Fetch(r.Context(), p.Visit, r.PathValue("file"), d.asked(r))
	if err != nil {
		d.failed(w, r, err)
		return
	}
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	d.file(w, r, f, data)
}
