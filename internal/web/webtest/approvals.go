package webtest

import (
	"bytes"
	"context"

	"stafette/internal/approval"
	"stafette/internal/approval/approvaltest"
	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/approvals"
	"stafette/internal/web/reviews"
)

// Desk of approvals: groups of both tenants in every state, with words as strangers write
// them.
type approvalDesk struct {
	*approval.Service
	store  *approvaltest.Store
	groups *audiencetest.Groups
	own    map[approval.State]approval.Case
	other  approval.Case
}

// ApprovalOf is the path of the approval of World.Tenant's group in a state.
func (w *World) ApprovalOf(s approval.State) string {
	return approval.Path(w.approvalDesk().own[s].Group)
}

// ReviewOf is the path of that group's case on the reviewers' desk.
func (w *World) ReviewOf(s approval.State) string {
	return "/platform/reviews/" + w.approvalDesk().own[s].ID.String()
}

// approvalDesk is made when it is first asked for.
func (w *World) approvalDesk() *approvalDesk {
	w.approvalsOnce.Do(func() { w.approvals = newApprovalDesk(w) })
	return w.approvals
}

func approvalsSubject() Subject {
	return Subject{
		Wire: func(w *World, c *web.Config) {
			d := w.approvalDesk()
			c.Approvals = approvals.Config{Approvals: d, People: w}
			c.Reviews = reviews.Config{Reviews: d, Accounts: accountNames{w}, Alarms: d.store, Examiner: d}
			c.Todos.Sources = append(c.Todos.Sources, insight.Approvals{Cases: d, Groups: d.groups})
			c.StaffTodos.Sources = append(c.StaffTodos.Sources, insight.Reviews{Cases: d, Alarms: d.store})
		},
		Own: func(w *World) map[string]string {
			return map[string]string{
				"/groups/{id}/approval/step/{step}":   w.ApprovalOf(approval.Required) + "/step/2",
				"/groups/{id}/approval/files/{file}":  w.ApprovalOf(approval.Question) + "/files/" + w.approvalDesk().file(approval.Question),
				"/groups/{id}/approval":               w.ApprovalOf(approval.Question),
				"/platform/reviews/{id}/files/{file}": w.ReviewOf(approval.Question) + "/files/" + w.approvalDesk().file(approval.Question),
				"/platform/reviews/{id}":              w.ReviewOf(approval.InReview),
			}
		},
		Foreign: func(w *World) map[string]string {
			path := approval.Path(w.approvalDesk().other.Group)
			return map[string]string{
				"/groups/{id}/approval/step/{step}":  path + "/step/2",
				"/groups/{id}/approval/files/{file}": path + "/files/" + w.approvalDesk().file(approval.Question),
				"/groups/{id}/approval":              path,
			}
		},
		Pages: func(w *World) []string {
			list := []string{w.ApprovalOf(approval.Required) + "/step/1", w.ApprovalOf(approval.Rejected) + "/step/3", w.ApprovalOf(approval.InReview) + "?done=submitted"}
			for _, s := range approval.States() {
				list = append(list, w.ApprovalOf(s))
			}
			return list
		},
	}
}

// accountNames tells the names of the world's tenants.
type accountNames struct{ *World }

// Tenant implements reviews.Accounts.
func (n accountNames) Tenant(_ context.Context, t tenant.ID) (tenant.Tenant, error) {
	if t == n.World.Other.ID {
		return n.World.Other, nil
	}
	return n.World.Tenant, nil
}

// Examine implements reviews.Examiner: there is nothing new to find out.
func (d *approvalDesk) Examine(context.Context, approval.Case) error { return nil }

func (d *approvalDesk) file(s approval.State) string {
	files, err := d.Files(context.Background(), d.own[s])
	if err != nil || len(files) == 0 {
		return "apf_00000000000000000000000000"
	}
	return files[0].ID.String()
}

// related makes Partial have to do with Tenant.
func (w *World) related(_ context.Context, email string, t tenant.ID) (bool, error) {
	return t == w.Tenant.ID && email == w.Partial, nil
}

