package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// groupRoutes are those of groups. Filling one asks for what sending asks for; deleting
// asks for more.
func (a *API) groupRoutes() []Route {
	const all, one, body = "/v1/groups", "/v1/groups/{id}", 64 << 10
	return []Route{
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200,
			id: "list-groups", summary: "List groups", register: registerWith((*API).listGroups)},
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeSend, MaxBody: body, media: "application/json", status: 201, errors: []int{409, 422},
			id: "create-group", summary: "Make a group", register: registerWith((*API).createGroup)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-group", summary: "Read a group with the state of its approval", register: registerWith((*API).getGroup)},
		{Method: http.MethodDelete, Path: one, Scope: tenant.ScopeAdmin, status: 204, errors: []int{404},
			id: "delete-group", summary: "Delete a group; its contacts stay", register: registerWith((*API).deleteGroup)},
		{Method: http.MethodGet, Path: one + "/contacts", Scope: tenant.ScopeRead, status: 200, errors: []int{404, 422},
			id: "list-members", summary: "List the contacts in a group", register: registerWith((*API).listMembers)},
		{Method: http.MethodPost, Path: one + "/contacts", Scope: tenant.ScopeSend, MaxBody: a.c.Limits.Import, media: "application/json", status: 200, errors: []int{404, 409, 413, 422},
			id: "add-members", summary: "Put up to 10,000 people into a group", register: registerWith((*API).addMembers)},
		{Method: http.MethodDelete, Path: one + "/contacts/{contact}", Scope: tenant.ScopeSend, status: 204, errors: []int{404, 409},
			id: "remove-member", summary: "Take a contact out of a group", register: registerWith((*API).removeMember)},
	}
}

// GroupDraft is a group as it is made.
type GroupDraft struct {
	Name        string         `json:"name" maxLength:"400" example:"Newsletter Neubau"`
	Description string         `json:"description,omitempty" maxLength:"2000"`
	Segment     map[string]any `json:"segment,omitempty" doc:"Makes the group dynamic: whoever this filter picks is in it. Tests such as {\"of\":\"tag\",\"is\":\"has\",\"value\":\"vip\"}, put together with all, any and not"`
}

// GroupApproval is how far the approval of a group is.
type GroupApproval struct {
	State    audience.ApprovalState `json:"state" enum:"required,in_review,question,approved,rejected"`
	Since    *time.Time             `json:"since" doc:"When the state was reached; null: nothing was asked yet"`
	Due      *time.Time             `json:"due" doc:"Until when the reviewers answer; null if they need not"`
	Question string                 `json:"question" doc:"What the reviewers ask; empty for nothing"`
}

// GroupRecord is a group as it is read.
type GroupRecord struct {
	ID          audience.GroupID     `json:"id"`
	Version     int64                `json:"version"`
	Name        string               `json:"name"`
	Description string               `json:"description"`
	Kind        audience.Composition `json:"kind" enum:"static,dynamic"`
	Segment     map[string]any       `json:"segment,omitempty" doc:"Of a dynamic group"`
	Members     int64                `json:"members"`
	CountedAt   *time.Time           `json:"counted_at" doc:"When the members of a dynamic group were counted; null of a static one"`
	Approval    GroupApproval        `json:"approval"`
	CreatedAt   time.Time            `json:"created_at"`
	UpdatedAt   time.Time            `json:"updated_at"`
}

type groupOutput struct{ Body GroupRecord }

// records are groups with their approvals.
func (a *API) groupRecords(ctx context.Context, list []audience.Group) ([]GroupRecord, error) {
	ids := make([]audience.GroupID, len(list))
	for i, g := range list {
		ids[i] = g.ID
	}
	approvals, err := audience.ApprovalsOf(ctx, a.c.Approvals, keyOf(ctx).Tenant, ids)
	if err != nil {
		return nil, err
	}
	records := make([]GroupRecord, len(list))
	for i, g := range list {
		state := approvals[g.ID]
		records[i] = GroupRecord{ID: g.ID, Version: g.Version, Name: g.Name, Description: g.Description, Kind: g.Kind, Members: g.Members,
			CountedAt: timeOrNull(g.CountedAt), CreatedAt: g.CreatedAt, UpdatedAt: g.UpdatedAt,
			Approval: GroupApproval{state.State, timeOrNull(state.Since), timeOrNull(state.Due), state.Question}}
		if g.Segment == nil {
			continue
		}
		text, err := json.Marshal(g.Segment)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &records[i].Segment); err != nil {
			return nil, err
		}
	}
	return records, nil
}

