package messages

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/queue"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/trace"
	"stafette/internal/web/frame"
)

// lettersShown is how many recipients one page tells in full.
const lettersShown = 100

// sheet is the page of one message.
type sheet struct {
	insight.Message
	summary  string
	source   string // who or what submitted it
	letters  []letter
	earlier  string // addresses of the neighbouring pages of recipients, "" if none
	later    string
	done     string          // the command that was just carried out, "" if none
	commands []queue.Command // for all recipients at once, where there are several
	metadata []string        // keys in order
	kin      kinship
	did      engagement
}

// letter is one recipient's part of the sheet.
type letter struct {
	insight.Delivery
	mark     event.Mark // what became known after the state, "" for nothing
	name     string
	verdict  string // what happened, in a sentence
	moment   string // the short time in the summary line
	advice   advice
	stations []frame.Station
	commands []queue.Command
	said     []trace.Dialogue // what was said in its attempts, as far as that is kept
	did      []frame.Station  // what the recipient did with it, where that is known
	open     bool
}

// icon names the colour of the letter's advice.
func (l letter) icon() string {
	icon, _ := face(l.State, l.mark)
	return icon
}

// advice is what to do now, shown above the slip.
type advice struct {
	title, text string
}

// messageOf reads the message that the path names. What is no identifier is
// answered like what does not exist.
func (o *office) messageOf(r *http.Request, p frame.Page) (insight.Message, error) {
	m, err := id.Parse[message.Kind](r.PathValue("id"))
	if err != nil {
		return insight.Message{}, fault.New(fault.NotFound, "message_not_found", "no such message")
	}
	found, err := o.Insight.Message(r.Context(), p.Tenant(), m)
	if err != nil {
		return insight.Message{}, fmt.Errorf("read message: %w", err)
	}
	return found, nil
}

func (o *office) showMessage(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	m, err := o.messageOf(r, p)
	if err != nil {
		return err
	}
	facts, err := o.Insight.Events(r.Context(), p.Tenant(), m.ID)
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	p.Room, p.Title, p.Live = "messages", Subject(p, m.Subject), true
	q := r.URL.Query()
	s := sheet{Message: m, done: p.Done(outcomes()...)}
	s.summary = p.T("message.summary", "n", m.DeliveryCount, "tally", tally(p, m.Deliveries))
	s.source = o.actorText(r, p, m)
	s.metadata = slices.Sorted(maps.Keys(m.Metadata))
	if p.Can(tenant.MessagesCommand) && len(m.Deliveries) > 1 {
		s.commands = commandsForAll(m.Deliveries)
	}
	said, err := o.dialoguesOf(r, p, m, facts)
	if err != nil {
		return err
	}
	if s.kin, err = o.kinshipOf(r, p, m); err != nil {
		return err
	}
	if s.did, err = o.engagementOf(r, p, m.ID, recipientNames(m)); err != nil {
		return err
	}
	names := o.actorNames(r, p, facts)
	start := s.paginate(q.Get("from"))
	for i, d := range m.Deliveries[start:min(start+lettersShown, len(m.Deliveries))] {
		l := o.newLetter(p, m, d, facts, names)
		l.said, l.did = said[d.ID], s.did.named[d.ID]
		l.open = len(m.Deliveries) == 1 || i < 5 && (d.State != event.Delivered || l.mark != "")
		s.letters = append(s.letters, l)
	}
	return p.Render(w, r, http.StatusOK, messagePage(p, s))
}

// recipientNames are the recipients as people call them.
func recipientNames(m insight.Message) map[message.DeliveryID]string {
	names := map[message.DeliveryID]string{}
	for _, d := range m.Deliveries {
		names[d.ID] = cmp.Or(nameOf(m, d.Recipient), addressText(d.Recipient))
	}
	return names
}

// paginate sets the links between pages of recipients and returns where this one
// begins; a number that makes no sense is the first page.
func (s *sheet) paginate(from string) int {
	start, err := strconv.Atoi(from)
	if err != nil || start < 0 || start >= len(s.Deliveries) || start%lettersShown != 0 {
		start = 0
	}
	here := "/messages/" + s.ID.String()
	if start > 0 {
		s.earlier = here + "?from=" + strconv.Itoa(start-lettersShown)
	}
	if start+lettersShown < len(s.Deliveries) {
		s.later = here + "?from=" + strconv.Itoa(start+lettersShown)
	}
	return start
}

// outcomes are what can have been done to a message just now.
func outcomes() []string {
	return []string{"sent", doAgain, "none", string(queue.Retry), string(queue.Hold), string(queue.Resume), string(queue.Cancel)}
}

// Subject is a subject as lists show it: one that is empty says so.
func Subject(p frame.Page, s string) string {
	if strings.TrimSpace(s) == "" {
		return p.T("message.nosubject")
	}
	return s
}

// actorText says who submitted the message: a person by name, a key by its name,
// otherwise the door alone.
func (o *office) actorText(r *http.Request, p frame.Page, m insight.Message) string {
	if u, err := id.Parse[tenant.UserKind](m.Actor); err == nil {
		if user, err := o.Tenants.User(r.Context(), p.Tenant(), u); err == nil {
			return p.T("message.by.user", "name", cmp.Or(user.Name, user.Email))
		}
	}
	door := p.Either("door."+m.Door, "door.other", "door", m.Door)
	if k, err := id.Parse[tenant.KeyKind](m.Actor); err == nil {
		if keys, err := o.Tenants.Keys(r.Context(), p.Tenant()); err == nil {
			for _, key := range keys {
				if key.ID == k {
					return p.T("message.by.key", "door", door, "name", key.Name)
				}
			}
		}
	}
	return p.T("message.by.door", "door", door)
}