// judge is who may act upon an account.
type judge struct{ w *World }

func (w *World) judges() judge { return judge{w} }

// Impartial implements offices.Judges.
func (j judge) Impartial(ctx context.Context, t tenant.ID, who approval.Reviewer) error {
	if own, _ := j.w.related(ctx, who.Email, t); own {
		return fault.New(fault.Forbidden, approval.CodeOwn, "")
	}
	return nil
}

func newApprovalDesk(w *World) *approvalDesk {
	keeper, err := seal.New(bytes.Repeat([]byte{9}, seal.KeySize))
	must(err)
	people := &audiencetest.Contacts{}
	d := &approvalDesk{store: &approvaltest.Store{}, groups: &audiencetest.Groups{People: people}, own: map[approval.State]approval.Case{}}
	d.Service, err = approval.New(approval.Config{Store: d.store, Groups: d.groups, Keeper: keeper, Now: w.Now,
		Related:  w.related,
		Calendar: approval.DefaultCalendar(w.Now().Location())})
	must(err)
	for i, s := range approval.States() {
		d.own[s] = d.make(w, people, w.Tenant.ID, "Gruppe "+string(rune('A'+i))+" <script>", s)
	}
	d.other = d.make(w, people, w.Other.ID, "Fremde Gruppe", approval.Question)
	_, err = d.store.RaisePatternAlarm(context.Background(), approval.Alarm{Tenant: w.Tenant.ID, Group: d.own[approval.Rejected].Group, Stream: tenant.Transactional, Members: 250, At: w.Now()})
	must(err)
	return d
}

func must(err error) {
	if err != nil {
		panic(err) // the world is made of what is right
	}
}

// make brings a group of three people into a state.
func (d *approvalDesk) make(w *World, people *audiencetest.Contacts, t tenant.ID, name string, s approval.State) approval.Case {
	ctx, groups, book := context.Background(), audience.NewGroups(d.groups, people, w.Now), audience.NewContacts(people, w.Now)
	g, err := groups.Create(ctx, t, audience.Group{Name: name, Kind: audience.Static}, "usr_1")
	must(err)
	var list []audience.ContactID
	for _, local := range []string{"eva", "max", "kim"} {
		c, err := book.Create(ctx, t, audience.Contact{Addresses: []message.Address{{Local: local + g.ID.String(), Domain: "kunde.example"}}}, audience.OriginOffice, "usr_1")
		must(err)
		list = append(list, c.ID)
	}
	_, err = groups.Add(ctx, t, g.ID, list, audience.OriginOffice, "usr_1")
	must(err)
	said := approval.Submission{Read: true, Contact: approval.Contact{Name: "J. Petersen", Email: "j@hafenkontor.example"}, Sources: []approval.Source{{
		Kind: approval.DoubleOptIn, FormURL: "https://hafenkontor.example/anmelden", Description: "Anmeldung auf der Seite. <script>alert(1)</script>",
		Answers: map[string]string{"wording": "Ja, ich möchte Angebote per E-Mail."},
	}}}
	c, err := d.SaveDraft(ctx, t, g.ID, said, nil, "usr_1")
	must(err)
	if s == approval.Required {
		return c
	}
	_, err = d.Submit(ctx, t, g.ID, said, "usr_1")
	must(err)
	file, err := approval.NewFile(id.New[approval.FileKind](w.Now()), "karte <b>.pdf", []byte("%PDF-1.7"))
	must(err)
	c, err = d.Answer(ctx, t, g.ID, "Hier ist die Karte. <script>", []approval.File{file}, "usr_1")
	must(err)
	decide := map[approval.State]approval.Decision{approval.Question: approval.DecideQuestion, approval.Approved: approval.DecideApprove, approval.Rejected: approval.DecideReject}[s]
	if decide != "" {
		c, err = d.Decide(ctx, approval.Verdict{Case: c.ID, Decision: decide, Reason: "Auf der Karte fehlt der Wortlaut. <script>"}, approval.Reviewer{Actor: "usr_9"})
		must(err)
	}
	return c
}
