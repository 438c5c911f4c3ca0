package public

import (
	"strings"

	"stafette/internal/diagnosis"
	"stafette/internal/i18n"
)

// fact is one line for the administrator.
type fact struct {
	name, value string
	mono        bool
}

// view is what the page of a delivery shows.
type view struct {
	mark     string // state, for its colour
	label    string
	sentence string
	steps    []diagnosis.Step
	facts    []fact
	until    string
}

// view leaves out what is not this recipient's: subject, content, other recipients, and
// who of the sender did what. contact is how to reach the sender, "" where that is not said.
func (d *door) view(p page, v diagnosis.Verdict, link diagnosis.StatusLink, contact string) view {
	voice := diagnosis.Voice{Lang: p.lang, Tone: i18n.Sie}
	from := v.Message.From
	view := view{
		mark: string(v.Delivery.State), label: p.t("state."+string(v.Delivery.State)+".label", nil),
		sentence: d.Diagnosis.Notice(p.lang, v), until: d.Diagnosis.Moment(p.lang, link.ExpiresAt),
		facts: []fact{
			{p.t("status.from", nil), strings.TrimSpace(from.Name + " <" + from.Local + "@" + from.Domain + ">"), false},
			{p.t("status.recipient", nil), v.Delivery.Recipient.Local + "@" + v.Delivery.Recipient.Domain, false},
			{p.t("status.messageid", nil), "<" + v.Message.MessageID + ">", true},
			{p.t("status.accepted", nil), d.Diagnosis.Moment(p.lang, v.Message.AcceptedAt), false},
		},
	}
	if contact != "" {
		view.facts = append(view.facts, fact{p.t("status.contact", nil), contact, false})
	}
	if v.Situation == diagnosis.Late {
		view.mark, view.label = "bounced", p.t("mark.late_bounce.label", nil)
	}
	if a := v.Evidence.Attempt; a != nil {
		view.facts = append(view.facts, fact{p.t("status.when", nil), d.Diagnosis.Moment(p.lang, v.Evidence.At) + " · " + v.Evidence.At.UTC().Format("2006-01-02 15:04:05 UTC"), false})
		if a.MX != "" {
			view.facts = append(view.facts, fact{p.t("status.server", nil), strings.TrimSpace(a.MX + " " + a.Address), true})
		}
		view.facts = append(view.facts, fact{p.t("status.reply", nil), d.Diagnosis.Reply(voice, v), true})
		if a.Code != 0 {
			view.facts = append(view.facts, fact{p.t("status.tls", nil), d.Diagnosis.Protection(voice, v), false})
		}
		if a.Source != "" {
			view.facts = append(view.facts, fact{p.t("status.source", nil), strings.TrimSpace(a.Source + " " + a.EHLO), true})
		}
	}
	if v.Accepted() {
		view.steps = d.Diagnosis.Steps(voice, v)
	}
	return view
}
