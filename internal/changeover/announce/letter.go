package announce

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/changeover/affected"
	"stafette/internal/event"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

//go:embed letter.html
var letterHTML string

// brief is what all letters of one announcement have in common.
type brief struct {
	Announcement
	plan     changeover.Changeover
	portal   string
	from     message.Mailbox
	old, new []Address
	now      time.Time
	days     int // for which leads can be sent again
}

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }

// Address is a source as others see it.
type Address struct {
	Source string
	IP     string // "" if the operating system chooses
	EHLO   string
}

// String is how the address stands in a list.
func (a Address) String() string {
	if a.IP == "" {
		return a.EHLO
	}
	return a.IP + " (" + a.EHLO + ")"
}

// brief gathers what the letters say.
func (s *Service) brief(ctx context.Context, a Announcement, plan changeover.Changeover) (brief, error) {
	from, err := s.sender(ctx, a.Tenant)
	if err != nil {
		return brief{}, err
	}
	kept, err := s.c.Leads.KeptFor(ctx, a.Tenant)
	if err != nil {
		return brief{}, fmt.Errorf("write announcement: %w", err)
	}
	b := brief{Announcement: a, plan: plan, portal: from.Name, from: from, now: s.now(), days: days(kept)}
	b.old, b.new, err = s.addresses(ctx, plan)
	return b, err
}

// addresses lists the old and the new sources as others see them.
func (s *Service) addresses(ctx context.Context, plan changeover.Changeover) (old, fresh []Address, err error) {
	ways, err := s.c.Ways.Ways(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read sources: %w", err)
	}
	for _, name := range plan.Old {
		if v, ok := ways.Source(name); ok {
			old = append(old, addressOf(v.Name, v.Fixed(), v.IP.String(), v.EHLO))
		}
	}
	for _, name := range plan.New {
		if v, ok := ways.Source(name); ok {
			fresh = append(fresh, addressOf(v.Name, v.Fixed(), v.IP.String(), v.EHLO))
		}
	}
	return old, fresh, nil
}

func addressOf(name string, fixed bool, ip, ehlo string) Address {
	if !fixed {
		ip = ""
	}
	return Address{Source: name, IP: ip, EHLO: ehlo}
}

// block is a part of a letter: a heading, a paragraph, a list or links.
type block struct {
	Heading string
	Text    string
	List    []string
	Links   []link
	Rule    bool
	Lang    i18n.Lang
}

type link struct{ Text, Href string }

// Compose makes a letter to a customer; it is also the preview.
func (s *Service) Compose(b brief, c affected.Customer, kind Letter) (message.Draft, error) {
	de, en := s.voice(b, c, i18n.German), s.voice(b, c, i18n.English)
	var blocks []block
	var subject string
	if kind == FirstLetter {
		subject = de.say("mail.subject") + " · " + en.say("mail.subject")
		blocks = append(de.announcement(), block{Rule: true})
		blocks = append(blocks, en.announcement()...)
	} else {
		subject = de.say("remind."+string(kind)+".subject") + " · " + en.say("remind."+string(kind)+".subject")
		blocks = append(de.reminder(kind), block{Rule: true})
		blocks = append(blocks, en.reminder(kind)...)
	}
	var page bytes.Buffer
	t, err := template.New("letter").Parse(letterHTML)
	if err == nil {
		err = t.Execute(&page, map[string]any{"Title": subject, "Portal": b.portal, "Blocks": blocks})
	}
	if err != nil {
		return message.Draft{}, fmt.Errorf("write announcement: %w", err)
	}
	d := message.Draft{From: b.from, Subject: affected.Line(subject, 240), Text: plainText(blocks), HTML: page.String(), Date: b.now,
		// RFC 3834, 5: vacation programs must not answer.
		Headers: []message.Header{{Name: "Auto-Submitted", Value: "auto-generated"}}}
	for _, one := range c.Emails {
		d.To = append(d.To, message.Mailbox{Name: affected.Line(c.Name, 100), Address: one})
	}
	if one, err := message.ParseAddress(b.Contact); err == nil {
		d.ReplyTo = []message.Mailbox{{Address: one}}
	}
	return d, nil
}

