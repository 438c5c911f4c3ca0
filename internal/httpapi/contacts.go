package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// contactRoutes are those of contacts. Storing one asks for what sending asks for;
// deleting asks for more.
func contactRoutes() []Route {
	const all, one, body = "/v1/contacts", "/v1/contacts/{id}", 64 << 10
	return []Route{
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200, errors: []int{422},
			id: "list-contacts", summary: "List contacts", register: registerWith((*API).listContacts)},
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeSend, MaxBody: body, media: "application/json", status: 201, errors: []int{409, 422},
			id: "create-contact", summary: "Store a contact", register: registerWith((*API).createContact)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-contact", summary: "Read a contact", register: registerWith((*API).getContact)},
		{Method: http.MethodPatch, Path: one, Scope: tenant.ScopeSend, MaxBody: body, media: "application/json", status: 200, errors: []int{404, 409, 422},
			id: "change-contact", summary: "Change a contact", register: registerWith((*API).changeContact)},
		{Method: http.MethodDelete, Path: one, Scope: tenant.ScopeAdmin, status: 204, errors: []int{404},
			id: "delete-contact", summary: "Delete a contact with its notes; mail stays", register: registerWith((*API).deleteContact)},
		{Method: http.MethodGet, Path: one + "/messages", Scope: tenant.ScopeRead, status: 200, errors: []int{404, 422},
			id: "list-contact-messages", summary: "List what was sent to any address of a contact", register: registerWith((*API).contactMessages)},
		{Method: http.MethodGet, Path: one + "/events", Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "list-contact-events", summary: "Read what was done to a contact and its addresses", register: registerWith((*API).contactEvents)},
		{Method: http.MethodGet, Path: one + "/notes", Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "list-notes", summary: "Read the notes about a contact", register: registerWith((*API).notes)},
		{Method: http.MethodPost, Path: one + "/notes", Scope: tenant.ScopeSend, MaxBody: body, media: "application/json", status: 201, errors: []int{404, 422},
			id: "add-note", summary: "Write a note about a contact", register: registerWith((*API).addNote)},
	}
}

// ContactDraft is what a contact says, as it is stored.
type ContactDraft struct {
	Salutation string            `json:"salutation,omitempty" maxLength:"400" example:"Frau Dr."`
	GivenName  string            `json:"given_name,omitempty" maxLength:"400"`
	FamilyName string            `json:"family_name,omitempty" maxLength:"400"`
	Company    string            `json:"company,omitempty" maxLength:"400"`
	Phone      string            `json:"phone,omitempty" maxLength:"400"`
	Locale     string            `json:"locale,omitempty" doc:"de or en; left out: not known"`
	Reference  string            `json:"reference,omitempty" maxLength:"400" doc:"Own number of the person; no two contacts share one"`
	Addresses  []string          `json:"addresses" nullable:"false" minItems:"1" maxItems:"10" doc:"The main one first"`
	Fields     map[string]string `json:"fields,omitempty" doc:"Of fields that the tenant declared in the office"`
	Tags       []string          `json:"tags,omitempty" nullable:"false" maxItems:"50"`
}

// ContactPatch changes what it names; the rest stays.
type ContactPatch struct {
	Version    int64             `json:"version" minimum:"1" doc:"The version that was read: another one is a conflict"`
	Salutation *string           `json:"salutation,omitempty" maxLength:"400"`
	GivenName  *string           `json:"given_name,omitempty" maxLength:"400"`
	FamilyName *string           `json:"family_name,omitempty" maxLength:"400"`
	Company    *string           `json:"company,omitempty" maxLength:"400"`
	Phone      *string           `json:"phone,omitempty" maxLength:"400"`
	Locale     *string           `json:"locale,omitempty"`
	Reference  *string           `json:"reference,omitempty" maxLength:"400"`
	Addresses  []string          `json:"addresses,omitempty" nullable:"false" maxItems:"10" doc:"Replace all"`
	Fields     map[string]string `json:"fields,omitempty" doc:"Each replaces its field; an empty value takes it away"`
	Tags       []string          `json:"tags,omitempty" nullable:"false" maxItems:"50" doc:"Replace all"`
}

