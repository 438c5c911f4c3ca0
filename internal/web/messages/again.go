package messages

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/web/frame"
)

// repeatsShown is how many repetitions of a message its page lists.
const repeatsShown = 10

// repeat is the form that sends a message once more.
type repeat struct {
	insight.Message
	gone   bool            // the content is no longer kept: nothing can be sent
	picked map[string]bool // recipients to send to, by delivery
	other  string          // further addresses as they were typed
	key    string          // makes sending twice the same as sending once
	frame.Form
}

// undeliveredTo reports whether a delivery did not reach its recipient and no longer will.
func undeliveredTo(d insight.Delivery) bool {
	return d.State.Final() && (d.State != event.Delivered || d.Marked(event.MarkLateBounce))
}

func (o *office) showAgain(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	m, err := o.messageOf(r, p)
	if err != nil {
		return err
	}
	f := repeat{Message: m, picked: map[string]bool{}, key: rand.Text()}
	only := r.URL.Query().Get("delivery")
	for _, d := range m.Deliveries {
		if only == d.ID.String() || only == "" && undeliveredTo(d) {
			f.picked[d.ID.String()] = true
		}
	}
	if len(m.Deliveries) == 1 {
		f.picked[m.Deliveries[0].ID.String()] = true
	}
	if _, f.gone, err = o.bodyOf(r, m); err != nil {
		return err
	}
	return o.askAgain(w, r, p, http.StatusOK, f)
}

func (o *office) askAgain(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f repeat) error {
	p.Room, p.Title = "messages", p.T("again.title")
	return p.Render(w, r, status, againPage(p, f))
}

// again sends the content of a message once more, to recipients of it and to others,
// as a new message that is linked to it.
func (o *office) again(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	m, err := o.messageOf(r, p)
	if err != nil {
		return err
	}
	f := repeat{Message: m, picked: map[string]bool{}, other: r.PostForm.Get("other"), key: r.PostForm.Get("key")}
	f.Values = map[string]string{"other": f.other}
	for _, one := range r.PostForm["delivery"] {
		f.picked[one] = true
	}
	to := o.repeatTo(p, &f)
	if !f.Valid() {
		return o.askAgain(w, r, p, http.StatusUnprocessableEntity, f)
	}
	receipt, err := o.repeatMessage(r, p, m, to, f.key)
	if e := fault.As(err); e != nil && e.Kind != fault.NotFound {
		for _, one := range append([]*fault.Error{e}, e.Also...) {
			f.Add("", p.FaultText(one, one.Field))
		}
		return o.askAgain(w, r, p, frame.StatusOf(e.Kind), f)
	}
	if err != nil {
		return fmt.Errorf("send again: %w", err)
	}
	frame.Redirect(w, r, "/messages/"+receipt.ID.String(), doAgain)
	return nil
}

// repeatTo reads to whom the form sends, noting problems in it.
func (o *office) repeatTo(p frame.Page, f *repeat) []message.Mailbox {
	var to []message.Mailbox
	add := func(box message.Mailbox) {
		if !slices.ContainsFunc(to, func(b message.Mailbox) bool { return b.Address == box.Address }) {
			to = append(to, box)
		}
	}
	for _, d := range f.Deliveries {
		if f.picked[d.ID.String()] {
			add(message.Mailbox{Name: nameOf(f.Message, d.Recipient), Address: d.Recipient})
		}
	}
	for _, one := range splitAddresses(f.other) {
		box, err := o.ParseMailbox(one)
		if e := fault.As(err); e != nil {
			f.Add("other", p.FaultText(e, one))
			continue
		}
		add(box)
	}
	if len(to) == 0 && f.Valid() {
		f.Add("other", p.T("again.missing"))
	}
	return to
}

// repeatMessage hands the content of m to ingest for other recipients. Without content
// it is NotFound "content_expired". key makes it idempotent for these recipients.
func (o *office) repeatMessage(r *http.Request, p frame.Page, m insight.Message, to []message.Mailbox, key string) (ingest.Receipt, error) {
	body, gone, err := o.bodyOf(r, m)
	if err != nil {
		return ingest.Receipt{}, err
	}
	if gone {
		return ingest.Receipt{}, fault.New(fault.NotFound, "content_expired", "the content is gone")
	}
	s, err := ingest.Again(ingest.Origin{ID: m.ID, Body: body, Stream: m.Stream, Tags: m.Tags, Metadata: m.Metadata}, to)
	if err != nil {
		return ingest.Receipt{}, err
	}
	hash := sha256.New()
	_, _ = fmt.Fprint(hash, m.ID, to)
	s.RequestHash = [32]byte(hash.Sum(nil))
	if key = frame.Shorten(key, 64); key != "" {
		s.Idempotency = "again/" + key + "/" + hex.EncodeToString(s.RequestHash[:8])
	}
	return o.Acceptor.Accept(r.Context(), ingest.Principal{Tenant: p.Tenant(), Actor: p.Who.User.ID.String(), Door: "office"}, s)
}

// kinship is which messages a message repeats and is repeated by.
type kinship struct {
	of       insight.Message // zero for none
	repeats  []insight.Message
	moreThan bool
}

// kinshipOf follows the links of a message. What it cannot find is not shown.
func (o *office) kinshipOf(r *http.Request, p frame.Page, m insight.Message) (kinship, error) {
	var k kinship
	found, err := o.Insight.Messages(r.Context(), p.Tenant(), insight.Filter{Tag: ingest.AgainTag(m.ID), Limit: repeatsShown})
	if err != nil {
		return kinship{}, fmt.Errorf("find repetitions: %w", err)
	}
	k.repeats, k.moreThan = found.Messages, found.More
	if first, ok := ingest.AgainOf(m.Tags); ok {
		of, err := o.Insight.Message(r.Context(), p.Tenant(), first)
		if err != nil && !fault.IsKind(err, fault.NotFound) {
			return kinship{}, fmt.Errorf("find first message: %w", err)
		}
		if err == nil {
			k.of = of
		}
	}
	return k, nil
}

// repeatLine tells a repetition in a line: when, to whom, and how it fares.
func repeatLine(p frame.Page, m insight.Message) string {
	var to []string
	for _, d := range m.Deliveries[:min(len(m.Deliveries), 3)] {
		to = append(to, addressText(d.Recipient))
	}
	return strings.Join([]string{p.Row(m.AcceptedAt), strings.Join(to, ", "), tally(p, m.Deliveries)}, " · ")
}
