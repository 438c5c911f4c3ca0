// Package offers is where the office makes offers (Angebote): texts, pictures, documents,
// units and legal texts, with a preview; sends them, and sees what each recipient did.
//
// It is a subject of the door web (floor 4). Offers are kept and sent by package offer;
// what recipients see is drawn by another door, and the preview here is that page.
package offers

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/offer"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Offers is the room behind the pages; *offer.Service is it.
type Offers interface {
	Offers(ctx context.Context, t tenant.ID) ([]offer.Row, error)
	Offer(ctx context.Context, t tenant.ID, o offer.ID) (offer.Offer, error)
	Create(ctx context.Context, t tenant.ID, actor string, c offer.Content) (offer.Offer, error)
	Save(ctx context.Context, t tenant.ID, o offer.ID, c offer.Content) (offer.Offer, error)
	Publish(ctx context.Context, t tenant.ID, o offer.ID, actor string) (offer.Offer, error)
	End(ctx context.Context, t tenant.ID, o offer.ID) error
	Drop(ctx context.Context, t tenant.ID, o offer.ID) error
	Duplicate(ctx context.Context, t tenant.ID, o offer.ID, actor, title string) (offer.Offer, error)
	PreviewOf(o offer.Offer) string
	AddFile(ctx context.Context, t tenant.ID, o offer.ID, u offer.Upload) (offer.File, error)
	Retitle(ctx context.Context, t tenant.ID, o offer.ID, file, title string, up bool) error
	DropFile(ctx context.Context, t tenant.ID, o offer.ID, file string) error
	NewLetter(ctx context.Context, o offer.Offer, lang i18n.Lang) (offer.Letter, error)
	Send(ctx context.Context, p ingest.Principal, o offer.ID, l offer.Letter) ([]offer.Recipient, error)
	Resend(ctx context.Context, p ingest.Principal, o offer.ID, r offer.RecipientID, l offer.Letter) (offer.Recipient, error)
	Recipients(ctx context.Context, t tenant.ID, o offer.ID) ([]offer.Recipient, error)
	Recipient(ctx context.Context, t tenant.ID, o offer.ID, r offer.RecipientID) (offer.Recipient, error)
	LinkOf(r offer.Recipient) string
	Revoke(ctx context.Context, t tenant.ID, o offer.ID, r offer.RecipientID) error
	Likes(ctx context.Context, t tenant.ID, o offer.ID) ([]offer.Like, error)
	Acts(ctx context.Context, t tenant.ID, o offer.ID, r offer.RecipientID) ([]offer.Act, error)
	Act(ctx context.Context, r offer.Recipient, a offer.ActID) (offer.Act, error)
	Facts(ctx context.Context, t tenant.ID, o offer.ID, r offer.RecipientID) (offer.Facts, error)
	VisitOf(ctx context.Context, a offer.Act) (offer.Visit, error)
	ReceiptPDF(v offer.Visit, a offer.Act) ([]byte, error)
	Withdrawals(ctx context.Context, t tenant.ID) ([]offer.Act, error)
	Handle(ctx context.Context, r offer.Recipient, a offer.ActID, actor string) error
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Offers Offers
}

const (
	home        = "/offers"
	room        = "offers"
	withdrawals = home + "/withdrawals"
)

