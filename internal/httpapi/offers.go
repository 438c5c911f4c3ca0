package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/offer"
	"stafette/internal/tenant"
)

// maxOffer bounds a draft: its legal texts alone may have 90,000 characters.
const maxOffer = 512 << 10

func (a *API) offerRoutes() []Route {
	const all, one = "/v1/offers", "/v1/offers/{id}"
	const text = "application/json"
	return []Route{
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeSend, MaxBody: maxOffer, media: text, status: 201, errors: []int{400, 409, 413, 422, 503},
			id: "create-offer", summary: "Create an offer as a draft", register: registerWith((*API).createOffer)},
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200, id: "list-offers", summary: "List offers from new to old", register: registerWith((*API).listOffers)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404}, id: "get-offer", summary: "Read an offer and its draft", register: registerWith((*API).getOffer)},
		{Method: http.MethodPut, Path: one, Scope: tenant.ScopeSend, MaxBody: maxOffer, media: text, status: 200, errors: []int{400, 404, 413, 422, 503},
			id: "update-offer", summary: "Replace the draft of an offer, but for its files", register: registerWith((*API).updateOffer)},
		{Method: http.MethodPost, Path: one + "/publish", Scope: tenant.ScopeSend, status: 200, errors: []int{404, 409, 422},
			id: "publish-offer", summary: "Make the draft the version that recipients see", register: registerWith((*API).publishOffer)},
		{Method: http.MethodPost, Path: one + "/end", Scope: tenant.ScopeSend, status: 200, errors: []int{404, 409},
			id: "end-offer", summary: "Close the pages of all recipients", register: registerWith((*API).endOffer)},
		{Method: http.MethodPost, Path: one + "/files", Scope: tenant.ScopeSend, MaxBody: a.c.Limits.File, status: 201, errors: []int{404, 413, 422},
			id: "upload-offer-file", summary: "Add a picture or document to the draft", register: registerOfferFile},
		{Method: http.MethodPost, Path: one + "/recipients", Scope: tenant.ScopeSend, MaxBody: 256 << 10, media: text, status: 200, errors: []int{400, 404, 409, 413, 422, 503},
			id: "make-offer", summary: "Send the offer to people, each with a link of their own", register: registerWith((*API).makeOffer)},
		{Method: http.MethodGet, Path: one + "/recipients", Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "list-offer-recipients", summary: "List the recipients of an offer from new to old", register: registerWith((*API).listOfferRecipients)},
		{Method: http.MethodGet, Path: one + "/recipients/{recipient}", Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-offer-recipient", summary: "Read what a recipient confirmed and likes", register: registerWith((*API).getOfferRecipient)},
	}
}

// OfferDraft is what an offer says.
type OfferDraft struct {
	Title   string        `json:"title" maxLength:"200" example:"Speicherblock 7"`
	Lead    string        `json:"lead,omitempty" doc:"One or two sentences under the title"`
	Text    string        `json:"text,omitempty" doc:"Plain text; an empty line parts paragraphs"`
	Figures []OfferFigure `json:"figures,omitempty" doc:"At most 12"`
	Units   []OfferUnit   `json:"units,omitempty" doc:"At most 300"`
	Links   []OfferLink   `json:"links,omitempty" doc:"At most 30"`
	Contact OfferContact  `json:"contact,omitzero"`
	Legal   OfferLegal    `json:"legal,omitzero"`
	From    string        `json:"from,omitempty" doc:"Mailbox that mails and receipts come from; left out in a new offer: that of the account" example:"Hafenkontor <angebote@hafenkontor.example>"`
}

// OfferFigure is a short fact.
type OfferFigure struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// OfferUnit is a part of a project.
type OfferUnit struct {
	ID    string          `json:"id,omitempty" doc:"Left out: a new unit. Likes stay with it."`
	Name  string          `json:"name"`
	Price string          `json:"price,omitempty"`
	Area  string          `json:"area,omitempty"`
	State offer.UnitState `json:"state,omitempty" enum:"free,reserved,sold" doc:"Left out: free"`
}

