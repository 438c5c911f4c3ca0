package announce

import (
	"context"
	"fmt"
	"strings"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/changeover/affected"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/lead"
	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// PageURL is the address of a customer's page. Whoever has it may answer for the
// customer.
func (s *Service) PageURL(t tenant.ID, n affected.ID) string {
	return s.c.PublicURL + Path + s.token(t, n)
}

// QuestionsURL is the address of the questions and answers about a changeover.
func (s *Service) QuestionsURL(t tenant.ID, c changeover.ID) string {
	return s.c.PublicURL + FAQPath + c.String() + "/" + t.String()
}

// View is what a customer's page shows.
type View struct {
	Customer affected.Customer
	Plan     changeover.Changeover
	Portal   string // the tenant as customers know it
	Contact  string
	Old, New []Address
	// Days is for how many days the tenant's leads can be sent again.
	Days int
	// Software statements, see Announcement.
	Unconcerned, Concerned []string
	// Questions is the URL of another page; Addresses and Genuine are such by language,
	// without an entry if there is none.
	Questions          string
	Addresses, Genuine map[i18n.Lang]string
	// Fates are what the customer's server said last to the newest test leads, by source; none
	// of those that no server answered yet.
	Fates map[string]Fate
	// CanTest: there are leads to test, and new sources that may send one.
	CanTest bool
	Over    bool // the plan has ended; nothing is asked any more
}

// Open returns what the page of a token shows. A token that was made up, or whose
// customer or changeover is gone, is NotFound "changeover_link_unknown", and nothing
// tells which.
func (s *Service) Open(ctx context.Context, token string) (View, error) {
	t, n, err := s.named(token)
	if err != nil {
		return View{}, err
	}
	c, plan, err := s.customer(ctx, t, n)
	if fault.IsKind(err, fault.NotFound) {
		return View{}, unknown()
	}
	if err != nil {
		return View{}, fmt.Errorf("open customer's page: %w", err)
	}
	v, err := s.view(ctx, t, plan)
	v.Customer = c
	v.CanTest = c.Kind == affected.Advertiser && len(v.New) > 0 && testable(plan)
	if err == nil {
		v.Fates, err = s.fates(ctx, c)
	}
	return v, err
}

// Fate is what became of a test lead at the door of the customer's server.
type Fate struct {
	Taken bool
	Reply string // with its code, on one line
}

// fates reads the last answer to each newest test lead. One address is enough of those
// that a lead goes to: that of the worse answer.
func (s *Service) fates(ctx context.Context, c affected.Customer) (map[string]Fate, error) {
	fates := map[string]Fate{}
	for _, test := range c.Tests {
		l, err := s.c.Leads.Lead(ctx, c.Tenant, test.Lead)
		if fault.IsKind(err, fault.NotFound) || err == nil && l.Message.IsZero() {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read test lead: %w", err)
		}
		for _, to := range c.Emails {
			steps, err := s.c.Customers.Attempts(ctx, c.Tenant, affected.Query{Recipient: to, From: test.SentAt.Add(-time.Minute), To: s.now().Add(time.Minute), Limit: maxTestMails})
			if err != nil {
				return nil, fmt.Errorf("read answers to test lead: %w", err)
			}
			last := Fate{}
			for _, step := range steps.List { // of one delivery in order
				if a := step.Attempt; message.Of(step.Delivery) == l.Message && a.Code > 0 {
					last = Fate{a.Outcome == event.OutcomeDelivered, strings.Join(strings.Fields(fmt.Sprint(a.Code, " ", a.Enhanced, " ", a.Reply)), " ")}
				}
			}
			if before, there := fates[test.Source]; last.Reply != "" && (!there || before.Taken) {
				fates[test.Source] = last
			}
		}
	}
	return fates, nil
}

// maxTestMails bounds the mails to one address since a test lead among which it is looked
// for.
const maxTestMails = 200

// testable reports whether mail may leave from the new sources by now.
func testable(c changeover.Changeover) bool {
	return tellable(c) && c.Stage != changeover.Announced
}

func (s *Service) view(ctx context.Context, t tenant.ID, plan changeover.Changeover) (View, error) {
	a, err := s.c.Store.Announcement(ctx, t, plan.ID)
	if err != nil {
		return View{}, fmt.Errorf("open customer's page: %w", err)
	}
	set, err := s.c.Leads.Settings(ctx, t)
	if err != nil {
		return View{}, fmt.Errorf("open customer's page: %w", err)
	}
	kept, err := s.c.Leads.KeptFor(ctx, t)
	if err != nil {
		return View{}, fmt.Errorf("open customer's page: %w", err)
	}
	v := View{Days: days(kept), Plan: plan, Portal: set.Portal, Contact: a.Contact, Unconcerned: a.Unconcerned, Concerned: a.Concerned,
		Questions: s.QuestionsURL(t, plan.ID), Addresses: map[i18n.Lang]string{}, Genuine: map[i18n.Lang]string{}, Over: !tellable(plan)}
	for _, lang := range i18n.Langs() {
		if s.c.AddressesURL != nil {
			v.Addresses[lang] = s.c.AddressesURL(lang, t)
		}
		if s.c.GenuineURL != nil {
			v.Genuine[lang] = s.c.GenuineURL(lang, t)
		}
	}
	v.Old, v.New, err = s.addresses(ctx, plan)
	return v, err
}

// Hear keeps what a customer says on the page. Errors are those of Open, and Invalid with
// the field "answer".
func (s *Service) Hear(ctx context.Context, token string, a affected.Answer) error {
	if !a.Valid() {
		return fault.Field("answer", "answer_unknown", "The answers are added and not_concerned.")
	}
	v, err := s.Open(ctx, token)
	if err != nil {
		return err
	}
	c := v.Customer
	c.Answer, c.AnsweredAt = a, s.now()
	if err := s.c.Customers.PutCustomer(ctx, c); err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return nil
}

// Order sends the test leads that a customer asked for on the page. Errors are those of
// Open and of Test.
func (s *Service) Order(ctx context.Context, token string) error {
	v, err := s.Open(ctx, token)
	if err != nil {
		return err
	}
	if !v.CanTest {
		return fault.New(fault.Conflict, "test_not_possible", "No test lead can be sent now.")
	}
	return s.Test(ctx, v.Customer.Tenant, v.Customer.ID, ingest.Principal{Tenant: v.Customer.Tenant, Actor: "system", Door: Door})
}

// Test leads can be ordered again after testPause, and after retestPause when the customer
// told something of the last ones: a code, or that the addresses are added now. Whoever
// changes a firewall tries again at once.
const (
	testPause   = 15 * time.Minute
	retestPause = 20 * time.Second
)

// pauseAfter is how long after a test the next may follow.
func pauseAfter(c affected.Customer, t affected.Test) time.Duration {
	if t.BodyAt.After(t.SentAt) || t.XMLAt.After(t.SentAt) || c.AnsweredAt.After(t.SentAt) {
		return retestPause
	}
	return testPause
}

// Test sends an advertiser a test lead from each new source. Limited "test_lately" for a
// quarter of an hour after the last, or 20 seconds if the customer has told of it since;
// Conflict "test_not_possible" while new sources must not send; else the errors of
// lead.Service.Submit.
func (s *Service) Test(ctx context.Context, t tenant.ID, n affected.ID, p ingest.Principal) error {
	c, plan, err := s.customer(ctx, t, n)
	if err != nil {
		return err
	}
	if c.Kind != affected.Advertiser || !testable(plan) {
		return fault.New(fault.Conflict, "test_not_possible", "No test lead can be sent now.")
	}
	now := s.now()
	for _, old := range c.Tests {
		if wait := pauseAfter(c, old) - now.Sub(old.SentAt); wait > 0 {
			return &fault.Error{Kind: fault.Limited, Code: "test_lately", Detail: "The last test leads were sent a moment ago.", RetryAfter: wait}
		}
	}
	for _, source := range plan.New {
		got, err := s.c.Leads.Submit(ctx, p, lead.Enquiry{
			Test: true, Source: source, Advertiser: lead.AdvertiserRef{ID: c.Key},
			Object: openimmo.Object{AdvertiserRef: "TEST", Title: "Test " + source},
			Prospect: openimmo.Prospect{Salutation: "Frau", FirstName: "Test", LastName: "Kontaktanfrage", Phone: "+49 30 23125000",
				Preferred: []openimmo.Channel{openimmo.ByEmail}},
			Message: s.c.Catalog.Text(i18n.German, i18n.Sie, "announce.test.message", i18n.Args{"url": s.PageURL(t, n), "source": source}) + "\n\n" +
				s.c.Catalog.Text(i18n.English, i18n.Sie, "announce.test.message", i18n.Args{"url": s.PageURL(t, n), "source": source}),
		})
		if err != nil {
			return fmt.Errorf("send test lead from %s: %w", source, err)
		}
		if err := s.c.Customers.PutTest(ctx, t, n, affected.Test{Source: source, Lead: got.ID, SentAt: now}); err != nil {
			return fmt.Errorf("keep test lead: %w", err)
		}
	}
	return nil
}

// Entered is what codes proved.
type Entered struct {
	Body, XML int // tests whose text, whose XML is proven by them
	Unknown   int // codes that belong to no test
}

// maxCodes bounds the codes entered at once: two for each of some sources.
const maxCodes = 40

// Enter takes the codes that a customer found in test leads, separated by anything but
// letters, digits and dashes. Errors are those of Open.
func (s *Service) Enter(ctx context.Context, token, text string) (Entered, error) {
	var e Entered
	v, err := s.Open(ctx, token)
	if err != nil {
		return e, err
	}
	codes := strings.FieldsFunc(text, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	codes = codes[:min(len(codes), maxCodes)]
	fits := make([]bool, len(codes))
	c, now := v.Customer, s.now()
	for _, test := range c.Tests {
		l, err := s.c.Leads.Lead(ctx, c.Tenant, test.Lead)
		if fault.IsKind(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return e, fmt.Errorf("prove test lead: %w", err)
		}
		body, xml := false, false
		for i, code := range codes {
			p := s.c.Leads.Prove(l, code)
			fits[i] = fits[i] || p.Body || p.XML
			body, xml = body || p.Body, xml || p.XML
		}
		if err := s.proven(ctx, c, test, body, xml, now); err != nil {
			return e, err
		}
		if body {
			e.Body++
		}
		if xml {
			e.XML++
		}
	}
	for _, ok := range fits {
		if !ok {
			e.Unknown++
		}
	}
	return e, nil
}

// proven keeps what the codes of one test showed. What was proven before stays.
func (s *Service) proven(ctx context.Context, c affected.Customer, test affected.Test, body, xml bool, now time.Time) error {
	if !body && !xml {
		return nil
	}
	if body && test.BodyAt.IsZero() {
		test.BodyAt = now
	}
	if xml && test.XMLAt.IsZero() {
		test.XMLAt = now
	}
	if err := s.c.Customers.PutTest(ctx, c.Tenant, c.ID, test); err != nil {
		return fmt.Errorf("keep proof of test lead: %w", err)
	}
	return nil
}

// Questions returns what the page of questions and answers shows, where a tenant has
// published it; otherwise NotFound "changeover_link_unknown".
func (s *Service) Questions(ctx context.Context, named, of string) (View, Announcement, error) {
	number, err := id.Parse[changeover.Kind](named)
	if err != nil {
		return View{}, Announcement{}, unknown()
	}
	t, err := id.Parse[tenant.Kind](of)
	if err != nil {
		return View{}, Announcement{}, unknown()
	}
	plan, err := s.Of(ctx, t, number)
	if fault.IsKind(err, fault.NotFound) {
		return View{}, Announcement{}, unknown()
	}
	if err != nil {
		return View{}, Announcement{}, fmt.Errorf("open questions: %w", err)
	}
	a, err := s.c.Store.Announcement(ctx, t, number)
	if err != nil {
		return View{}, Announcement{}, fmt.Errorf("open questions: %w", err)
	}
	if !a.Published() || plan.Stage == changeover.Draft {
		return View{}, Announcement{}, unknown()
	}
	v, err := s.view(ctx, t, plan)
	return v, a, err
}

// Preview is the announcement as a customer will get it; the zero customer stands for
// anybody.
func (s *Service) Preview(ctx context.Context, a Announcement, c affected.Customer) (message.Draft, error) {
	plan, err := s.Of(ctx, a.Tenant, a.Changeover)
	if err != nil {
		return message.Draft{}, err
	}
	b, err := s.brief(ctx, a, plan)
	if err != nil {
		return message.Draft{}, err
	}
	return s.Compose(b, c, FirstLetter)
}
