package feed

import (
	"context"
	"fmt"
	"html"
	"regexp"
	"strings"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
)

// door is that of principals which are feeds.
const door = "feed"

var (
	entriesTag = regexp.MustCompile(`\{\{\{?\s*feed_entries\s*\}?\}\}`)
	titleTag   = regexp.MustCompile(`\{\{\{?\s*feed_title\s*\}?\}\}`)
)

// turn takes one look at a feed, or sends what an earlier one made.
func (s *Service) turn(ctx context.Context, f Feed) error {
	of, err := s.c.Store.Tenant(ctx, f.Tenant)
	if err != nil {
		return fmt.Errorf("read tenant of feed: %w", err)
	}
	zone, now := of.Zone(s.c.Zone), s.stamp()
	if of.State == tenant.Locked { // nothing is made for it, and nobody asked
		f.Turn, f.NextAt = f.Turn+1, f.Schedule.Next(now, zone)
		return s.c.Store.PutOffFeed(ctx, f)
	}
	if !f.Pending.IsZero() {
		return s.send(ctx, f, now, zone)
	}
	look := Look{ID: id.New[LookKind](now), At: now}
	f.Turn++
	a, err := s.fetch(ctx, f, f.Primed)
	if failed := fault.As(err); failed != nil {
		look.Outcome = failed.Code
		f.Failures++
		f.NextAt = f.Schedule.Again(f.Failures, now, zone)
		_, err = s.c.Store.KeepLook(ctx, f, look, nil, campaign.Campaign{})
		return err
	}
	if err != nil {
		return err
	}
	f.Failures, f.NextAt = 0, f.Schedule.Next(now, zone)
	was := f
	f.ETag, f.Modified = a.etag, a.modified
	if !f.Primed {
		f.Primed, look.Outcome = true, Begun
		_, err = s.c.Store.KeepLook(ctx, f, look, seen(a), campaign.Campaign{})
		return err
	}
	fresh, err := s.fresh(ctx, f, a.entries)
	if err != nil {
		return err
	}
	look.New = len(fresh)
	if len(fresh) == 0 {
		look.Outcome = Nothing
		_, err = s.c.Store.KeepLook(ctx, f, look, seen(a), campaign.Campaign{})
		return err
	}
	return s.make(ctx, f, was, look, a, fresh, zone)
}

// seen are the entries a look met; nil where the feed is the same as before.
func seen(a answer) []Hash {
	if a.same {
		return nil
	}
	return hashes(a.entries)
}

// make keeps a mailing of new entries, and sends it if the feed says so. was is the feed as if
// it had not been read.
func (s *Service) make(ctx context.Context, f, was Feed, look Look, a answer, fresh []Entry, zone *time.Location) error {
	c, err := s.letter(ctx, f, fresh[:min(f.Most, len(fresh))])
	if failed := fault.As(err); failed != nil && failed.Kind != fault.Unavailable {
		// A group or template is gone. Nothing is remembered: the entries go with the next look.
		look.Outcome, look.Why = Held, failed.Code
		_, err = s.c.Store.KeepLook(ctx, was, look, nil, campaign.Campaign{})
		return err
	}
	if err != nil {
		return err
	}
	look.Outcome, look.Campaign = Drafted, c.ID
	if f.Send {
		// Should this process die, the next turn sends it.
		f.Pending, f.NextAt = c.ID, look.At
	}
	ok, err := s.c.Store.KeepLook(ctx, f, look, seen(a), c)
	if err != nil || !ok || !f.Send {
		return err
	}
	return s.send(ctx, f, look.At, zone)
}

// send sends what a look made as a person would, and writes down what came of it. What is no
// draft any more, or gone, is somebody else's by now.
func (s *Service) send(ctx context.Context, f Feed, now time.Time, zone *time.Location) error {
	stands, err := s.c.Store.Feed(ctx, f.Tenant, f.ID)
	switch {
	case fault.IsKind(err, fault.NotFound):
		return nil // its mailing stays a draft
	case err != nil:
		return err
	case stands.Revision != f.Revision:
		return nil // somebody changed it meanwhile: what was made waits for what they say, or stays a draft
	}
	_, err = s.c.Mailings.Send(ctx, ingest.Principal{Tenant: f.Tenant, Actor: f.Actor, Door: door}, f.Pending, time.Time{})
	look := Look{ID: id.New[LookKind](now.Add(time.Millisecond)), At: now, Outcome: Sent, Campaign: f.Pending}
	if failed := fault.As(err); failed != nil && failed.Kind != fault.Unavailable {
		if failed.Code != campaign.CodeState {
			look.Outcome, look.Why = Held, failed.Code
		}
	} else if err != nil {
		return err
	}
	f.Turn++
	f.Pending, f.NextAt = campaign.ID{}, f.Schedule.Next(now, zone)
	_, err = s.c.Store.KeepLook(ctx, f, look, nil, campaign.Campaign{})
	return err
}

