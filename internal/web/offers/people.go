package offers

import (
	"cmp"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/offer"
	"stafette/internal/web/frame"
)

// person is a recipient in the table of an offer.
type person struct {
	offer.Recipient
	confirmed time.Time // zero: not
	withdrawn bool
	likes     int
}

// state is the last that is certain of a recipient.
func (v person) state(now time.Time) string {
	switch {
	case v.withdrawn:
		return "withdrawn"
	case !v.RestrictedAt.IsZero():
		return "restricted"
	case !v.confirmed.IsZero():
		return "confirmed"
	case !v.RevokedAt.IsZero():
		return "revoked"
	case v.Over(now):
		return "expired"
	case v.Message.IsZero() || v.Reason != "":
		return "unsent"
	}
	return "sent"
}

func personMark(state string) string {
	return map[string]string{"withdrawn": "bounced", "restricted": "suppressed", "confirmed": "delivered", "revoked": "cancelled", "expired": "expired", "unsent": "held", "sent": "sending"}[state]
}

// people reads the recipients of an offer with what they did.
func (c Config) people(r *http.Request, p frame.Page, o offer.Offer) ([]person, error) {
	recipients, err := c.Offers.Recipients(r.Context(), p.Tenant(), o.ID)
	if err != nil {
		return nil, fmt.Errorf("list recipients: %w", err)
	}
	acts, err := c.Offers.Acts(r.Context(), p.Tenant(), o.ID, offer.RecipientID{})
	if err != nil {
		return nil, fmt.Errorf("list proofs: %w", err)
	}
	likes, err := c.Offers.Likes(r.Context(), p.Tenant(), o.ID)
	if err != nil {
		return nil, fmt.Errorf("list likes: %w", err)
	}
	by := map[offer.RecipientID]*person{}
	list := make([]person, len(recipients))
	for i, one := range recipients {
		list[i].Recipient = one
		by[one.ID] = &list[i]
	}
	for _, a := range acts {
		switch v := by[a.Recipient]; {
		case v == nil:
		case a.Kind == offer.Confirmed:
			v.confirmed = a.At
		case a.Kind == offer.Withdrawn:
			v.withdrawn = v.withdrawn || a.HandledAt.IsZero()
		}
	}
	for _, l := range likes {
		if v := by[l.Recipient]; v != nil {
			v.likes++
		}
	}
	return list, nil
}

func peopleRoll(p frame.Page, o offer.ID) frame.Roll[person] {
	cell := func(key string, text func(person) string) frame.Cell[person] {
		return frame.Cell[person]{Column: frame.Column{Key: key, Title: p.T("offers.to.col." + key)}, Text: text}
	}
	sent := cell("sent", func(v person) string {
		if v.SentAt.IsZero() {
			return ""
		}
		return p.Full(v.SentAt)
	})
	sent.Order = func(a, b person) int { return a.SentAt.Compare(b.SentAt) }
	likes := cell("likes", func(v person) string { return strconv.Itoa(v.likes) })
	likes.Number, likes.Order = true, func(a, b person) int { return cmp.Compare(a.likes, b.likes) }
	return frame.Roll[person]{
		Listing: frame.Listing{Name: "offer-recipients", Path: path(o), Sort: "sent", Descending: true},
		Cells: []frame.Cell[person]{
			cell("name", func(v person) string { return strings.TrimSpace(v.Name + " " + v.Address.String()) }),
			cell("state", func(v person) string { return p.T("offers.to.state." + v.state(p.Now)) }), likes, sent,
		},
	}
}

func (c Config) exportRecipients(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	o, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	all, err := c.people(r, p, o)
	if err != nil {
		return err
	}
	l := peopleRoll(p, o.ID)
	_, rows := l.Read(r, all)
	return l.CSV(w, p, p.T("offers.to.filename"), rows)
}

// letterForm is the form of the mail.
func (c Config) letterForm(r *http.Request, p frame.Page, o offer.Offer) (frame.Form, error) {
	l, err := c.Offers.NewLetter(r.Context(), o, p.Lang)
	if err != nil {
		return frame.Form{}, fmt.Errorf("begin letter: %w", err)
	}
	return frame.Form{Values: map[string]string{"subject": l.Subject, "text": l.Text, "days": "90"}}, nil
}

func (c Config) beginLetter(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	o, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	f, err := c.letterForm(r, p, o)
	if err != nil {
		return err
	}
	return c.letterPage(w, r, p, http.StatusOK, o, f)
}

func (c Config) letterPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, o offer.Offer, f frame.Form) error {
	p.Room, p.Title = room, p.T("offers.send.title", "title", o.Content.Title)
	return p.Render(w, r, status, sendPage(p, o, f))
}

// mailboxes reads addresses as people write them: by lines, commas or semicolons.
func mailboxes(text string) ([]message.Mailbox, error) {
	text = strings.NewReplacer("\r\n", ",", "\n", ",", ";", ",").Replace(text)
	return message.ParseMailboxes(strings.Trim(text, ", "))
}

