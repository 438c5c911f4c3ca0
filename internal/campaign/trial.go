package campaign

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
)

// Version names one of the two letters of a trial; "": there is none.
type Version string

// The versions of a letter.
const (
	VersionA Version = "a" // the letter itself
	VersionB Version = "b" // with what Letter.Other says
)

// Other is what is another one in version B; "": as in version A. Content is replaced as a
// whole: where HTML or Text is given, both are.
type Other struct {
	From    string `json:"from,omitempty"`
	Subject string `json:"subject,omitempty"`
	HTML    string `json:"html,omitempty"`
	Text    string `json:"text,omitempty"`
}

// Trial sends two versions of a letter to a share of the recipients, waits, and sends the
// rest the one in which more people followed a link, if the difference is clear; else
// version A. The zero Trial is none.
type Trial struct {
	Share  int       `json:"share"`   // percent of recipients who take part, half of them for each version
	Hours  int       `json:"hours"`   // from when they all were handed over until it is decided
	EndsAt time.Time `json:"ends_at"` // zero while they are being handed over
	// Winner goes to the rest; "": not decided. Clear: by the difference, not because there
	// was none. A and B are the counts it was decided on.
	Winner Version    `json:"winner,omitempty"`
	Clear  bool       `json:"clear,omitempty"`
	A      TrialCount `json:"a"`
	B      TrialCount `json:"b"`
}

// TrialCount is what became of one version: mails that were handed over, and those of them in
// which a person followed a link.
type TrialCount struct {
	Accepted int64 `json:"accepted"`
	Clicked  int64 `json:"clicked"`
}

// Limits of trials.
const (
	MinShare = 5
	MaxShare = 50
	MaxHours = 168
)

// ReasonTrial is why a campaign rests while its trial is waited for.
const ReasonTrial = "trial_runs"

// runs reports whether only those who take part in the trial get mail by now.
func (t Trial) runs() bool { return t.Share > 0 && t.Winner == "" }

// part says which version of a trial a contact gets; ok is false for the rest. It hangs on
// campaign and contact alone, so that every process says the same.
func (c Campaign) part(contact audience.ContactID) (v Version, ok bool) {
	sum := sha256.Sum256(append(append([]byte("trial\x00"), c.ID[:]...), contact[:]...))
	n := binary.BigEndian.Uint64(sum[:8])
	if v = VersionA; n/100%2 == 1 {
		v = VersionB
	}
	return v, int(n%100) < c.Trial.Share
}

// version is the letter of a contact who gets one now; ok is false for who waits for the
// trial to end.
func (c Campaign) version(contact audience.ContactID) (v Version, ok bool) {
	switch {
	case c.Trial.Share == 0:
		return "", true
	case c.Trial.Winner != "":
		return c.Trial.Winner, true
	}
	return c.part(contact)
}

// In is the campaign with the letter of a version, as its recipients get it.
func (c Campaign) In(v Version) Campaign { return c.as(v) }

// as is the campaign with the letter of a version.
func (c Campaign) as(v Version) Campaign {
	o := c.Letter.Other
	c.Letter.Other = Other{}
	if v != VersionB {
		return c
	}
	if o.From != "" {
		c.Letter.From = o.From
	}
	if o.Subject != "" {
		c.Letter.Subject = o.Subject
	}
	if o.HTML != "" || o.Text != "" {
		c.Letter.HTML, c.Letter.Text, c.Letter.Made = o.HTML, o.Text, nil
	}
	return c
}

// formSuffix stands behind the identifier of a campaign in the records of version B.
const formSuffix = ".b"

// formName names the form of a version in records.
func (c Campaign) formName(v Version) string {
	if v == VersionB {
		return c.ID.String() + formSuffix
	}
	return c.ID.String()
}

// readFormName is the inverse of formName; A stands for "" too.
func readFormName(name string) (string, Version) {
	if of, ok := strings.CutSuffix(name, formSuffix); ok {
		return of, VersionB
	}
	return name, ""
}

// checkTrial holds a trial to the rules of the form. What was decided is not the caller's.
func checkTrial(c *Campaign, bad func(field, detail string)) {
	c.Trial = Trial{Share: c.Trial.Share, Hours: c.Trial.Hours}
	if c.Trial.Share == 0 {
		c.Trial, c.Letter.Other = Trial{}, Other{}
		return
	}
	if c.Trial.Share < MinShare || c.Trial.Share > MaxShare {
		bad("trial/share", "From 5 to 50 percent, or 0 for no trial.")
	}
	if c.Trial.Hours < 1 || c.Trial.Hours > MaxHours {
		bad("trial/hours", "From 1 to 168 hours.")
	}
	o := c.Letter.Other
	if o == (Other{}) {
		bad("trial/subject", "A trial needs another subject, sender or content.")
	}
	if !oneLine(o.From, maxFrom) || !oneLine(o.Subject, MaxSubject) || len(o.HTML) > MaxContent || len(o.Text) > MaxContent {
		bad("trial/subject", "Version B has the limits of the letter.")
	}
}

// inTrial is a refusal of version B, at its field.
func inTrial(err error) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	var list []*fault.Error
	for _, one := range append([]*fault.Error{f}, f.Also...) {
		at := *one
		at.Field, at.Also = "trial/"+one.Field, nil
		list = append(list, &at)
	}
	return fault.Join(list)
}

// try does a step of a trial whose recipients all were handed over: it waits, and decides.
func (s *Service) try(ctx context.Context, c Campaign) (Campaign, bool, error) {
	now := s.stamp()
	switch ends := c.Trial.EndsAt; {
	case ends.IsZero():
		c.Trial.EndsAt = now.Add(time.Duration(c.Trial.Hours) * time.Hour)
		c.Reason, c.DueAt = ReasonTrial, c.Trial.EndsAt
		_, err := s.c.Store.PutTrial(ctx, c)
		return c, false, err
	case now.Before(ends):
		return c, false, s.rest(ctx, c, ReasonTrial, ends.Sub(now))
	}
	var err error
	if c.Trial.A, c.Trial.B, err = s.c.Store.TrialCounts(ctx, c.Tenant, c.ID); err != nil {
		return c, false, err
	}
	c.Trial.Winner, c.Trial.Clear = judge(c.Trial.A, c.Trial.B)
	// Everybody is looked at once more; who has a row keeps it.
	c.At, c.After, c.Listed, c.Reason, c.DueAt = 0, audience.ContactID{}, false, "", now
	ok, err := s.c.Store.PutTrial(ctx, c)
	s.c.Log.InfoContext(ctx, "trial decided", "campaign", c.ID.String(), "version", string(c.Trial.Winner), "clear", c.Trial.Clear)
	return c, ok, err
}

const (
	// leastClicked is how many people must have followed a link before a difference counts.
	leastClicked = 10
	// sure is the normal quantile of 95 % on both sides.
	sure = 1.96
)

// judge says which version goes to the rest, by the test of two proportions.
func judge(a, b TrialCount) (winner Version, clear bool) {
	n, m, all := float64(a.Accepted), float64(b.Accepted), float64(a.Clicked+b.Clicked)
	if n == 0 || m == 0 || all < leastClicked || all >= n+m {
		return VersionA, false
	}
	pooled := all / (n + m)
	z := (float64(b.Clicked)/m - float64(a.Clicked)/n) / math.Sqrt(pooled*(1-pooled)*(1/n+1/m))
	switch {
	case z >= sure:
		return VersionB, true
	case z <= -sure:
		return VersionA, true
	}
	return VersionA, false
}
