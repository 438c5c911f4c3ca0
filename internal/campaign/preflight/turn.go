package preflight

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/html"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Limits of a check.
const (
	maxLinks  = 50
	maxPeople = 20_000
	maxNamed  = 20 // contacts that are named
	// linksAtOnce and pagesAtOnce are what one step does, linkTime is how long a link may take.
	linksAtOnce = 8
	pagesAtOnce = 4
	pageSize    = 500
	linkTime    = 4 * time.Second
	// turnLasts bounds one Turn, so that the lease of whoever does it does not run out.
	turnLasts = 5 * time.Second
)

// Check is the part of looking a mailing over that takes time.
type Check struct {
	Tenant   tenant.ID
	Campaign campaign.ID
	Hash     [32]byte // campaign.Print of what is checked
	// Step grows with each step, so that a check that was begun anew is told from its old self.
	Step        int64
	Done, Total int
	Over        bool
	At          time.Time // of the last step; zero of a check there never was
	Found       Found
}

// Found is what a check found so far.
type Found struct {
	Links   int            `json:"links"`              // that were asked
	Skipped int            `json:"skipped,omitempty"`  // with a variable in them, or above the limit
	Dead    []Dead         `json:"dead,omitempty"`     //
	People  int            `json:"people"`             // that were looked at
	Empty   map[string]int `json:"empty,omitempty"`    // contacts by variable
	Who     []Gap          `json:"who,omitempty"`      // the first of them
	Broken  int            `json:"broken,omitempty"`   // contacts whose data break the letter
	Spam    *Verdict       `json:"spam,omitempty"`     // of the filter
	Failed  string         `json:"failed,omitempty"`   // why the filter said nothing
	Again   bool           `json:"again,omitempty"`    // begun by itself, as the letter was changed (Follow)
	Group   int            `json:"at_group,omitempty"` // where the look at contacts stands
	After   string         `json:"after,omitempty"`    // contact
}

// Dead is a link that did not answer. Why is a status such as "404", or "unreachable" or
// "refused" for an address that must not be asked.
type Dead struct {
	URL string `json:"url"`
	Why string `json:"why"`
}

// Gap is a contact for whom variables are empty, or whose data break the letter.
type Gap struct {
	Contact audience.ContactID `json:"contact"`
	Names   []string           `json:"names,omitempty"`
	Broken  bool               `json:"broken,omitempty"`
}

// Findings of a check, as far as it is.
func (c Check) Findings() (list []Finding) {
	for _, d := range c.Found.Dead {
		list = append(list, Finding{Kind: FindDead, What: d.Why + " " + d.URL, N: 1})
	}
	if c.Found.Broken > 0 {
		list = append(list, Finding{Kind: FindBroken, N: c.Found.Broken})
	}
	names := make([]string, 0, len(c.Found.Empty))
	for name := range c.Found.Empty {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		list = append(list, Finding{Kind: FindEmpty, What: "{{" + name + "}}", N: c.Found.Empty[name]})
	}
	if v := c.Found.Spam; v != nil && v.Spam {
		list = append(list, Finding{Kind: FindSpam, What: fmt.Sprintf("%.1f / %.1f %s", v.Score, v.Limit, strings.Join(v.Rules, ", ")), N: 1})
	}
	return list
}

// Begin begins a check of a mailing as it stands, in place of the last one.
func (s *Service) Begin(ctx context.Context, c campaign.Campaign) error {
	return s.begin(ctx, c, false)
}

func (s *Service) begin(ctx context.Context, c campaign.Campaign, again bool) error {
	links, skipped := s.links(c)
	people := 0
	for _, g := range c.Groups {
		group, err := s.c.Store.Group(ctx, c.Tenant, g)
		if err != nil && !fault.IsKind(err, fault.NotFound) {
			return fmt.Errorf("count members: %w", err)
		}
		people += int(min(group.Members, maxPeople))
	}
	now := s.c.Now().UTC().Truncate(time.Millisecond)
	check := Check{Tenant: c.Tenant, Campaign: c.ID, Hash: campaign.Print(c), Step: now.UnixMilli(), Total: len(links) + min(people, maxPeople) + 1, At: now, Found: Found{Skipped: skipped, Again: again}}
	if err := s.c.Store.BeginCampaignCheck(ctx, check); err != nil {
		return fmt.Errorf("begin check: %w", err)
	}
	return nil
}