func (a *API) groupAnswer(ctx context.Context, g audience.Group) (*groupOutput, error) {
	records, err := a.groupRecords(ctx, []audience.Group{g})
	if err != nil {
		return nil, err
	}
	return &groupOutput{records[0]}, nil
}

type listGroupsOutput struct {
	Body struct {
		Data []GroupRecord `json:"data" nullable:"false" doc:"By name"`
	}
}

func (a *API) listGroups(ctx context.Context, _ *struct{}) (*listGroupsOutput, error) {
	list, err := a.c.Groups.List(ctx, keyOf(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	out := &listGroupsOutput{}
	out.Body.Data, err = a.groupRecords(ctx, list)
	return out, err
}

func (a *API) createGroup(ctx context.Context, in *struct{ Body GroupDraft }) (*groupOutput, error) {
	key := keyOf(ctx)
	g := audience.Group{Name: in.Body.Name, Description: in.Body.Description, Kind: audience.Static}
	if in.Body.Segment != nil {
		text, err := json.Marshal(in.Body.Segment)
		if err != nil {
			return nil, err
		}
		segment, err := audience.ParseSegment(text)
		if err != nil {
			return nil, err
		}
		g.Kind, g.Segment = audience.Dynamic, &segment
	}
	made, err := a.c.Groups.Create(ctx, key.Tenant, g, key.ID.String())
	if err != nil {
		return nil, err
	}
	return a.groupAnswer(ctx, made)
}

// GroupPath names one group.
type GroupPath struct {
	ID string `path:"id" maxLength:"64" example:"grp_01k00000000000000000000000"`
}

// group reads the identifier; a malformed one names nothing.
func (p GroupPath) group() (audience.GroupID, error) {
	g, err := id.Parse[audience.GroupKind](p.ID)
	if err != nil {
		return g, fault.New(fault.NotFound, "group_not_found", "There is no such thing here.")
	}
	return g, nil
}

func (a *API) getGroup(ctx context.Context, in *GroupPath) (*groupOutput, error) {
	g, err := in.group()
	if err != nil {
		return nil, err
	}
	found, err := a.c.Groups.Counted(ctx, keyOf(ctx).Tenant, g)
	if err != nil {
		return nil, err
	}
	return a.groupAnswer(ctx, found)
}

func (a *API) deleteGroup(ctx context.Context, in *GroupPath) (*struct{}, error) {
	g, err := in.group()
	if err != nil {
		return nil, err
	}
	return nil, a.c.Groups.Delete(ctx, keyOf(ctx).Tenant, g)
}

type listMembersInput struct {
	GroupPath
	Query     string `query:"q" maxLength:"320" doc:"Beginnings of words of a name, company or reference, of an address, or @domain"`
	ByName    bool   `query:"by_name" doc:"Order by name instead of by the time the contact was made"`
	Ascending bool   `query:"ascending" doc:"Order from low to high"`
	After     string `query:"after" maxLength:"64" doc:"next of the page before"`
	Limit     int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

// Membership is a contact in a group.
type Membership struct {
	audience.ContactRecord
	AddedAt *time.Time `json:"added_at" doc:"When it came into the group; null in a dynamic one"`
}

type listMembersOutput struct {
	Body struct {
		Data    []Membership `json:"data" nullable:"false"`
		HasMore bool         `json:"has_more"`
		Next    *string      `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) listMembers(ctx context.Context, in *listMembersInput) (*listMembersOutput, error) {
	g, err := in.group()
	if err != nil {
		return nil, err
	}
	f := audience.MemberFilter{Text: in.Query, ByName: in.ByName, Ascending: in.Ascending, Limit: in.Limit}
	if in.After != "" {
		if f.After, err = id.Parse[audience.ContactKind](in.After); err != nil {
			return nil, fault.Field("query/after", "id_malformed", "The value is not the identifier of a contact.")
		}
	}
	page, err := a.c.Groups.Members(ctx, keyOf(ctx).Tenant, g, f)
	if err != nil {
		return nil, err
	}
	out := &listMembersOutput{}
	out.Body.Data = make([]Membership, len(page.Members))
	for i, m := range page.Members {
		out.Body.Data[i] = Membership{m.Record(), timeOrNull(m.AddedAt)}
	}
	if page.More {
		next := page.Members[len(page.Members)-1].ID.String()
		out.Body.HasMore, out.Body.Next = true, &next
	}
	return out, nil
}

type addMembersInput struct {
	GroupPath
	Body struct {
		Contacts []struct {
			Email  string            `json:"email" maxLength:"320"`
			Fields map[string]string `json:"fields,omitempty" doc:"given_name, family_name, company, salutation, phone, locale, reference, tags (with commas), or keys of fields that the tenant declared"`
		} `json:"contacts" nullable:"false" minItems:"1" maxItems:"10000"`
	}
}

// EnlistedRecord is what became of one of the people.
type EnlistedRecord struct {
	ContactID *audience.ContactID   `json:"contact_id" doc:"Null if refused"`
	Result    audience.EnlistResult `json:"result" enum:"created,joined,changed,known,refused" doc:"A new contact; one that was there; one that was there and said less than this; one that was in the group; not taken"`
	Error     *EnlistError          `json:"error,omitempty"`
}

// EnlistError says why somebody was not taken.
type EnlistError struct {
	Code    string `json:"code"`
	Pointer string `json:"pointer" doc:"To the value at fault in the request"`
	Detail  string `json:"detail"`
}

type addMembersOutput struct {
	Body struct {
		Data []EnlistedRecord `json:"data" nullable:"false" doc:"In the order of the request"`
	}
}

// addMembers stores people and puts them into a group, each for itself: what cannot be
// taken stops nobody else.
func (a *API) addMembers(ctx context.Context, in *addMembersInput) (*addMembersOutput, error) {
	g, err := in.group()
	if err != nil {
		return nil, err
	}
	people := make([]audience.Person, len(in.Body.Contacts))
	for i, c := range in.Body.Contacts {
		people[i] = audience.Person{Email: c.Email, Fields: c.Fields}
	}
	key := keyOf(ctx)
	results, err := a.c.Groups.Enlist(ctx, key.Tenant, g, people, audience.OriginAPI, key.ID.String())
	if err != nil {
		return nil, err
	}
	out := &addMembersOutput{}
	out.Body.Data = make([]EnlistedRecord, len(results))
	for i, r := range results {
		out.Body.Data[i] = EnlistedRecord{Result: r.Result}
		if r.Err != nil {
			out.Body.Data[i].Error = &EnlistError{r.Err.Code, pointerTo(i, r.Err.Field), r.Err.Detail}
			continue
		}
		c := r.Contact
		out.Body.Data[i].ContactID = &c
	}
	return out, nil
}

// pointerTo is where what a refusal is about stands in the request.
func pointerTo(i int, field string) string {
	if field == "email" || field == "" || len(field) > 9 && field[:9] == "addresses" {
		return fmt.Sprintf("/contacts/%d/email", i)
	}
	if len(field) > 7 && field[:7] == "fields/" {
		field = field[7:]
	}
	return fmt.Sprintf("/contacts/%d/fields/%s", i, field)
}

type removeMemberInput struct {
	GroupPath
	Contact string `path:"contact" maxLength:"64" example:"con_01k00000000000000000000000"`
}

func (a *API) removeMember(ctx context.Context, in *removeMemberInput) (*struct{}, error) {
	g, err := in.group()
	if err != nil {
		return nil, err
	}
	c, err := id.Parse[audience.ContactKind](in.Contact)
	if err != nil {
		return nil, fault.New(fault.NotFound, "contact_not_found", "There is no such thing here.")
	}
	key := keyOf(ctx)
	n, err := a.c.Groups.Remove(ctx, key.Tenant, g, []audience.ContactID{c}, key.ID.String())
	if err == nil && n == 0 {
		err = fault.New(fault.NotFound, "contact_not_found", "There is no such thing here.")
	}
	return nil, err
}
