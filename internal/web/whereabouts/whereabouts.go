// Package whereabouts is the page „Kam nichts an?“: one box, a verdict about each
// delivery that can be meant, the text for the customer, sending again, the delivery
// proof, links to status pages, and the help for each provider.
//
// It is a subject of the door web (floor 4). What became of a mail, and in which words,
// is package diagnosis's; this one only lays it out.
package whereabouts

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"stafette/internal/diagnosis"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Config is what the pages stand on. All fields are needed.
type Config struct {
	Diagnosis *diagnosis.Service
	// ParseMailbox reads one address as a person types it. Its refusals are *fault.Error.
	ParseMailbox func(text string) (message.Mailbox, error)
}

const (
	path = "/diagnosis"
	room = "diagnosis"
	// maxText bounds a text for the customer, in bytes.
	maxText = 20_000
)

// Routes are the pages and their forms.
func Routes(c Config) []frame.Route {
	read, send := tenant.MessagesRead, tenant.MessagesSend
	return []frame.Route{
		{Pattern: "GET " + path, Permission: read, Do: c.ask, Entry: frame.Entry{Room: room, Icon: "search", Group: frame.GroupDeliverability}},
		{Pattern: "GET " + path + "/providers", Permission: read, Do: c.guides},
		{Pattern: "GET " + path + "/{id}", Permission: read, Do: c.show},
		{Pattern: "GET " + path + "/{id}/proof.pdf", Permission: read, Do: c.paper},
		{Pattern: "GET " + path + "/{id}/proof.json", Permission: read, Do: c.signed},
		{Pattern: "POST " + path + "/{id}/again", Permission: send, Do: c.again},
		{Pattern: "POST " + path + "/{id}/letter", Permission: send, Do: c.letter},
		{Pattern: "POST " + path + "/{id}/link", Permission: send, Do: c.link},
		{Pattern: "POST " + path + "/{id}/revoke", Permission: send, Do: c.revoke},
	}
}

// view is what a page shows: an answer, and where it is about one delivery, that one in
// full.
type view struct {
	answer diagnosis.Answer
	one    *full
}

// full is one verdict with all that can be done about it.
type full struct {
	diagnosis.Verdict
	told   diagnosis.Telling
	steps  []diagnosis.Step
	letter diagnosis.Letter
	lang   i18n.Lang // of the letter
	links  []diagnosis.StatusLink
	url    string     // of the newest link, "" without one
	first  message.ID // the message that this one repeats; zero if none
	gone   bool       // the content is no longer kept
	key    string     // makes sending twice the same as sending once
	done   string
	form   frame.Form
}

func voiceOf(p frame.Page) diagnosis.Voice {
	return diagnosis.Voice{Lang: p.Lang, Tone: i18n.Tone(p.Who.Tenant.OfficeTone)}
}

func (c Config) ask(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title = room, p.T("diag.title")
	answer, err := c.Diagnosis.Ask(r.Context(), p.Tenant(), r.URL.Query().Get("q"))
	if err != nil {
		return err
	}
	v := view{answer: answer}
	if len(answer.Verdicts) == 1 {
		if v.one, err = c.whole(r, p, answer.Verdicts[0]); err != nil {
			return err
		}
	}
	return p.Render(w, r, http.StatusOK, askPage(p, c.Diagnosis, v))
}

// deliveryOf reads the identifier in the path. What is none names nothing.
func deliveryOf(r *http.Request) (message.DeliveryID, error) {
	d, err := id.Parse[message.DeliveryKind](r.PathValue("id"))
	if err != nil {
		return d, fault.New(fault.NotFound, "delivery_not_found", "no such delivery")
	}
	return d, nil
}

// verdictOf reads the delivery that the path names.
func (c Config) verdictOf(r *http.Request, p frame.Page) (diagnosis.Verdict, error) {
	d, err := deliveryOf(r)
	if err != nil {
		return diagnosis.Verdict{}, err
	}
	return c.Diagnosis.Verdict(r.Context(), p.Tenant(), d)
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.page(w, r, p, http.StatusOK, frame.Form{})
}

// page shows one delivery, with the problems of a form that was refused.
func (c Config) page(w http.ResponseWriter, r *http.Request, p frame.Page, status int, form frame.Form) error {
	v, err := c.verdictOf(r, p)
	if err != nil {
		return err
	}
	p.Room, p.Title = room, p.T("diag.title")
	one, err := c.whole(r, p, v)
	if err != nil {
		return err
	}
	one.form, one.done = form, p.Done("letter", "link", "revoked")
	if text := form.Value("text"); text != "" {
		one.letter.Text = text
	}
	return p.Render(w, r, status, onePage(p, c.Diagnosis, one))
}