func plainText(blocks []block) string {
	var b strings.Builder
	for _, one := range blocks {
		switch {
		case one.Rule:
			b.WriteString("----------\n\n")
			continue
		case one.Heading != "":
			b.WriteString(one.Heading + "\n")
		}
		if one.Text != "" {
			b.WriteString(one.Text + "\n")
		}
		for _, line := range one.List {
			b.WriteString("- " + line + "\n")
		}
		for _, l := range one.Links {
			b.WriteString(l.Text + ":\n" + l.Href + "\n")
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// voice says things in one language. These texts are handed on to strangers, so they
// are formal whatever the tenant's tone.
type voice struct {
	s    *Service
	lang i18n.Lang
	args i18n.Args
	brief
	page string // of the customer
}

func (s *Service) voice(b brief, c affected.Customer, lang i18n.Lang) voice {
	clock := i18n.Clock{Lang: lang, Zone: s.c.Zone, Now: b.now}
	blame := c.Finding.Blamed
	if f := c.Finding.Fallback; f.At.After(blame.At) {
		blame = f
	}
	return voice{s: s, lang: lang, brief: b, page: s.PageURL(b.Tenant, c.ID), args: i18n.Args{
		"tenant": b.portal, "name": affected.Line(c.Title(), 100), "contact": b.Contact, "reason": reasonIn(b.Announcement, lang),
		"cutover": clock.Date(b.plan.CutoverAt), "time": clock.Time(b.plan.CutoverAt), "overlap": clock.Date(b.plan.OverlapUntil),
		"test": clock.Date(b.plan.TestFrom), "days": b.days, "n": len(b.new),
		"left":    max(1, int((b.plan.CutoverAt.Sub(b.now)+12*time.Hour)/(24*time.Hour))),
		"refused": c.Finding.Blamed.Count + c.Finding.Fallback.Count, "reply": affected.Line(blame.Reply, 200),
		"unconcerned": strings.Join(b.Unconcerned, ", "), "concerned": strings.Join(b.Concerned, ", "), "announced": clock.Date(b.AskedAt),
	}}
}

func reasonIn(a Announcement, lang i18n.Lang) string {
	if lang == i18n.English {
		return a.ReasonEN
	}
	return a.ReasonDE
}

func (v voice) say(key string) string {
	return v.s.c.Catalog.Text(v.lang, i18n.Sie, "announce."+key, v.args)
}

// if says a text where its condition holds.
func (v voice) sayIf(there bool, key string) string {
	if !there {
		return ""
	}
	return v.say(key)
}

// para joins sentences that are there to a paragraph.
func (v voice) para(heading string, sentences ...string) block {
	var there []string
	for _, one := range sentences {
		if one != "" {
			there = append(there, one)
		}
	}
	return block{Heading: heading, Text: strings.Join(there, " "), Lang: v.lang}
}

// makers is what is said of the customer's software (A19).
func (v voice) makers() []string {
	return []string{v.sayIf(len(v.Unconcerned) > 0, "makers.unconcerned"), v.sayIf(len(v.Concerned) > 0, "makers.concerned")}
}

func texts(list []Address) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.String())
	}
	return out
}

func (v voice) announcement() []block {
	ask := v.para(v.say("mail.ask.title"), append([]string{v.say("mail.ask")}, v.makers()...)...)
	add := v.para(v.say("mail.add.title"))
	add.List = texts(v.new)
	old := v.para("", v.say("mail.old"))
	old.List = texts(v.old)
	blocks := []block{
		v.para(v.say("mail.lang"), v.say("mail.hello")),
		v.para("", v.say("mail.what"), v.sayIf(v.args["reason"] != "", "mail.reason"), v.say("mail.most")),
		ask, add, old,
	}
	if href := v.url(v.s.c.AddressesURL); href != "" {
		blocks = append(blocks, block{Links: []link{{v.say("mail.list"), href}}, Lang: v.lang})
	}
	check := v.para(v.say("mail.check.title"), v.say("mail.check"))
	check.Links = []link{{v.say("mail.check.link"), v.page}}
	blocks = append(blocks, v.para(v.say("mail.safe.title"), v.say("mail.safe")), check)
	return append(blocks, v.genuine())
}

// genuine is how to tell that the mail is one of the tenant's (A8).
func (v voice) genuine() block {
	b := v.para(v.say("mail.genuine.title"), v.say("mail.genuine"), v.sayIf(v.Contact != "", "mail.contact"))
	if href := v.url(v.s.c.GenuineURL); href != "" {
		b.Links = append(b.Links, link{v.say("mail.genuine.link"), href})
	}
	b.Links = append(b.Links, link{v.say("mail.questions"), v.s.QuestionsURL(v.Tenant, v.plan.ID)})
	return b
}

func (v voice) url(of func(i18n.Lang, tenant.ID) string) string {
	if of == nil {
		return ""
	}
	return of(v.lang, v.Tenant)
}

func (v voice) reminder(kind Letter) []block {
	b := v.para("", v.say("remind."+string(kind)+".text"))
	b.Links = []link{{v.say("mail.check.link"), v.page}}
	add := v.para(v.say("mail.add.title"))
	add.List = texts(v.new)
	return []block{v.para(v.say("mail.lang"), v.say("mail.hello")), b, add, v.genuine()}
}

// hashOf stands for the request: a second try is the same letter even if its words
// differ by then.
func hashOf(key string) [32]byte { return sha256.Sum256([]byte(key)) }

// reached reports whether the letter is on its way to anybody.
func reached(r ingest.Receipt) bool {
	for _, d := range r.Deliveries {
		if d.State != event.Suppressed {
			return true
		}
	}
	return false
}