func (o *office) newLetter(p frame.Page, m insight.Message, d insight.Delivery, facts []event.Event, names map[string]string) letter {
	l := letter{Delivery: d, mark: afterwards(d), name: nameOf(m, d.Recipient), stations: o.slip(p, m, d, facts, names)}
	reason := o.reasonText(p, d.Reason)
	host := cmp.Or(d.Host, p.T("message.host.unknown"))
	l.verdict = p.T("state."+string(d.State)+".means",
		"host", host, "time", p.Near(d.UpdatedAt), "reason", cmp.Or(reason, p.T("reason.none")),
		"recipient", addressText(d.Recipient), "stream", streamName(p, m.Stream), "next", p.Near(d.DueAt))
	l.moment = moment(p, m, d)
	l.advice = adviceFor(p, d)
	if l.mark != "" {
		o.tellMark(p, m, &l, facts)
	}
	if p.Can(tenant.MessagesCommand) {
		l.commands = commandsFor(d.State)
	}
	return l
}

// moment is the time that matters in the summary line of a letter.
func moment(p frame.Page, m insight.Message, d insight.Delivery) string {
	switch d.State {
	case event.Deferred:
		return p.T("letter.next", "time", p.Row(d.DueAt))
	case event.Queued:
		if d.DueAt.After(p.Now) {
			return p.T("letter.next", "time", p.Row(d.DueAt))
		}
		return p.T("letter.since", "time", p.Row(m.AcceptedAt))
	case event.Delivered:
		return p.T("letter.after", "time", p.Row(d.UpdatedAt), "span", i18n.Span(p.Lang, d.UpdatedAt.Sub(m.AcceptedAt)))
	}
	return p.Row(d.UpdatedAt)
}

// tellMark says what became known after the server had taken the mail, and what to do
// about it now.
func (o *office) tellMark(p frame.Page, m insight.Message, l *letter, facts []event.Event) {
	for _, e := range facts {
		if e.Delivery != l.ID || e.Type.Mark() != l.mark {
			continue
		}
		reply := ""
		if e.Report != nil {
			reply = frame.Shorten(e.Report.Reply, 200)
		}
		l.verdict = p.T("mark."+string(l.mark)+".means", "host", cmp.Or(l.Host, p.T("message.host.unknown")), "time", p.Near(l.UpdatedAt),
			"date", p.Near(e.At), "reply", cmp.Or(reply, o.reasonText(p, e.Reason)), "stream", streamName(p, m.Stream))
		l.moment = p.Row(e.At)
	}
	key := "advice." + string(l.mark)
	if by := adviceByClass(l.LateReason); by != "" && l.mark == event.MarkLateBounce {
		key = specific(p, "advice."+string(event.Bounced), by)
	}
	l.advice = advice{title: p.T(key + ".title"), text: p.T(key+".do", "recipient", addressText(l.Recipient), "domain", l.Recipient.Domain,
		"stream", streamName(p, m.Stream))}
}

// adviceByClass leads from bounce classes to the situations of the copy deck.
func adviceByClass(class string) string {
	switch class {
	case "user_unknown", "recipient_moved":
		return "unknown"
	case "mailbox_disabled":
		return "disabled"
	case "mailbox_full":
		return "full"
	case "domain_no_mail", "dns_no_domain", "dns_no_host":
		return "nomail"
	case "greylisted":
		return "greylist"
	case "rate_limited":
		return "rate"
	case "ip_blocked", "ip_dns":
		return "source"
	case "auth_missing":
		return "domain"
	case "content_spam", "content_virus":
		return "content"
	case "too_large":
		return "toobig"
	case "attachment_changed", "attachment_missing", "body_corrupt", "body_gone":
		return "damaged"
	}
	return ""
}

// adviceFor tells what to do about a delivery: by its reason where that is known
// and there is something to do, otherwise by its state.
func adviceFor(p frame.Page, d insight.Delivery) advice {
	key := "advice." + string(d.State)
	switch d.State {
	case event.Deferred, event.Bounced, event.Held:
		if by := adviceByClass(d.Reason); by != "" {
			key = specific(p, key, by)
		}
	}
	return advice{title: p.T(key + ".title"), text: p.T(key+".do", "recipient", addressText(d.Recipient), "domain", d.Recipient.Domain)}
}

func specific(p frame.Page, key, by string) string {
	for _, candidate := range []string{key + "." + by, "advice." + by} {
		if p.Has(candidate + ".title") {
			return candidate
		}
	}
	return key
}

// bodyOf reads the message's bytes. gone reports that they are no longer kept.
func (o *office) bodyOf(r *http.Request, m insight.Message) (body []byte, gone bool, err error) {
	if m.Erased() {
		return nil, true, nil
	}
	if m.Door == notice.Door {
		return nil, false, fault.New(fault.Forbidden, "content_private", "A letter to somebody of the platform may let them in.")
	}
	body, err = o.Spool.Body(r.Context(), m.Body)
	if errors.Is(err, spool.ErrGone) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read content: %w", err)
	}
	return body, false, nil
}
