package campaign

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/stationery"
	"stafette/internal/template"
	"stafette/internal/tenant"
)

// Preview is what sending a campaign now would come to.
type Preview struct {
	// Total counts members of the groups, those in several as often; Send of them would get
	// it, Excluded not, by reason.
	Total, Send int64
	Excluded    map[string]int64
	// Looked is how many members were looked at: the others are told of in Total alone.
	Looked int64
	// Approvals of the groups, in their order.
	Approvals []audience.ApprovalState
	// Takes is how long handing them over takes at least, by the limits of the campaign; 0:
	// there are none, or it cannot be told.
	Takes time.Duration
	// ZoneKey is the field in which contacts have their time zone, "": there is none. Waves
	// count those who would get it by zone, in the order of their instants where the campaign
	// has a local time; Late are those of them whose time is over now.
	ZoneKey string
	Waves   []Wave
	Late    int64
	// First and Last are the instants of the waves of all members, Done when all of it would
	// have been handed over at the earliest; zero without a local time.
	First, Last, Done time.Time
	// Hindrance is what keeps it from being sent; nil: nothing.
	Hindrance error
}

// maxLooked bounds the members that a preview looks at.
const maxLooked = 20_000

// Preview counts who would get a campaign and who not. Nothing is written.
func (s *Service) Preview(ctx context.Context, c Campaign) (Preview, error) {
	v := Preview{Excluded: map[string]int64{}}
	states, err := audience.ApprovalsOf(ctx, s.c.Approvals, c.Tenant, c.Groups)
	if err != nil {
		return v, fmt.Errorf("read approvals: %w", err)
	}
	zones, err := s.clocks(ctx, c)
	if err != nil {
		return v, err
	}
	seen, counts := map[audience.ContactID]bool{}, &census{of: map[string]int64{}, zones: map[string]int64{}, clocks: zones}
	for _, g := range c.Groups {
		v.Approvals = append(v.Approvals, states[g].State)
		if err := s.previewGroup(ctx, c, g, seen, counts, &v); err != nil {
			return v, err
		}
	}
	if !counts.broken && c.Trial.Share == 0 && v.Looked > 0 {
		v.Takes = time.Duration(float64(c.takes(counts.of)) * float64(v.Total) / float64(v.Looked))
	}
	v.ZoneKey, v.Waves = zones.key, zones.waves(counts.zones)
	if c.Local.At != "" {
		if err := s.previewLocal(ctx, c, zones, &v); err != nil {
			return v, err
		}
	}
	if err := s.Ready(ctx, c); fault.As(err) != nil {
		v.Hindrance = err
	} else if err != nil {
		return v, err
	}
	return v, nil
}

func (s *Service) previewGroup(ctx context.Context, c Campaign, g audience.GroupID, seen map[audience.ContactID]bool, counts *census, v *Preview) error {
	group, err := s.c.Store.Group(ctx, c.Tenant, g)
	if fault.IsKind(err, fault.NotFound) {
		return nil // deleted since; Ready says so by its approval
	}
	if err != nil {
		return fmt.Errorf("read group: %w", err)
	}
	var after audience.ContactID
	for looked := int64(0); ; {
		if v.Looked >= maxLooked {
			v.Total += max(group.Members-looked, 0)
			return nil
		}
		page, err := s.c.Store.Members(ctx, c.Tenant, g, audience.MemberFilter{Ascending: true, After: after, Limit: pageSize})
		if err != nil {
			return fmt.Errorf("read members: %w", err)
		}
		list := slices.DeleteFunc(contactsOf(page), func(p audience.Contact) bool {
			again := seen[p.ID]
			if again {
				v.Excluded[ExcludedTwice]++
			}
			seen[p.ID] = true
			return again
		})
		reasons, err := s.reasons(ctx, c.Tenant, list)
		if err != nil {
			return err
		}
		for _, why := range reasons {
			v.Excluded[why]++
		}
		s.count(ctx, c, slices.DeleteFunc(slices.Clone(list), func(p audience.Contact) bool { return reasons[p.ID] != "" }), counts)
		n := int64(len(page.Members))
		v.Total, v.Looked, looked = v.Total+n, v.Looked+n, looked+n
		v.Send += int64(len(list) - len(reasons))
		if !page.More {
			return nil
		}
		after = page.Members[len(page.Members)-1].ID
	}
}

// census counts who would get a campaign, by provider that it bounds and "" for all others.
type census struct {
	of     map[string]int64
	broken bool // not everybody's provider could be found out
	zones  map[string]int64
	clocks *clocks
}

func (s *Service) count(ctx context.Context, c Campaign, list []audience.Contact, to *census) {
	for _, p := range list {
		name, _ := to.clocks.of(p)
		to.zones[name]++
	}
	if to.broken {
		return // a name server that does not answer is not waited for once more
	}
	providers, all := s.providersOf(ctx, c, list)
	to.broken = !all
	for _, p := range list {
		to.of[providers[p.ID]]++
	}
}

func contactsOf(page audience.MemberPage) []audience.Contact {
	list := make([]audience.Contact, len(page.Members))
	for i, m := range page.Members {
		list[i] = m.Contact
	}
	return list
}