// Routes are the pages of offers.
func Routes(c Config) []frame.Route {
	read, write := tenant.MessagesRead, tenant.MessagesSend
	const one, to = home + "/{id}", home + "/{id}/recipients/{recipient}"
	return []frame.Route{
		{Pattern: "GET " + home, Permission: read, Do: c.list, Entry: frame.Entry{Room: room, Icon: "house", Group: frame.GroupCampaigns}},
		{Pattern: "GET /offers.csv", Permission: read, Do: c.export},
		{Pattern: "GET " + withdrawals, Permission: read, Do: c.withdrawals},
		{Pattern: "GET " + home + "/new", Permission: write, Do: c.begin},
		{Pattern: "POST " + home, Permission: write, Do: c.create},
		{Pattern: "GET " + one, Permission: read, Do: c.show},
		{Pattern: "GET " + one + "/recipients.csv", Permission: read, Do: c.exportRecipients},
		{Pattern: "GET " + one + "/edit", Permission: write, Do: c.edit},
		{Pattern: "POST " + one + "/edit", Permission: write, Do: c.save},
		{Pattern: "POST " + one + "/publish", Permission: write, Do: c.publish},
		{Pattern: "POST " + one + "/end", Permission: write, Do: c.end},
		{Pattern: "POST " + one + "/delete", Permission: write, Do: c.drop},
		{Pattern: "POST " + one + "/duplicate", Permission: write, Do: c.duplicate},
		{Pattern: "POST " + one + "/files", Permission: write, Do: c.upload},
		{Pattern: "POST " + one + "/files/{file}", Permission: write, Do: c.changeFile},
		{Pattern: "GET " + one + "/send", Permission: write, Do: c.beginLetter},
		{Pattern: "POST " + one + "/send", Permission: write, Do: c.send},
		{Pattern: "GET " + to, Permission: read, Do: c.showRecipient},
		{Pattern: "POST " + to + "/again", Permission: write, Do: c.resend},
		{Pattern: "POST " + to + "/revoke", Permission: write, Do: c.revoke},
		{Pattern: "GET " + to + "/acts/{act}/wording.pdf", Permission: read, Do: c.receipt},
		{Pattern: "POST " + to + "/acts/{act}", Permission: write, Do: c.handle},
	}
}

func path(o offer.ID) string { return home + "/" + o.String() }

func actor(p frame.Page) string { return p.Who.User.ID.String() }

func who(p frame.Page) ingest.Principal {
	return ingest.Principal{Tenant: p.Tenant(), Actor: actor(p), Door: "office"}
}

// ofPath reads the offer that the path names. What is no identifier is answered like what
// does not exist.
func (c Config) ofPath(r *http.Request, p frame.Page) (offer.Offer, error) {
	number, err := id.Parse[offer.Kind](r.PathValue("id"))
	if err != nil {
		return offer.Offer{}, fault.New(fault.NotFound, offer.CodeUnknown, "There is no such offer.")
	}
	return c.Offers.Offer(r.Context(), p.Tenant(), number)
}

func stateText(p frame.Page, o offer.Offer) string { return p.T("offers.state." + string(o.State)) }

func stateMark(s offer.State) string {
	return map[offer.State]string{offer.Draft: "queued", offer.Published: "delivered", offer.Ended: "expired"}[s]
}

// roll is the table of all offers.
func roll(p frame.Page) frame.Roll[offer.Row] {
	cell := func(key string, text func(offer.Row) string) frame.Cell[offer.Row] {
		return frame.Cell[offer.Row]{Column: frame.Column{Key: key, Title: p.T("offers.col." + key)}, Text: text}
	}
	count := func(key string, of func(offer.Row) int) frame.Cell[offer.Row] {
		v := cell(key, func(r offer.Row) string { return strconv.Itoa(of(r)) })
		v.Number, v.Order = true, func(a, b offer.Row) int { return of(a) - of(b) }
		return v
	}
	changed := cell("changed", func(r offer.Row) string { return p.Full(r.UpdatedAt) })
	changed.Order = func(a, b offer.Row) int { return a.UpdatedAt.Compare(b.UpdatedAt) }
	return frame.Roll[offer.Row]{
		Listing: frame.Listing{Name: "offers", Path: home, Filters: []string{"state"}, Choices: map[string][]string{"state": {"draft", "published", "ended"}}, Sort: "changed", Descending: true},
		Cells: []frame.Cell[offer.Row]{
			cell("title", func(r offer.Row) string { return r.Content.Title }), cell("state", func(r offer.Row) string { return stateText(p, r.Offer) }),
			count("recipients", func(r offer.Row) int { return r.Recipients }), count("confirmed", func(r offer.Row) int { return r.Confirmed }), changed,
		},
	}
}

type listView struct {
	frame.View
	rows []offer.Row
	any  bool
}

func (c Config) rows(r *http.Request, p frame.Page) (listView, frame.Roll[offer.Row], error) {
	l := roll(p)
	all, err := c.Offers.Offers(r.Context(), p.Tenant())
	if err != nil {
		return listView{}, l, fmt.Errorf("list offers: %w", err)
	}
	v := listView{any: len(all) > 0}
	v.View, v.rows = l.Read(r, all)
	if s := v.Filter("state"); s != "" {
		v.rows = slices.DeleteFunc(v.rows, func(o offer.Row) bool { return string(o.State) != s })
	}
	return v, l, nil
}

