package campaign

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Limits of test mails.
const (
	MaxTests = 10  // addresses typed
	MaxSeeds = 20  // addresses of the seed list
	testsDay = 200 // test mails of a tenant on a UTC day
)

// Codes of refusals of test mails.
const (
	CodeTestForeign = "campaign_test_foreign" // Invalid: not one's own address
	CodeTestMany    = "campaign_test_many"    // Limited
)

// testTag is the tag of test mails.
const testTag = "mailing-test"

// Tried is what became of one test mail at acceptance.
type Tried struct {
	Address message.Address
	Message message.ID // zero if it was not accepted
	Err     error      // *fault.Error; nil: on its way
}

// SendTests sends a draft to addresses of one's own, and to the seed list if seeds says so, filled
// with a contact's data or, with the zero identifier, those of the first member of its groups.
// Test mails bear "[Test]" in their subject, tell of nobody and count in no report. They need
// no approval, and so go only to domains of the tenant, its people and its seeds, and not more
// than 200 a day. Errors: those of Sample, Invalid CodeTestForeign at "to", Limited
// CodeTestMany.
func (s *Service) SendTests(ctx context.Context, who ingest.Principal, number ID, to []string, seeds bool, contact audience.ContactID) ([]Tried, error) {
	c, err := s.Campaign(ctx, who.Tenant, number)
	if err != nil {
		return nil, err
	}
	return s.TestLetter(ctx, who, c, to, seeds, contact)
}

// TestLetter is SendTests of a letter that is of no kept campaign.
func (s *Service) TestLetter(ctx context.Context, who ingest.Principal, c Campaign, to []string, seeds bool, contact audience.ContactID) ([]Tried, error) {
	addrs, err := s.ownAddresses(ctx, who.Tenant, to, seeds)
	if err != nil {
		return nil, err
	}
	f, err := newForm(c)
	if err != nil {
		return nil, err
	}
	person, err := s.someone(ctx, c, contact)
	if err != nil {
		return nil, err
	}
	now := s.stamp()
	ok, err := s.c.Store.TakeTests(ctx, who.Tenant, now.Format("2006-01-02"), len(addrs), testsDay)
	if err != nil {
		return nil, fmt.Errorf("count test mails: %w", err)
	}
	if !ok {
		return nil, fault.New(fault.Limited, CodeTestMany, "At most 200 test mails a day.")
	}
	subs := make([]ingest.Submission, len(addrs))
	for i, a := range addrs {
		if subs[i], err = s.testMail(c, f, person, a, message.NewID(now)); err != nil {
			return nil, err
		}
	}
	list := make([]Tried, len(addrs))
	for i, res := range s.c.Acceptor.AcceptAll(ctx, who, subs) {
		if list[i] = (Tried{Address: addrs[i], Err: res.Err}); res.Err == nil {
			list[i].Message = subs[i].ID
		} else if fault.As(res.Err) == nil {
			return nil, fmt.Errorf("send test mail: %w", res.Err)
		}
	}
	return list, nil
}

// testMail is one. Its links are those of a mail of its own.
func (s *Service) testMail(c Campaign, f *form, person audience.Contact, to message.Address, number message.ID) (ingest.Submission, error) {
	data := dataOf(person)
	data[varLeave], data[varWeb] = sampleLink, sampleLink
	if s.c.Links != nil {
		data[varLeave], data[varWeb] = s.c.Links(c.Tenant, message.Delivery(number, 1))
	}
	f.complete(data)
	d, err := f.draft(data, message.Mailbox{Address: to})
	if err != nil {
		return ingest.Submission{}, &fault.Error{Kind: fault.Invalid, Code: CodeContent, Field: "html", Detail: "The data of this contact break the template.", Err: err}
	}
	d.Subject = "[Test] " + d.Subject
	d.Headers = nil // it is of no list, and counts nowhere
	return ingest.Submission{ID: number, Draft: &d, Stream: tenant.Transactional, Tracking: tracking.None, Tags: []string{testTag}}, nil
}

// ownAddresses are those that test mails may go to.
func (s *Service) ownAddresses(ctx context.Context, t tenant.ID, to []string, seeds bool) (list []message.Address, err error) {
	set, err := s.c.Store.CampaignSettings(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("read settings of mailings: %w", err)
	}
	own, err := s.c.Store.OwnAddresses(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("read own addresses: %w", err)
	}
	if len(to) > MaxTests {
		return nil, fault.Field("to", CodeValue, "At most 10 addresses.")
	}
	for _, text := range to {
		a, err := message.ParseAddress(strings.TrimSpace(text))
		if err != nil {
			return nil, fault.Field("to", "address_malformed", fault.Quote(text)+" is no address.")
		}
		if !slices.Contains(own.Domains, a.Domain) && !slices.ContainsFunc(slices.Concat(own.People, set.Seeds), func(o string) bool { return strings.EqualFold(o, a.String()) }) {
			return nil, fault.Field("to", CodeTestForeign, fault.Quote(text)+" is of no domain of the account, of none of its people, and not on the seed list.")
		}
		list = append(list, a)
	}
	for _, text := range set.Seeds {
		if a, err := message.ParseAddress(text); err == nil && seeds && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		return nil, fault.Field("to", CodeValue, "Name at least one address.")
	}
	return list, nil
}

// Own is where mail is the tenant's own.
type Own struct {
	Domains []string // usable ones
	People  []string // addresses of its people
}

// SetSettings replaces the tenant's. Errors: Invalid at "seeds/n".
func (s *Service) SetSettings(ctx context.Context, t tenant.ID, v Settings) error {
	var wrong []*fault.Error
	if len(v.Seeds) > MaxSeeds {
		wrong = append(wrong, fault.Field("seeds", CodeValue, "At most 20 addresses."))
	}
	var kept []string
	for i, text := range v.Seeds {
		a, err := message.ParseAddress(strings.TrimSpace(text))
		if err != nil {
			wrong = append(wrong, fault.Field("seeds/"+strconv.Itoa(i), "address_malformed", fault.Quote(text)+" is no address."))
			continue
		}
		kept = append(kept, a.String())
	}
	if err := fault.Join(wrong); err != nil {
		return err
	}
	v.Seeds = kept
	return s.c.Store.PutCampaignSettings(ctx, t, v)
}