// OfferLink leads to a page elsewhere.
type OfferLink struct {
	ID    string `json:"id,omitempty"`
	Label string `json:"label"`
	URL   string `json:"url" doc:"http or https"`
}

// OfferContact is whom recipients ask.
type OfferContact struct {
	Name  string `json:"name,omitempty"`
	Phone string `json:"phone,omitempty"`
	Email string `json:"email,omitempty"`
}

// OfferLegal is the withdrawal notice with its form.
type OfferLegal struct {
	Gate    bool       `json:"gate,omitempty" doc:"Keeps the exposé closed until the form was confirmed"`
	Notice  string     `json:"notice,omitempty" doc:"Text of the withdrawal notice"`
	Terms   string     `json:"terms,omitempty"`
	Privacy string     `json:"privacy,omitempty"`
	Boxes   []OfferBox `json:"boxes,omitempty" doc:"At most one of each kind; none is ever ticked beforehand"`
}

// OfferBox is a box to tick.
type OfferBox struct {
	Kind   offer.BoxKind `json:"kind" enum:"notice,early,commission,terms,privacy,permission"`
	Text   string        `json:"text"`
	Needed bool          `json:"needed,omitempty" doc:"Never of permission"`
}

// converted is list with each converted.
func converted[T, U any](list []T, as func(T) U) []U {
	var out []U
	for _, v := range list {
		out = append(out, as(v))
	}
	return out
}

func (in OfferDraft) content() offer.Content {
	return offer.Content{
		Title: in.Title, Lead: in.Lead, Text: in.Text, From: in.From, Contact: offer.Contact(in.Contact),
		Figures: converted(in.Figures, func(v OfferFigure) offer.Figure { return offer.Figure(v) }),
		Units:   converted(in.Units, func(v OfferUnit) offer.Unit { return offer.Unit(v) }),
		Links:   converted(in.Links, func(v OfferLink) offer.Link { return offer.Link(v) }),
		Legal: offer.Legal{Gate: in.Legal.Gate, Notice: in.Legal.Notice, Terms: in.Legal.Terms, Privacy: in.Legal.Privacy,
			Boxes: converted(in.Legal.Boxes, func(v OfferBox) offer.Box { return offer.Box(v) })},
	}
}

func draftOf(c offer.Content) OfferDraft {
	return OfferDraft{
		Title: c.Title, Lead: c.Lead, Text: c.Text, From: c.From, Contact: OfferContact(c.Contact),
		Figures: converted(c.Figures, func(v offer.Figure) OfferFigure { return OfferFigure(v) }),
		Units:   converted(c.Units, func(v offer.Unit) OfferUnit { return OfferUnit(v) }),
		Links:   converted(c.Links, func(v offer.Link) OfferLink { return OfferLink(v) }),
		Legal: OfferLegal{Gate: c.Legal.Gate, Notice: c.Legal.Notice, Terms: c.Legal.Terms, Privacy: c.Legal.Privacy,
			Boxes: converted(c.Legal.Boxes, func(v offer.Box) OfferBox { return OfferBox(v) })},
	}
}

// OfferFile is a picture or document of the draft.
type OfferFile struct {
	ID      string         `json:"id"`
	Kind    offer.FileKind `json:"kind" enum:"picture,expose,floorplan,document"`
	Title   string         `json:"title"`
	Name    string         `json:"name"`
	Media   string         `json:"media_type"`
	Size    int64          `json:"size" doc:"Bytes as kept; pictures are written anew"`
	SHA256  string         `json:"sha256"`
	Version int            `json:"version" doc:"Counts replacements, from 1"`
}

func offerFile(f offer.File) OfferFile {
	return OfferFile{ID: f.ID, Kind: f.Kind, Title: f.Title, Name: f.Name, Media: f.Media, Size: f.Size, SHA256: f.SHA256.String(), Version: f.Version}
}

// OfferHead is an offer in a list.
type OfferHead struct {
	ID          offer.ID    `json:"id"`
	State       offer.State `json:"state" enum:"draft,published,ended"`
	Version     int         `json:"version" doc:"The last that was published, from 1; 0: none"`
	Title       string      `json:"title"`
	CreatedAt   time.Time   `json:"created_at"`
	UpdatedAt   time.Time   `json:"updated_at"`
	PublishedAt *time.Time  `json:"published_at" doc:"Of version"`
}