// Last is the campaign's last check; the zero Check where there is none.
func (s *Service) Last(ctx context.Context, t tenant.ID, c campaign.ID) (Check, error) {
	return s.c.Store.CampaignCheck(ctx, t, c)
}

// Turn does the next steps of all checks that are not over. It is to be called every few
// seconds, by one node.
func (s *Service) Turn(ctx context.Context, now time.Time) error {
	due, err := s.c.Store.DueCampaignChecks(ctx)
	if err != nil {
		return fmt.Errorf("find checks: %w", err)
	}
	var errs []error
	for len(due) > 0 && ctx.Err() == nil && s.c.Now().Sub(now) < turnLasts {
		next := due[:0]
		for _, c := range due {
			c, err := s.step(ctx, c)
			if err != nil {
				errs = append(errs, fmt.Errorf("check of %s: %w", c.Campaign, err))
			} else if !c.Over {
				next = append(next, c)
			}
		}
		due = next
	}
	return errors.Join(errs...)
}

// step does one step of a check and keeps it.
func (s *Service) step(ctx context.Context, ch Check) (Check, error) {
	c, err := s.c.Find(ctx, ch.Tenant, ch.Campaign)
	switch {
	case fault.IsKind(err, fault.NotFound):
		ch.Over = true
	case err != nil:
		return ch, err
	case campaign.Print(c) != ch.Hash:
		ch.Over = true // of what was changed since, nobody wants to know
	default:
		if err := s.look(ctx, c, &ch); err != nil {
			return ch, err
		}
	}
	ch.At = s.c.Now().UTC().Truncate(time.Millisecond)
	kept, err := s.c.Store.MoveCampaignCheck(ctx, ch)
	if !kept {
		ch.Over = true // begun anew: not this one
	}
	ch.Step++
	return ch, err
}

// look does the next part: links, then contacts, then the filter.
func (s *Service) look(ctx context.Context, c campaign.Campaign, ch *Check) error {
	links, _ := s.links(c)
	switch {
	case ch.Found.Links < len(links):
		some := links[ch.Found.Links:min(len(links), ch.Found.Links+linksAtOnce)]
		ch.Found.Dead = append(ch.Found.Dead, s.ask(ctx, some)...)
		ch.Found.Links += len(some)
	case ch.Found.Group < len(c.Groups) && ch.Found.People < maxPeople:
		if err := s.people(ctx, c, ch); err != nil {
			return err
		}
	default:
		s.judge(ctx, c, ch)
		ch.Over, ch.Done = true, ch.Total
		return nil
	}
	ch.Done = min(ch.Total-1, ch.Found.Links+ch.Found.People)
	return nil
}

// links are the addresses that the mail leads to, each once, without those that are another
// for everybody.
func (s *Service) links(c campaign.Campaign) (list []string, skipped int) {
	if s.c.Client == nil {
		return nil, 0
	}
	z := html.NewTokenizer(strings.NewReader(c.Letter.HTML))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return list, skipped
		}
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		t := z.Token()
		for _, a := range t.Attr {
			if t.Data == "a" && a.Key != "href" || t.Data == "img" && a.Key != "src" || t.Data != "a" && t.Data != "img" {
				continue
			}
			u, err := url.Parse(strings.TrimSpace(a.Val))
			switch {
			case slices.Contains(list, a.Val):
			case strings.Contains(a.Val, "{{") || len(list) >= maxLinks:
				skipped++
			case err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil:
				list = append(list, a.Val)
			}
		}
	}
}