func (c Config) list(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, _, err := c.rows(r, p)
	if err != nil {
		return err
	}
	p.Room, p.Title = room, p.T("nav.offers")
	return p.Render(w, r, http.StatusOK, listPage(p, v))
}

func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, l, err := c.rows(r, p)
	if err != nil {
		return err
	}
	return l.CSV(w, p, p.T("offers.filename"), v.rows)
}

func (c Config) begin(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.newPage(w, r, p, http.StatusOK, frame.Form{})
}

func (c Config) newPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	p.Room, p.Title = room, p.T("offers.new")
	return p.Render(w, r, status, newOfferPage(p, f))
}

// create begins an offer with its title and the legal texts it will need.
func (c Config) create(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	title := strings.TrimSpace(r.PostForm.Get("title"))
	f := frame.Form{Values: map[string]string{"title": title}}
	o, err := c.Offers.Create(r.Context(), p.Tenant(), actor(p), offer.Content{Title: title, Contact: offer.Contact{Name: p.Who.User.Name, Email: p.Who.User.Email}})
	if err == nil {
		frame.Redirect(w, r, path(o.ID)+"/edit", "created")
		return nil
	}
	if !frame.Refused(p, &f, err, "title") {
		return fmt.Errorf("create offer: %w", err)
	}
	return c.newPage(w, r, p, http.StatusUnprocessableEntity, f)
}

// sheet is the page of one offer.
type sheet struct {
	offer.Offer
	people  frame.View
	list    []person
	any     bool
	likes   map[string]int // by unit
	preview string
	form    frame.Form
}

func (c Config) sheet(r *http.Request, p frame.Page, o offer.Offer) (sheet, error) {
	v := sheet{Offer: o, likes: map[string]int{}, preview: c.Offers.PreviewOf(o)}
	people, err := c.people(r, p, o)
	if err != nil {
		return v, err
	}
	v.any = len(people) > 0
	v.people, v.list = peopleRoll(p, o.ID).Read(r, people)
	likes, err := c.Offers.Likes(r.Context(), p.Tenant(), o.ID)
	if err != nil {
		return v, fmt.Errorf("list likes: %w", err)
	}
	for _, l := range likes {
		v.likes[l.Unit]++
	}
	return v, nil
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	o, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	return c.onePage(w, r, p, http.StatusOK, o, frame.Form{})
}

func (c Config) onePage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, o offer.Offer, f frame.Form) error {
	v, err := c.sheet(r, p, o)
	if err != nil {
		return err
	}
	v.form = f
	p.Room, p.Title = room, o.Content.Title
	return p.Render(w, r, status, onePage(p, v))
}

// change does something to an offer and leads on; a refusal stands on the offer's page.
func (c Config) change(w http.ResponseWriter, r *http.Request, p frame.Page, do func(offer.Offer) (target, done string, err error)) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	o, err := c.ofPath(r, p)
	if err != nil {
		return err
	}
	target, done, err := do(o)
	if err == nil {
		frame.Redirect(w, r, target, done)
		return nil
	}
	var f frame.Form
	e := fault.As(err)
	if e == nil || e.Kind != fault.Invalid && e.Kind != fault.Conflict {
		return fmt.Errorf("change offer: %w", err)
	}
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		f.Add("", p.FaultText(one, ""))
	}
	return c.onePage(w, r, p, http.StatusUnprocessableEntity, o, f)
}

func (c Config) publish(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.change(w, r, p, func(o offer.Offer) (string, string, error) {
		_, err := c.Offers.Publish(r.Context(), p.Tenant(), o.ID, actor(p))
		return path(o.ID), "published", err
	})
}

func (c Config) end(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.change(w, r, p, func(o offer.Offer) (string, string, error) {
		return path(o.ID), "ended", c.Offers.End(r.Context(), p.Tenant(), o.ID)
	})
}

func (c Config) drop(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.change(w, r, p, func(o offer.Offer) (string, string, error) {
		return home, "dropped", c.Offers.Drop(r.Context(), p.Tenant(), o.ID)
	})
}

func (c Config) duplicate(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.change(w, r, p, func(o offer.Offer) (string, string, error) {
		fresh, err := c.Offers.Duplicate(r.Context(), p.Tenant(), o.ID, actor(p), p.T("offers.copy", "title", o.Content.Title))
		return path(fresh.ID) + "/edit", "duplicated", err
	})
}