// Offer is an offer with its draft.
type Offer struct {
	OfferHead
	Draft   OfferDraft  `json:"draft"`
	Files   []OfferFile `json:"files" nullable:"false"`
	Wording string      `json:"wording_sha256" doc:"Of texts and boxes of the form as drafted"`
}

func offerHead(o offer.Offer) OfferHead {
	h := OfferHead{ID: o.ID, State: o.State, Version: o.Version, Title: o.Content.Title, CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt}
	if !o.PublishedAt.IsZero() {
		h.PublishedAt = &o.PublishedAt
	}
	return h
}

type offerOutput struct{ Body Offer }

func offerBody(o offer.Offer, err error) (*offerOutput, error) {
	if err != nil {
		return nil, err
	}
	v := Offer{OfferHead: offerHead(o), Draft: draftOf(o.Content), Files: []OfferFile{}, Wording: o.Content.Legal.Hash().String()}
	v.Files = append(v.Files, converted(o.Content.Files, offerFile)...)
	return &offerOutput{v}, nil
}

func (a *API) createOffer(ctx context.Context, in *struct{ Body OfferDraft }) (*offerOutput, error) {
	p := principalOf(ctx)
	return offerBody(a.c.Offers.Create(ctx, p.Tenant, p.Actor, in.Body.content()))
}

type offersOutput struct {
	Body struct {
		Data []OfferHead `json:"data" nullable:"false"`
	}
}

func (a *API) listOffers(ctx context.Context, _ *struct{}) (*offersOutput, error) {
	list, err := a.c.Offers.Offers(ctx, keyOf(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	out := &offersOutput{}
	out.Body.Data = append([]OfferHead{}, converted(list, func(r offer.Row) OfferHead { return offerHead(r.Offer) })...)
	return out, nil
}

type offerInput struct {
	ID string `path:"id" maxLength:"64"`
}

// offer answers what is no identifier like what does not exist.
func (a *API) offer(ctx context.Context, text string) (offer.Offer, error) {
	none := fault.New(fault.NotFound, offer.CodeUnknown, "There is no such offer.")
	number, err := id.Parse[offer.Kind](text)
	if err != nil {
		return offer.Offer{}, none
	}
	o, err := a.c.Offers.Offer(ctx, keyOf(ctx).Tenant, number)
	if fault.IsKind(err, fault.NotFound) {
		return offer.Offer{}, none
	}
	return o, err
}

func (a *API) getOffer(ctx context.Context, in *offerInput) (*offerOutput, error) {
	return offerBody(a.offer(ctx, in.ID))
}

type updateOfferInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body OfferDraft
}

func (a *API) updateOffer(ctx context.Context, in *updateOfferInput) (*offerOutput, error) {
	o, err := a.offer(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return offerBody(a.c.Offers.Save(ctx, o.Tenant, o.ID, in.Body.content()))
}

func (a *API) publishOffer(ctx context.Context, in *offerInput) (*offerOutput, error) {
	o, err := a.offer(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return offerBody(a.c.Offers.Publish(ctx, o.Tenant, o.ID, principalOf(ctx).Actor))
}

func (a *API) endOffer(ctx context.Context, in *offerInput) (*offerOutput, error) {
	o, err := a.offer(ctx, in.ID)
	if err == nil {
		err = a.c.Offers.End(ctx, o.Tenant, o.ID)
	}
	if err != nil {
		return nil, err
	}
	return offerBody(a.offer(ctx, in.ID))
}

// registerOfferFile registers the route that takes files as they are.
func registerOfferFile(a *API, api huma.API, r Route) {
	op := r.operation(api)
	text := &huma.Schema{Type: huma.TypeString}
	op.Description = "The body is the file: JPEG or PNG for pictures (at most 15 MB), else PDF (at most 25 MB)."
	op.Parameters = []*huma.Param{
		{Name: "id", In: "path", Required: true, Schema: text},
		{Name: "kind", In: "query", Required: true, Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"picture", "expose", "floorplan", "document"}}},
		{Name: "title", In: "query", Description: "Of pictures: what they show, needed", Schema: text},
		{Name: "name", In: "query", Description: "File name for downloads", Schema: text},
		{Name: "replaces", In: "query", Description: "File of which this is a newer version", Schema: text},
	}
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}
	op.Responses[strconv.Itoa(r.status)] = &huma.Response{Description: "Kept", Content: map[string]*huma.MediaType{
		"application/json": {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[OfferFile](), true, "OfferFile")},
	}}
	a.registerPlain(api, r, op, a.uploadOfferFile)
}