func (c Config) send(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	o, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	get := func(name string) string { return strings.ReplaceAll(r.PostForm.Get(name), "\r\n", "\n") }
	f := frame.Form{Values: map[string]string{}}
	for _, name := range []string{"to", "subject", "text", "days"} {
		f.Values[name] = get(name)
	}
	l := offer.Letter{Subject: get("subject"), Text: get("text"), Password: get("password"), Lang: p.Lang}
	if l.To, err = mailboxes(get("to")); err != nil {
		f.Add("to", p.FaultText(fault.As(err), get("to")))
	}
	if days := strings.TrimSpace(get("days")); days != "" {
		n, err := strconv.Atoi(days)
		if err != nil || n < 1 || n > 730 {
			f.Add("expires", p.T("fault."+offer.CodeExpiry))
		}
		l.Expires = time.Duration(n) * 24 * time.Hour
	}
	if f.Valid() {
		_, err = c.Offers.Send(r.Context(), who(p), o.ID, l)
		if err == nil {
			frame.Redirect(w, r, path(o.ID), "sent")
			return nil
		}
		if !frame.Refused(p, &f, err, "") {
			return fmt.Errorf("send offer: %w", err)
		}
	}
	return c.letterPage(w, r, p, http.StatusUnprocessableEntity, o, f)
}

// recipient reads the one that the path names.
func (c Config) recipient(r *http.Request, p frame.Page) (offer.Recipient, error) {
	o, err := c.ofPath(r, p)
	if err != nil {
		return offer.Recipient{}, err
	}
	number, err := id.Parse[offer.RecipientKind](r.PathValue("recipient"))
	if err != nil {
		return offer.Recipient{}, fault.New(fault.NotFound, offer.CodeUnknown, "There is no such recipient.")
	}
	return c.Offers.Recipient(r.Context(), p.Tenant(), o.ID, number)
}

func personPath(v offer.Recipient) string { return path(v.Offer) + "/recipients/" + v.ID.String() }

// personView is the page of a recipient.
type personView struct {
	offer.Facts
	link  string
	state string
	form  frame.Form
}

func (c Config) showRecipient(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	one, err := c.recipient(r, p)
	if err != nil {
		return err
	}
	v := personView{}
	if v.Facts, err = c.Offers.Facts(r.Context(), p.Tenant(), one.Offer, one.ID); err != nil {
		return fmt.Errorf("read facts: %w", err)
	}
	row := person{Recipient: one}
	for _, a := range v.Acts {
		if a.Kind == offer.Confirmed {
			row.confirmed = a.At
		} else if a.HandledAt.IsZero() {
			row.withdrawn = true
		}
	}
	v.state, v.link = row.state(p.Now), c.Offers.LinkOf(one)
	if v.form, err = c.letterForm(r, p, v.Offer); err != nil {
		return err
	}
	p.Room, p.Title = room, one.Title()
	return p.Render(w, r, http.StatusOK, personPage(p, v))
}

func (c Config) resend(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	one, err := c.recipient(r, p)
	if err != nil {
		return err
	}
	l := offer.Letter{Subject: r.PostForm.Get("subject"), Text: strings.ReplaceAll(r.PostForm.Get("text"), "\r\n", "\n"), Lang: p.Lang}
	sent, err := c.Offers.Resend(r.Context(), who(p), one.Offer, one.ID, l)
	if err != nil {
		return fmt.Errorf("send offer again: %w", err)
	}
	done := "sent"
	if sent.Reason != "" {
		done = "refused"
	}
	frame.Redirect(w, r, personPath(one), done)
	return nil
}

func (c Config) revoke(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	one, err := c.recipient(r, p)
	if err != nil {
		return err
	}
	if err := c.Offers.Revoke(r.Context(), p.Tenant(), one.Offer, one.ID); err != nil {
		return fmt.Errorf("revoke link: %w", err)
	}
	frame.Redirect(w, r, personPath(one), "revoked")
	return nil
}

func (c Config) act(r *http.Request, p frame.Page) (offer.Recipient, offer.Act, error) {
	one, err := c.recipient(r, p)
	if err != nil {
		return one, offer.Act{}, err
	}
	number, err := id.Parse[offer.ActIDKind](r.PathValue("act"))
	if err != nil {
		return one, offer.Act{}, fault.New(fault.NotFound, offer.CodeUnknown, "There is no such proof.")
	}
	a, err := c.Offers.Act(r.Context(), one, number)
	return one, a, err
}

// receipt is the paper that the recipient got.
func (c Config) receipt(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	_, a, err := c.act(r, p)
	if err != nil {
		return err
	}
	v, err := c.Offers.VisitOf(r.Context(), a)
	if err != nil {
		return fmt.Errorf("read wording: %w", err)
	}
	data, err := c.Offers.ReceiptPDF(v, a)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/pdf")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": a.ID.String() + ".pdf"}))
	_, _ = w.Write(data) //nolint:gosec // G705: a PDF of our own, as an attachment with nosniff
	return nil
}

// handle notes that somebody dealt with a withdrawal.
func (c Config) handle(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	one, a, err := c.act(r, p)
	if err != nil {
		return err
	}
	if err := c.Offers.Handle(r.Context(), one, a.ID, actor(p)); err != nil {
		return fmt.Errorf("handle withdrawal: %w", err)
	}
	frame.Redirect(w, r, personPath(one), "handled")
	return nil
}

func (c Config) withdrawals(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	list, err := c.Offers.Withdrawals(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("list withdrawals: %w", err)
	}
	p.Room, p.Title = room, p.T("offers.withdrawals")
	return p.Render(w, r, http.StatusOK, withdrawalsPage(p, list))
}