// ask asks for addresses at the same time, and returns those that do not answer.
func (s *Service) ask(ctx context.Context, list []string) (dead []Dead) {
	why := make([]string, len(list))
	var work sync.WaitGroup
	for i, address := range list {
		work.Go(func() { why[i] = s.answers(ctx, address) })
	}
	work.Wait()
	for i, w := range why {
		if w != "" {
			dead = append(dead, Dead{list[i], w})
		}
	}
	return dead
}

// answers asks for one address and says why it is dead, "" if it is not. Some servers answer
// no HEAD, so a refusal is asked again by GET, of which nothing is read.
func (s *Service) answers(ctx context.Context, address string) string {
	ctx, cancel := context.WithTimeout(ctx, linkTime)
	defer cancel()
	status := 0
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		r, err := http.NewRequestWithContext(ctx, method, address, nil)
		if err != nil {
			return "unreachable"
		}
		r.Header.Set("User-Agent", "Stafette link check")
		answer, err := s.c.Client.Do(r)
		if err != nil {
			return "unreachable"
		}
		_ = answer.Body.Close() // nothing of it is read
		if status = answer.StatusCode; status < 400 {
			return ""
		}
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests {
		return "" // there is something, but not for programs
	}
	return fmt.Sprint(status)
}

// people looks at the next contacts.
func (s *Service) people(ctx context.Context, c campaign.Campaign, ch *Check) error {
	f := &ch.Found
	for range pagesAtOnce {
		if f.Group >= len(c.Groups) || f.People >= maxPeople {
			return nil
		}
		filter := audience.MemberFilter{Ascending: true, Limit: pageSize}
		if f.After != "" {
			after, err := id.Parse[audience.ContactKind](f.After)
			if err != nil {
				return err
			}
			filter.After = after
		}
		page, err := s.c.Store.Members(ctx, c.Tenant, c.Groups[f.Group], filter)
		if err != nil && !fault.IsKind(err, fault.NotFound) {
			return fmt.Errorf("read members: %w", err)
		}
		list := make([]audience.Contact, len(page.Members))
		for i, m := range page.Members {
			list[i] = m.Contact
		}
		if err := f.note(c, list); err != nil {
			return nil //nolint:nilerr // the letter cannot be read; campaign says so
		}
		if page.More {
			f.After = list[len(list)-1].ID.String()
		} else {
			f.Group, f.After = f.Group+1, ""
		}
	}
	return nil
}

// note counts what contacts lack.
func (f *Found) note(c campaign.Campaign, people []audience.Contact) error {
	lacks, broken, err := campaign.Lacks(c, people)
	if err != nil {
		f.Group = len(c.Groups)
		return err
	}
	f.People += len(people)
	for i, names := range lacks {
		if broken[i] {
			f.Broken++
		}
		for _, name := range names {
			if f.Empty == nil {
				f.Empty = map[string]int{}
			}
			f.Empty[name]++
		}
		if (broken[i] || len(names) > 0) && len(f.Who) < maxNamed {
			f.Who = append(f.Who, Gap{Contact: people[i].ID, Names: names, Broken: broken[i]})
		}
	}
	return nil
}

// judge asks the spam filter, if there is one, about the mail with the names of its variables.
func (s *Service) judge(ctx context.Context, c campaign.Campaign, ch *Check) {
	if s.c.Spam == nil {
		return
	}
	mail, err := s.c.Campaigns.Show(c, nil)
	if err != nil {
		return
	}
	from, err := message.ParseMailbox(c.Letter.From)
	if err != nil {
		return
	}
	composed, err := message.Compose(message.Draft{From: from, To: []message.Mailbox{from}, Subject: mail.Subject, HTML: mail.HTML, Text: mail.Text, Date: s.c.Now(), MessageID: "check@" + from.Domain})
	if err != nil {
		return
	}
	v, err := s.c.Spam.Judge(ctx, composed.Bytes)
	if err != nil {
		s.c.Log.WarnContext(ctx, "spam filter did not answer", "err", err)
		ch.Found.Failed = "unreachable"
		return
	}
	ch.Found.Spam = &v
}