func (a *API) uploadOfferFile(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	u := offer.Upload{Kind: offer.FileKind(q.Get("kind")), Title: q.Get("title"), Name: q.Get("name"), Replaces: q.Get("replaces")}
	var err error
	u.Data, err = io.ReadAll(http.MaxBytesReader(w, r.Body, a.c.Limits.File))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return errTooLarge()
	case err != nil:
		return newProblem(http.StatusBadRequest, "body_unreadable", "The body cannot be read.")
	}
	o, err := a.offer(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	f, err := a.c.Offers.AddFile(r.Context(), o.Tenant, o.ID, u)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	return json.NewEncoder(w).Encode(offerFile(f))
}

// OfferRecipient is somebody an offer was made to.
type OfferRecipient struct {
	ID        offer.RecipientID `json:"id"`
	Email     string            `json:"email"`
	Name      string            `json:"name"`
	Link      string            `json:"link" doc:"Whoever has it is taken for the recipient"`
	MessageID *message.ID       `json:"message_id" doc:"Its mail; null: none was accepted, see reason"`
	Reason    string            `json:"reason,omitempty" doc:"Why no mail was accepted"`
	CreatedAt time.Time         `json:"created_at"`
	SentAt    *time.Time        `json:"sent_at"`
	ExpiresAt *time.Time        `json:"expires_at"`
	RevokedAt *time.Time        `json:"revoked_at"`
}

func (a *API) offerRecipient(r offer.Recipient) OfferRecipient {
	v := OfferRecipient{ID: r.ID, Email: r.Address.String(), Name: r.Name, Link: a.c.Offers.LinkOf(r), Reason: r.Reason, CreatedAt: r.CreatedAt}
	if !r.Message.IsZero() {
		v.MessageID = &r.Message
	}
	for at, to := range map[*time.Time]**time.Time{&r.SentAt: &v.SentAt, &r.ExpiresAt: &v.ExpiresAt, &r.RevokedAt: &v.RevokedAt} {
		if !at.IsZero() {
			*to = at
		}
	}
	return v
}

// OfferLetter is the mail with which an offer is made.
type OfferLetter struct {
	To       []string `json:"to" minItems:"1" maxItems:"200" doc:"Mailboxes; each gets a mail and a link of its own" example:"[\"Eva Sommer <eva@kunde.example>\"]"`
	Subject  string   `json:"subject,omitempty" maxLength:"240" doc:"Left out: as in the office. {name} is replaced."`
	Text     string   `json:"text,omitempty" maxLength:"20000" doc:"Left out: as in the office. {name} and {link} are replaced; without {link} it stands at the end."`
	Days     int      `json:"expires_in_days,omitempty" minimum:"0" maximum:"730" doc:"0: as long as the offer"`
	Password string   `json:"password,omitempty" maxLength:"128" doc:"Asked on the page; does not stand in the mail"`
	Language string   `json:"language,omitempty" enum:"de,en" doc:"Of the words of subject and text; left out: de"`
}

type makeOfferInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body OfferLetter
}

type offerRecipientsOutput struct {
	Body struct {
		Data []OfferRecipient `json:"data" nullable:"false"`
	}
}

func (a *API) recipientsBody(list []offer.Recipient) *offerRecipientsOutput {
	out := &offerRecipientsOutput{}
	out.Body.Data = append([]OfferRecipient{}, converted(list, a.offerRecipient)...)
	return out
}