// whole gathers what a page says about a verdict.
func (c Config) whole(r *http.Request, p frame.Page, v diagnosis.Verdict) (*full, error) {
	f := &full{Verdict: v, told: c.Diagnosis.Tell(voiceOf(p), v), key: rand.Text(), lang: letterLang(r, p)}
	if v.Query == "" {
		f.steps = c.Diagnosis.Steps(voiceOf(p), v)
		f.first, _ = ingest.AgainOf(v.Message.Tags)
		f.gone = v.Message.Erased()
		var err error
		if f.links, err = c.Diagnosis.Links(r.Context(), p.Tenant(), v.Delivery.ID); err != nil {
			return nil, err
		}
		if len(f.links) > 0 && p.Can(tenant.MessagesSend) {
			f.url = c.Diagnosis.URL(f.links[0])
		}
	}
	voice := diagnosis.Voice{Lang: f.lang, Tone: i18n.Tone(p.Who.Tenant.CustomerTone)}
	f.letter = c.Diagnosis.Letter(voice, v, cmp.Or(v.Message.From.Name, p.Who.Tenant.Name), f.url)
	return f, nil
}

// letterLang is the language of the text for the customer: as chosen, otherwise that of
// the page.
func letterLang(r *http.Request, p frame.Page) i18n.Lang {
	if lang := i18n.Lang(r.FormValue("text_lang")); lang.Valid() {
		return lang
	}
	return p.Lang
}

// principal is who sends from these pages.
func principal(p frame.Page) ingest.Principal {
	return ingest.Principal{Tenant: p.Tenant(), Actor: p.Who.User.ID.String(), Door: "office"}
}

// again sends the message once more, to the same recipient or to another address.
func (c Config) again(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	d, err := deliveryOf(r)
	if err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{"other": strings.TrimSpace(r.PostForm.Get("other"))}}
	var to message.Mailbox
	switch r.PostForm.Get("do") {
	case "same":
	case "other":
		if to, err = c.ParseMailbox(form.Value("other")); err != nil {
			return c.refused(w, r, p, form, "other", err)
		}
	default:
		return c.refused(w, r, p, form, "", fault.Field("do", "command_unknown", "neither the same nor another address"))
	}
	receipt, err := c.Diagnosis.SendAgain(r.Context(), principal(p), d, to, keyOf(r))
	if err != nil {
		return c.refused(w, r, p, form, "other", err)
	}
	frame.Redirect(w, r, "/messages/"+receipt.ID.String(), "sent")
	return nil
}

// letter sends the text to an address.
func (c Config) letter(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	d, err := deliveryOf(r)
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(r.PostForm.Get("text"), "\r\n", "\n")
	form := frame.Form{Values: map[string]string{"to": strings.TrimSpace(r.PostForm.Get("to")), "text": text}}
	switch {
	case strings.TrimSpace(text) == "":
		form.Add("text", p.T("diag.text.missing"))
	case len(text) > maxText:
		form.Add("text", p.T("diag.text.long"))
	}
	to, err := c.ParseMailbox(form.Value("to"))
	if err != nil || !form.Valid() {
		return c.refused(w, r, p, form, "to", err)
	}
	v, err := c.verdictOf(r, p)
	if err != nil {
		return err
	}
	voice := diagnosis.Voice{Lang: letterLang(r, p), Tone: i18n.Tone(p.Who.Tenant.CustomerTone)}
	l := diagnosis.Letter{Subject: c.Diagnosis.Letter(voice, v, "", "").Subject, Text: text}
	if _, err := c.Diagnosis.SendLetter(r.Context(), principal(p), d, to, l, keyOf(r)); err != nil {
		return c.refused(w, r, p, form, "to", err)
	}
	frame.Redirect(w, r, path+"/"+d.String(), "letter")
	return nil
}

// keyOf is the form's own key; a form without one is a new request.
func keyOf(r *http.Request) string {
	if key := r.PostForm.Get("key"); key != "" && len(key) <= 64 {
		return key
	}
	return rand.Text()
}

// refused shows the page again with a refusal at its field; err may be nil.
func (c Config) refused(w http.ResponseWriter, r *http.Request, p frame.Page, form frame.Form, field string, err error) error {
	status := http.StatusUnprocessableEntity
	if err != nil {
		e := fault.As(err)
		if e == nil {
			return fmt.Errorf("send: %w", err)
		}
		form.Add(field, p.FaultText(e, form.Value(field)))
		status = frame.StatusOf(e.Kind)
	}
	return c.page(w, r, p, status, form)
}