// letter is the draft of a mailing with entries in it. Its content is HTML and text of its own:
// it does not follow its template, which shows no entries.
func (s *Service) letter(ctx context.Context, f Feed, list []Entry) (campaign.Campaign, error) {
	now := s.stamp()
	c := campaign.Campaign{ID: id.New[campaign.Kind](now), Tenant: f.Tenant, Revision: 1, State: campaign.Draft, Actor: f.Actor, CreatedAt: now, UpdatedAt: now,
		Name: cut(f.Name, 180) + " " + now.Format(time.DateOnly), Groups: f.Groups, Letter: campaign.Letter{From: f.From, ReplyTo: f.ReplyTo, Subject: f.Subject, HTML: f.HTML, Tracking: f.Tracking}}
	switch {
	case f.Template != "":
		c.Letter.Made = &campaign.Made{Template: f.Template}
	case f.HTML == "":
		c.Letter.Made = &campaign.Made{Source: &stationery.Source{Mode: stationery.Blocks, Blocks: plainLetter()}}
	}
	c, err := s.c.Mailings.Formed(ctx, c)
	if err != nil {
		return c, err
	}
	l := &c.Letter
	l.Made = nil
	if !entriesTag.MatchString(l.HTML) {
		field := "html"
		if f.Template != "" {
			field = "template"
		}
		return c, fault.Field(field, CodePlace, "The content has no {{feed_entries}}, where the entries are shown.")
	}
	if l.Text == "" {
		if l.Text, err = message.TextOf(l.HTML); err != nil {
			l.Text = ""
		}
	}
	title := ""
	if len(list) > 0 {
		title = list[0].Title
	}
	l.Subject = put(titleTag, l.Subject, braces(cut(title, maxTitle)))
	l.HTML = put(titleTag, put(entriesTag, l.HTML, entriesHTML(list)), escaped(title))
	if !entriesTag.MatchString(l.Text) {
		l.Text = "{{feed_entries}}\n\n" + l.Text
	}
	l.Text = put(titleTag, put(entriesTag, l.Text, entriesText(list)), braces(title))
	return s.c.Mailings.Formed(ctx, c)
}

func put(tag *regexp.Regexp, source, value string) string {
	return tag.ReplaceAllLiteralString(source, value)
}

// plainLetter shows the entries in the colours of the account's brand.
func plainLetter() *blocks.Document {
	return &blocks.Document{Version: blocks.Current, Blocks: []blocks.Block{{Kind: blocks.Head},
		{Kind: blocks.Text, Cell: blocks.Cell{Text: "{{feed_entries}}"}}, {Kind: blocks.Footer}}}
}

// braces keeps what strangers wrote from being a tag of the template, or part of the tag behind
// it.
func braces(text string) string {
	return strings.ReplaceAll(strings.TrimRight(text, `{\`), "{{", `\{{`)
}

func escaped(text string) string {
	return strings.NewReplacer("{", "&#123;", "}", "&#125;").Replace(html.EscapeString(text))
}

// entriesHTML lists entries so that they may stand in a paragraph or in a cell.
func entriesHTML(list []Entry) string {
	var b strings.Builder
	for i, e := range list {
		if i > 0 {
			b.WriteString("<br><br>\n")
		}
		if title := "<strong>" + escaped(e.Title) + "</strong>"; e.Link != "" {
			b.WriteString(`<a href="` + escaped(e.Link) + `">` + title + "</a>")
		} else {
			b.WriteString(title)
		}
		if e.Excerpt != "" && e.Excerpt != e.Title {
			b.WriteString("<br>\n" + escaped(e.Excerpt))
		}
	}
	return b.String()
}

func entriesText(list []Entry) string {
	parts := make([]string, len(list))
	for i, e := range list {
		lines := []string{e.Title}
		if e.Excerpt != "" && e.Excerpt != e.Title {
			lines = append(lines, e.Excerpt)
		}
		if e.Link != "" {
			lines = append(lines, e.Link)
		}
		parts[i] = braces(strings.Join(lines, "\n"))
	}
	return strings.Join(parts, "\n\n")
}