func (a *API) makeOffer(ctx context.Context, in *makeOfferInput) (*offerRecipientsOutput, error) {
	o, err := a.offer(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	l, err := a.c.Offers.NewLetter(ctx, o, i18n.Lang(in.Body.Language))
	if err != nil {
		return nil, err
	}
	if in.Body.Subject != "" {
		l.Subject = in.Body.Subject
	}
	if in.Body.Text != "" {
		l.Text = in.Body.Text
	}
	l.Password, l.Expires = in.Body.Password, time.Duration(in.Body.Days)*24*time.Hour
	var wrong []*fault.Error
	for i, text := range in.Body.To {
		box, err := message.ParseMailbox(text)
		if err != nil {
			wrong = append(wrong, fault.Field(fmt.Sprintf("to/%d", i), offer.CodeAddress, "This is no mailbox."))
			continue
		}
		l.To = append(l.To, box)
	}
	if err := fault.Join(wrong); err != nil {
		return nil, err
	}
	list, err := a.c.Offers.Send(ctx, principalOf(ctx), o.ID, l)
	if err != nil {
		return nil, err
	}
	return a.recipientsBody(list), nil
}

func (a *API) listOfferRecipients(ctx context.Context, in *offerInput) (*offerRecipientsOutput, error) {
	o, err := a.offer(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	list, err := a.c.Offers.Recipients(ctx, o.Tenant, o.ID)
	if err != nil {
		return nil, err
	}
	return a.recipientsBody(list), nil
}

// OfferAct is what a recipient did by a form.
type OfferAct struct {
	ID          offer.ActID     `json:"id"`
	Kind        offer.ActKind   `json:"kind" enum:"confirmed,withdrawn"`
	At          time.Time       `json:"at"`
	Version     int             `json:"version" doc:"Of the offer"`
	Wording     string          `json:"wording_sha256,omitempty"`
	Boxes       []OfferTickedOf `json:"boxes,omitempty"`
	Declaration string          `json:"declaration,omitempty" doc:"Of a withdrawal"`
	ReceiptID   *message.ID     `json:"receipt_message_id" doc:"The mail that repeated it; null while it waits or where it was refused"`
}

// OfferTickedOf is a box as it was left.
type OfferTickedOf struct {
	Kind   offer.BoxKind `json:"kind"`
	Text   string        `json:"text"`
	Ticked bool          `json:"ticked"`
}

type offerRecipientOutput struct {
	Body struct {
		OfferRecipient
		Likes []string   `json:"liked_units" nullable:"false" doc:"Identifiers of units"`
		Acts  []OfferAct `json:"acts" nullable:"false"`
	}
}

type offerRecipientInput struct {
	ID        string `path:"id" maxLength:"64"`
	Recipient string `path:"recipient" maxLength:"64"`
}

func (a *API) getOfferRecipient(ctx context.Context, in *offerRecipientInput) (*offerRecipientOutput, error) {
	o, err := a.offer(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	number, err := id.Parse[offer.RecipientKind](in.Recipient)
	if err != nil {
		return nil, fault.New(fault.NotFound, offer.CodeUnknown, "There is no such recipient.")
	}
	f, err := a.c.Offers.Facts(ctx, o.Tenant, o.ID, number)
	if err != nil {
		return nil, err
	}
	out := &offerRecipientOutput{}
	out.Body.OfferRecipient, out.Body.Likes, out.Body.Acts = a.offerRecipient(f.Recipient), []string{}, []OfferAct{}
	for _, l := range f.Likes {
		out.Body.Likes = append(out.Body.Likes, l.Unit)
	}
	for _, v := range f.Acts {
		one := OfferAct{ID: v.ID, Kind: v.Kind, At: v.At, Version: v.Version, Declaration: v.Detail.Declaration}
		if v.Kind == offer.Confirmed {
			one.Wording = v.Detail.Wording.String()
		}
		for _, b := range v.Detail.Boxes {
			one.Boxes = append(one.Boxes, OfferTickedOf{b.Kind, b.Text, b.Ticked})
		}
		if !v.Receipt.IsZero() {
			one.ReceiptID = &v.Receipt
		}
		out.Body.Acts = append(out.Body.Acts, one)
	}
	return out, nil
}
