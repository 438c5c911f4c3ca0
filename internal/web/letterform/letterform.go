// Package letterform is what the pages of mailings and of the steps of series have in common
// beside the editor of blocks (blockform): what was found about a letter before it is sent,
// test mails, and how much may be told of who reads it.
//
// It is a part of the door web (floor 4). Package preflight looks, tracking decides; this
// package only tells and offers.
package letterform

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"stafette/internal/campaign"
	"stafette/internal/campaign/preflight"
	"stafette/internal/fault"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/web/frame"
	"stafette/internal/web/messages"
)

// Seen is what was found about a letter.
type Seen struct {
	// Findings are those of the content, and of Check if it is of that content (Current).
	Findings []preflight.Finding
	Check    preflight.Check
	Current  bool
	Filtered bool // a spam filter is asked
}

// Look reads what is known of a letter.
func Look(ctx context.Context, checks *preflight.Service, c campaign.Campaign) (v Seen, err error) {
	if v.Findings, err = checks.Findings(ctx, c); err != nil {
		return v, fmt.Errorf("look letter over: %w", err)
	}
	if v.Check, err = checks.Last(ctx, c.Tenant, c.ID); err != nil {
		return v, fmt.Errorf("read check of letter: %w", err)
	}
	if v.Current = !v.Check.At.IsZero() && v.Check.Hash == campaign.Print(c); v.Current {
		v.Findings = append(v.Findings, v.Check.Findings()...)
	}
	v.Filtered = checks.Filtered()
	return v, nil
}

// Desk is where the letter lies whose findings are shown.
type Desk struct {
	Seen
	// Page shows it, Edit changes it, Begin and Test are the addresses of forms that look
	// further and send test mails.
	Page, Edit, Begin, Test string
	// Step is sent with each form as "key"; "" for a mailing.
	Step string
	// Sends: the reader may look further and send test mails. Fixes: may change the letter.
	Sends, Fixes bool
	Seeds        int // addresses of the test list
}

// FindingText says what was found in the reader's words.
func FindingText(p frame.Page, f preflight.Finding) string {
	for _, prefix := range []string{"campaigns.check.", "templates.finding."} {
		if p.Has(prefix + f.Kind) {
			return p.T(prefix+f.Kind, "n", f.N, "what", f.What)
		}
	}
	return f.Kind
}

// fix is where a finding is put right.
func (d Desk) fix(f preflight.Finding) string {
	if place := f.Place(); place != "" {
		return place
	}
	return d.Edit
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// Words are the lines or parts between commas of what was typed.
func Words(text string) (list []string) {
	for _, one := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == ',' || r == ';' || r == ' ' }) {
		list = append(list, strings.ToValidUTF8(frame.Shorten(one, 400), ""))
	}
	return list
}

// Asked is the form of test mails as it was sent.
func Asked(r *http.Request) frame.Form {
	return frame.Form{Values: map[string]string{"to": frame.Shorten(r.PostForm.Get("to"), 4000), "seeds": r.PostForm.Get("seeds")}}
}

// Refused puts what became of test mails at the form: whether anything was refused. say puts a
// refusal into words. An error that is none of a form comes back.
func Refused(p frame.Page, f *frame.Form, tried []campaign.Tried, err error, say func(*fault.Error) string) (bool, error) {
	if err == nil {
		refused := false
		for _, one := range tried {
			if e := fault.As(one.Err); e != nil {
				f.Add("to", one.Address.String()+": "+p.FaultText(e, one.Address.String()))
				refused = true
			}
		}
		return refused, nil
	}
	e := fault.As(err)
	if e == nil || e.Kind == fault.NotFound {
		return true, err
	}
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		f.Add("to", say(one))
	}
	return true, nil
}

// Decider says how much an account allows; *tracking.Decider does.
type Decider interface {
	Allowed(ctx context.Context, t tenant.ID, s tenant.Stream) (tracking.Decision, error)
}

// Levels are the levels of tracking that a letter may ask for.
type Levels struct {
	// Known: it was asked how much the account allows; else every level is offered.
	Known   bool
	Allowed tracking.Decision
	// Kept is the level the letter has: it is shown even if it is not allowed any more.
	Kept tracking.Level
}

// LevelsOf asks how much the account allows of newsletters; d nil: nobody is asked.
func LevelsOf(ctx context.Context, d Decider, t tenant.ID, kept tracking.Level) (Levels, error) {
	if d == nil {
		return Levels{Kept: kept}, nil
	}
	allowed, err := d.Allowed(ctx, t, tenant.Newsletter)
	if err != nil {
		return Levels{}, fmt.Errorf("ask how mail is tracked: %w", err)
	}
	return Levels{Known: true, Allowed: allowed, Kept: kept}, nil
}

// Offers reports whether a level may be chosen.
func (l Levels) Offers(v tracking.Level) bool {
	return !l.Known || v <= tracking.None || v <= l.Allowed.Level || v == l.Kept
}

func (l Levels) limited() bool { return l.Known && l.Allowed.Level < tracking.Individual }

// options are the choices of the form.
func (l Levels) options(p frame.Page) []frame.Option {
	list := []frame.Option{{Text: p.T("campaigns.tracking.default")}}
	for _, v := range []tracking.Level{tracking.None, tracking.Aggregate, tracking.Pseudonymous, tracking.Individual} {
		if !l.Offers(v) {
			continue
		}
		text := p.T("campaigns.tracking." + v.String())
		if l.Known && v > tracking.None && v > l.Allowed.Level {
			text = p.T("campaigns.tracking.over", "level", text)
		}
		list = append(list, frame.Option{Value: v.String(), Text: text})
	}
	return list
}

// hint says why not everything is offered.
func (l Levels) hint(p frame.Page) string {
	if !l.limited() {
		return p.T("campaigns.tracking.hint")
	}
	return p.T("campaigns.tracking.limited", "level", p.T("campaigns.tracking."+tracking.Least(l.Allowed.Level, tracking.Individual).String()), "rule", messages.RuleText(p, l.Allowed.Rule))
}

// Read reads the level of a form; what cannot be chosen is told at "tracking".
func (l Levels) Read(p frame.Page, f *frame.Form) tracking.Level {
	v, err := tracking.ParseLevel(f.Value("tracking"))
	switch {
	case err != nil:
		f.Add("tracking", p.FaultText(fault.As(err), f.Value("tracking")))
	case !l.Offers(v):
		f.Add("tracking", l.hint(p))
	default:
		return v
	}
	return l.Kept
}