func (c Config) link(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	d, err := deliveryOf(r)
	if err != nil {
		return err
	}
	if _, err := c.Diagnosis.LinkTo(r.Context(), p.Tenant(), d, p.Who.User.ID.String()); err != nil {
		return err
	}
	frame.Redirect(w, r, path+"/"+d.String(), "link")
	return nil
}

func (c Config) revoke(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	d, err := deliveryOf(r)
	if err != nil {
		return err
	}
	if _, err := c.Diagnosis.Revoke(r.Context(), p.Tenant(), d); err != nil {
		return err
	}
	frame.Redirect(w, r, path+"/"+d.String(), "revoked")
	return nil
}

func (c Config) paper(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	proof, err := c.prove(r, p)
	if err != nil {
		return err
	}
	data, err := c.Diagnosis.PDF(proof, p.Lang)
	if err != nil {
		return err
	}
	return file(w, "application/pdf", proof.Facts.Delivery+".pdf", data)
}

func (c Config) signed(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	proof, err := c.prove(r, p)
	if err != nil {
		return err
	}
	data, err := proof.JSON()
	if err != nil {
		return err
	}
	return file(w, "application/json", proof.Facts.Delivery+".json", data)
}

func (c Config) prove(r *http.Request, p frame.Page) (diagnosis.Proof, error) {
	d, err := deliveryOf(r)
	if err != nil {
		return diagnosis.Proof{}, err
	}
	return c.Diagnosis.Prove(r.Context(), p.Tenant(), d)
}

// file hands over a file to keep; its name is an identifier.
func file(w http.ResponseWriter, kind, name string, data []byte) error {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(data) //nolint:gosec // G705: an attachment of JSON or PDF, with nosniff
	return nil
}

func (c Config) guides(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title = room, p.T("guides.title")
	return p.Render(w, r, http.StatusOK, guidesPage(p, c.Diagnosis))
}

// face is the mark and the word under which a verdict stands.
func face(p frame.Page, v diagnosis.Verdict) (mark, word string) {
	switch v.Situation {
	case diagnosis.Never, diagnosis.NotFound:
		return "cancelled", p.T("diag.never.label")
	case diagnosis.Late:
		return string(event.Bounced), p.T("mark.late_bounce.label")
	case diagnosis.Complained:
		return "signal", p.T("mark.complained.label")
	}
	return string(v.Delivery.State), p.T("state." + string(v.Delivery.State) + ".label")
}

// addressText is an address as people read it.
func addressText(a message.Address) string { return a.Local + "@" + a.Domain }

// subjectText is a subject as lists show it.
func subjectText(p frame.Page, s string) string {
	if strings.TrimSpace(s) == "" {
		return p.T("message.nosubject")
	}
	return s
}

// facts are the lines of the evidence.
func (f full) facts(p frame.Page, d *diagnosis.Service) []frame.Fact {
	e := f.Evidence
	list := []frame.Fact{
		{Name: p.T("diag.fact.recipient"), Value: addressText(f.Delivery.Recipient)},
		{Name: p.T("diag.fact.accepted"), Value: d.Moment(p.Lang, f.Message.AcceptedAt)},
	}
	if a := e.Attempt; a != nil {
		list = append(list, frame.Fact{Name: p.T("diag.fact.at"), Value: d.Moment(p.Lang, e.At)})
		if a.MX != "" {
			list = append(list, frame.Fact{Name: p.T("diag.fact.host"), Value: strings.TrimSpace(a.MX + " " + a.Address), Mono: true})
		}
		list = append(list, frame.Fact{Name: p.T("diag.fact.reply"), Value: d.Reply(voiceOf(p), f.Verdict), Mono: true})
		if a.Code != 0 {
			list = append(list, frame.Fact{Name: p.T("diag.fact.tls"), Value: d.Protection(voiceOf(p), f.Verdict)})
		}
		if a.Source != "" {
			list = append(list, frame.Fact{Name: p.T("diag.fact.source"), Value: strings.TrimSpace(a.Source + " " + a.EHLO), Mono: true})
		}
	}
	if f.Delivery.Attempts > 0 {
		list = append(list, frame.Fact{Name: p.T("diag.fact.attempts"), Value: p.Number(int64(f.Delivery.Attempts))})
	}
	if f.Situation == diagnosis.Delivered || f.Situation == diagnosis.Forwarded {
		list = append(list, frame.Fact{Name: p.T("diag.fact.after"), Value: p.T("diag.fact.after.none")})
	}
	return append(list, frame.Fact{Name: p.T("diag.fact.messageid"), Value: "<" + f.Message.MessageID + ">", Mono: true})
}

// query leads to the answer about a text.
func query(q string) string { return path + "?" + url.Values{"q": {q}}.Encode() }