type contactOutput struct{ Body audience.ContactRecord }

// ContactPath names one contact.
type ContactPath struct {
	ID string `path:"id" maxLength:"64" example:"con_01k00000000000000000000000"`
}

// contact finds it; a malformed identifier names nothing.
func (a *API) contact(ctx context.Context, in ContactPath) (audience.Contact, error) {
	c, err := id.Parse[audience.ContactKind](in.ID)
	if err != nil {
		return audience.Contact{}, fault.New(fault.NotFound, "contact_not_found", "There is no such thing here.")
	}
	return a.c.Contacts.Contact(ctx, keyOf(ctx).Tenant, c)
}

type listContactsInput struct {
	Query     string `query:"q" maxLength:"320" doc:"Beginnings of words of a name, company or reference, of an address, or @domain"`
	Tag       string `query:"tag" maxLength:"100"`
	ByName    bool   `query:"by_name" doc:"Order by name instead of by time"`
	Ascending bool   `query:"ascending" doc:"Order from low to high"`
	After     string `query:"after" maxLength:"64" doc:"next of the page before"`
	Limit     int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

type listContactsOutput struct {
	Body struct {
		Data    []audience.ContactRecord `json:"data" nullable:"false"`
		HasMore bool                     `json:"has_more"`
		Next    *string                  `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) listContacts(ctx context.Context, in *listContactsInput) (*listContactsOutput, error) {
	f := audience.ContactFilter{Text: in.Query, Tag: in.Tag, ByName: in.ByName, Ascending: in.Ascending, Limit: in.Limit}
	if in.After != "" {
		var err error
		if f.After, err = id.Parse[audience.ContactKind](in.After); err != nil {
			return nil, fault.Field("query/after", "id_malformed", "The value is not the identifier of a contact.")
		}
	}
	page, err := a.c.Contacts.List(ctx, keyOf(ctx).Tenant, f)
	if err != nil {
		return nil, err
	}
	out := &listContactsOutput{}
	out.Body.Data = make([]audience.ContactRecord, len(page.Contacts))
	for i, c := range page.Contacts {
		out.Body.Data[i] = c.Record()
	}
	if page.More {
		next := page.Contacts[len(page.Contacts)-1].ID.String()
		out.Body.HasMore, out.Body.Next = true, &next
	}
	return out, nil
}

// addresses reads the addresses of a contact.
func addresses(list []string) ([]message.Address, error) {
	d := &decoder{}
	var all []message.Address
	for i, text := range list {
		one, err := message.ParseAddress(text)
		if err != nil {
			d.refuse(fmt.Sprintf("addresses/%d", i), err)
		}
		all = append(all, one)
	}
	return all, fault.Join(d.wrong)
}

func (a *API) createContact(ctx context.Context, in *struct{ Body ContactDraft }) (*contactOutput, error) {
	b, key := in.Body, keyOf(ctx)
	to, err := addresses(b.Addresses)
	if err != nil {
		return nil, err
	}
	c, err := a.c.Contacts.Create(ctx, key.Tenant, audience.Contact{
		Salutation: b.Salutation, GivenName: b.GivenName, FamilyName: b.FamilyName, Company: b.Company, Phone: b.Phone, Locale: b.Locale,
		Reference: b.Reference, Addresses: to, Fields: b.Fields, Tags: b.Tags,
	}, audience.OriginAPI, key.ID.String())
	if err != nil {
		return nil, err
	}
	return &contactOutput{c.Record()}, nil
}

func (a *API) getContact(ctx context.Context, in *ContactPath) (*contactOutput, error) {
	c, err := a.contact(ctx, *in)
	if err != nil {
		return nil, err
	}
	return &contactOutput{c.Record()}, nil
}

type changeContactInput struct {
	ContactPath
	Body ContactPatch
}

func (a *API) changeContact(ctx context.Context, in *changeContactInput) (*contactOutput, error) {
	c, err := a.contact(ctx, in.ContactPath)
	if err != nil {
		return nil, err
	}
	b := in.Body
	c.Version = b.Version
	for _, v := range []struct{ to, from *string }{
		{&c.Salutation, b.Salutation}, {&c.GivenName, b.GivenName}, {&c.FamilyName, b.FamilyName}, {&c.Company, b.Company},
		{&c.Phone, b.Phone}, {&c.Locale, b.Locale}, {&c.Reference, b.Reference},
	} {
		if v.from != nil {
			*v.to = *v.from
		}
	}
	if b.Addresses != nil {
		if c.Addresses, err = addresses(b.Addresses); err != nil {
			return nil, err
		}
	}
	if b.Tags != nil {
		c.Tags = b.Tags
	}
	merged := map[string]string{}
	for _, m := range []map[string]string{c.Fields, b.Fields} {
		for key, value := range m {
			merged[key] = value
		}
	}
	c.Fields = merged
	key := keyOf(ctx)
	if c, err = a.c.Contacts.Change(ctx, key.Tenant, c, key.ID.String()); err != nil {
		return nil, err
	}
	return &contactOutput{c.Record()}, nil
}

func (a *API) deleteContact(ctx context.Context, in *ContactPath) (*struct{}, error) {
	c, err := a.contact(ctx, *in)
	if err != nil {
		return nil, err
	}
	return nil, a.c.Contacts.Delete(ctx, c.Tenant, c.ID)
}

// ContactMessage is one delivery to a contact, with its message.
type ContactMessage struct {
	Delivery   message.DeliveryID `json:"delivery_id"`
	Message    message.ID         `json:"message_id"`
	Address    string             `json:"address" doc:"The address it went to"`
	Subject    string             `json:"subject"`
	Stream     string             `json:"stream"`
	State      event.State        `json:"state"`
	Reason     string             `json:"reason" doc:"Code; empty if none"`
	Marks      []event.Mark       `json:"marks" nullable:"false"`
	AcceptedAt time.Time          `json:"accepted_at"`
	UpdatedAt  time.Time          `json:"updated_at" doc:"When the state was reached"`
}

type contactMessagesInput struct {
	ContactPath
	Notifications bool   `query:"notifications" doc:"Only what a system sends by itself: the streams reminder, transactional and system"`
	After         string `query:"after" maxLength:"64" doc:"next of the page before"`
	Limit         int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

type contactMessagesOutput struct {
	Body struct {
		Data    []ContactMessage `json:"data" nullable:"false"`
		HasMore bool             `json:"has_more"`
		Next    *string          `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) contactMessages(ctx context.Context, in *contactMessagesInput) (*contactMessagesOutput, error) {
	c, err := a.contact(ctx, in.ContactPath)
	if err != nil {
		return nil, err
	}
	f := insight.PersonFilter{Limit: in.Limit}
	if in.Notifications {
		f.Streams = []tenant.Stream{tenant.Reminder, tenant.Transactional, tenant.System}
	}
	if in.After != "" {
		if f.After, err = id.Parse[message.DeliveryKind](in.After); err != nil {
			return nil, fault.Field("query/after", "id_malformed", "The value is not the identifier of a delivery.")
		}
	}
	list, more, err := a.c.Mail.To(ctx, c.Tenant, c.Addresses, f)
	if err != nil {
		return nil, err
	}
	out := &contactMessagesOutput{}
	out.Body.Data = make([]ContactMessage, len(list))
	for i, v := range list {
		out.Body.Data[i] = ContactMessage{
			Delivery: v.Delivery.ID, Message: v.Message.ID, Address: v.Recipient.String(), Subject: v.Subject, Stream: string(v.Stream),
			State: v.State, Reason: v.Reason, Marks: append([]event.Mark{}, v.Marks...), AcceptedAt: v.AcceptedAt, UpdatedAt: v.UpdatedAt,
		}
	}
	if more {
		next := list[len(list)-1].Delivery.ID.String()
		out.Body.HasMore, out.Body.Next = true, &next
	}
	return out, nil
}

// ContactEvent is one thing that was done to a contact or one of its addresses.
type ContactEvent struct {
	At      time.Time `json:"at"`
	Type    string    `json:"type" enum:"created,changed,merged,left,suppressed,lifted,erased"`
	Actor   string    `json:"actor" doc:"system, or a key or user"`
	Fields  []string  `json:"fields" nullable:"false" doc:"Names of what was changed; of left, the group"`
	Address string    `json:"address" doc:"Of suppressions; empty otherwise"`
	Stream  string    `json:"stream" doc:"Of suppressions; empty: every stream"`
	Reason  string    `json:"reason" doc:"Of suppressions"`
}

type contactEventsOutput struct {
	Body struct {
		Data []ContactEvent `json:"data" nullable:"false" doc:"Of the contact from new to old, then of each address from old to new"`
	}
}

func (a *API) contactEvents(ctx context.Context, in *ContactPath) (*contactEventsOutput, error) {
	c, err := a.contact(ctx, *in)
	if err != nil {
		return nil, err
	}
	acts, err := a.c.Contacts.Acts(ctx, c.Tenant, c.ID)
	if err != nil {
		return nil, err
	}
	out := &contactEventsOutput{}
	out.Body.Data = []ContactEvent{}
	for _, act := range acts {
		out.Body.Data = append(out.Body.Data, ContactEvent{At: act.At, Type: string(act.Type), Actor: act.Actor, Fields: append([]string{}, act.Fields...)})
	}
	for _, address := range c.Addresses {
		list, err := a.c.Audience.History(ctx, c.Tenant, a.c.Audience.Hash(c.Tenant, address))
		if err != nil {
			return nil, err
		}
		for _, act := range list {
			out.Body.Data = append(out.Body.Data, ContactEvent{At: act.At, Type: string(act.Type), Actor: act.Actor, Fields: []string{},
				Address: address.String(), Stream: string(act.Stream), Reason: string(act.Reason)})
		}
	}
	return out, nil
}

// Note is what somebody wrote about a contact.
type Note struct {
	ID        audience.NoteID `json:"id"`
	Author    string          `json:"author" doc:"A key or user"`
	Text      string          `json:"text"`
	CreatedAt time.Time       `json:"created_at"`
	EditedAt  *time.Time      `json:"edited_at" doc:"Null: never"`
}

func noteOf(n audience.Note) Note {
	return Note{n.ID, n.Author, n.Text, n.CreatedAt, timeOrNull(n.EditedAt)}
}

type notesOutput struct {
	Body struct {
		Data []Note `json:"data" nullable:"false" doc:"From new to old, at most 500"`
	}
}

func (a *API) notes(ctx context.Context, in *ContactPath) (*notesOutput, error) {
	c, err := a.contact(ctx, *in)
	if err != nil {
		return nil, err
	}
	list, err := a.c.Contacts.Notes(ctx, c.Tenant, c.ID)
	if err != nil {
		return nil, err
	}
	out := &notesOutput{}
	out.Body.Data = []Note{}
	for _, n := range list {
		out.Body.Data = append(out.Body.Data, noteOf(n))
	}
	return out, nil
}

type addNoteInput struct {
	ContactPath
	Body struct {
		Text string `json:"text" maxLength:"20000" doc:"1 to 5,000 characters"`
	}
}

type noteOutput struct{ Body Note }

func (a *API) addNote(ctx context.Context, in *addNoteInput) (*noteOutput, error) {
	c, err := a.contact(ctx, in.ContactPath)
	if err != nil {
		return nil, err
	}
	n, err := a.c.Contacts.AddNote(ctx, c.Tenant, c.ID, keyOf(ctx).ID.String(), in.Body.Text)
	if err != nil {
		return nil, err
	}
	return &noteOutput{noteOf(n)}, nil
}