// reasons says which of at most pageSize contacts are excluded, and why.
func (s *Service) reasons(ctx context.Context, t tenant.ID, list []audience.Contact) (map[audience.ContactID]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	addresses, people := make([]message.Address, len(list)), make([]audience.ContactID, len(list))
	for i, p := range list {
		addresses[i], people[i] = p.Main(), p.ID
	}
	now := s.c.Now()
	suppressed, err := s.c.Store.Suppressed(ctx, t, tenant.Newsletter, addresses, now)
	if err != nil {
		return nil, fmt.Errorf("check suppressions: %w", err)
	}
	most, err := s.c.Store.CampaignCap(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("read frequency cap: %w", err)
	}
	var got map[audience.ContactID]int
	if most.Count > 0 {
		if got, err = s.c.Store.RecentCampaigns(ctx, t, people, now.AddDate(0, 0, -most.Days)); err != nil {
			return nil, fmt.Errorf("count campaigns of contacts: %w", err)
		}
	}
	why := map[audience.ContactID]string{}
	for i, p := range list {
		if reason := suppressed[addresses[i]]; reason != "" {
			why[p.ID] = reason
		} else if most.Count > 0 && got[p.ID] >= most.Count {
			why[p.ID] = ExcludedFrequency
		}
	}
	return why, nil
}

// Sample makes the mail as a contact would get it; with the zero identifier as the first
// member of its groups would. Errors: those of the letter's fields, "campaign_content_failed",
// "contact_not_found", Conflict "campaign_nobody".
func (s *Service) Sample(ctx context.Context, c Campaign, contact audience.ContactID) (Sample, error) {
	f, err := newForm(c)
	if err != nil {
		return Sample{}, err
	}
	p, err := s.someone(ctx, c, contact)
	if err != nil {
		return Sample{}, err
	}
	return f.sample(p, s.stamp())
}

// someone is a contact, or the first member of the groups of a campaign.
func (s *Service) someone(ctx context.Context, c Campaign, contact audience.ContactID) (audience.Contact, error) {
	if !contact.IsZero() {
		return s.c.Store.Contact(ctx, c.Tenant, contact)
	}
	for _, g := range c.Groups {
		page, err := s.c.Store.Members(ctx, c.Tenant, g, audience.MemberFilter{Limit: 1})
		if err != nil && !fault.IsKind(err, fault.NotFound) {
			return audience.Contact{}, fmt.Errorf("read members: %w", err)
		}
		if len(page.Members) > 0 {
			return page.Members[0].Contact, nil
		}
	}
	return audience.Contact{}, fault.New(fault.Conflict, CodeNobody, "Nobody is in the groups.")
}

// Draw compiles a letter as it is being written, without keeping it, and shows it. Text is the
// plain text as it was written. Errors are those of the letter's fields.
func (s *Service) Draw(ctx context.Context, c Campaign, person *audience.Contact) (stationery.Rendered, error) {
	if err := s.compose(ctx, &c); err != nil {
		return stationery.Rendered{}, err
	}
	return s.Show(c, person)
}

// Show fills a letter with a contact, or with the names of its variables where person is nil.
// Links of the mail's own lead nowhere. Errors are those of the letter's fields.
func (s *Service) Show(c Campaign, person *audience.Contact) (stationery.Rendered, error) {
	if _, err := message.ParseMailbox(c.Letter.From); err != nil {
		c.Letter.From, c.Letter.ReplyTo = "x@example.invalid", "" // who sends is not looked at
	}
	f, err := newForm(c)
	if err != nil {
		return stationery.Rendered{}, err
	}
	data := stationery.Sample(slices.Concat(f.subject.Variables(), f.html.Variables(), f.text.Variables()))
	if person != nil {
		maps.Copy(data, dataOf(*person))
	}
	data[varLeave], data[varWeb] = sampleLink, sampleLink
	f.complete(data)
	d, err := f.draft(data, message.Mailbox{Address: f.from.Address})
	if err != nil {
		return stationery.Rendered{}, &fault.Error{Kind: fault.Invalid, Code: CodeContent, Field: "html", Detail: "The data break the template.", Err: err}
	}
	return stationery.Rendered{Subject: d.Subject, HTML: d.HTML, Text: d.Text}, nil
}

// Lacks names the variables that the mail to a contact would show and that are empty for it,
// and whether its mail can be made at all. Names that only a condition asks for may be empty.
func Lacks(c Campaign, people []audience.Contact) (lacks [][]string, broken []bool, err error) {
	f, err := newForm(c)
	if err != nil {
		return nil, nil, err
	}
	lacks, broken = make([][]string, len(people)), make([]bool, len(people))
	for i, p := range people {
		data := dataOf(p)
		data[varLeave], data[varWeb] = "x", "x"
		f.complete(data)
		_, err := f.draft(data, boxOf(p))
		broken[i] = err != nil
		withoutEmpty(data)
		for _, t := range []*template.Template{f.subject, f.html, f.text} {
			names, err := t.Missing(data)
			broken[i] = broken[i] || err != nil
			lacks[i] = append(lacks[i], names...)
		}
		if c.Events { // what an event brings, nobody has before it happens
			lacks[i] = slices.DeleteFunc(lacks[i], func(name string) bool { return strings.HasPrefix(name, varEvent) })
		}
		slices.Sort(lacks[i])
		lacks[i] = slices.Compact(lacks[i])
	}
	return lacks, broken, nil
}

func withoutEmpty(data map[string]any) {
	maps.DeleteFunc(data, func(name string, v any) bool { return v == "" && name != varImprint })
	if fields, ok := data["fields"].(map[string]any); ok {
		maps.DeleteFunc(fields, func(_ string, v any) bool { return v == "" })
	}
}
