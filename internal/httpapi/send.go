package httpapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Draft is a message as a program describes it.
type Draft struct {
	From        string            `json:"from" doc:"Sender, of a domain of this account" example:"Muster GmbH <info@muster.example>"`
	To          []string          `json:"to,omitempty" doc:"Recipients; to, cc and bcc together at most 1,000" example:"[\"eva@kunde.example\"]"`
	Cc          []string          `json:"cc,omitempty"`
	Bcc         []string          `json:"bcc,omitempty" doc:"Recipients that stand in no header"`
	ReplyTo     []string          `json:"reply_to,omitempty"`
	Subject     string            `json:"subject,omitempty"`
	Text        string            `json:"text,omitempty" doc:"Plain text; made from html if missing"`
	HTML        string            `json:"html,omitempty"`
	Template    string            `json:"template,omitempty" maxLength:"120" doc:"Name or identifier of a template, which brings subject, html and text" example:"Auftragsbestätigung"`
	Language    string            `json:"language,omitempty" maxLength:"8" doc:"Of the template; left out, or one it does not have: the one it began with"`
	Data        map[string]any    `json:"data,omitempty" doc:"What the template shows. A variable that is missing, and a name that it does not use, are refused before anything is stored"`
	Attachments []DraftAttachment `json:"attachments,omitempty"`
	Headers     map[string]string `json:"headers,omitempty" doc:"Further header fields; those the platform sets are refused"`
	Stream      *string           `json:"stream,omitempty" nullable:"true" doc:"transactional (default), lead, reminder, newsletter or system"`
	Group       *string           `json:"group_id,omitempty" nullable:"true" doc:"Group that is written to: it must be approved, and all recipients be in it"`
	Tracking    *string           `json:"tracking,omitempty" nullable:"true" doc:"How much may be told of recipients at most: none, aggregate, pseudonymous or individual; left out: what account and stream allow. It never raises anything"`
	Tags        []string          `json:"tags,omitempty" doc:"At most 20 of 100 bytes"`
	Metadata    map[string]string `json:"metadata,omitempty" doc:"At most 50 keys with values of 500 bytes; comes back, is not sent"`
	SendAt      *time.Time        `json:"send_at,omitempty" nullable:"true" doc:"At most 30 days ahead"`
}

// DraftAttachment is a file of a Draft.
type DraftAttachment struct {
	Filename    string  `json:"filename" example:"Exposé Müller.pdf"`
	ContentType string  `json:"content_type,omitempty" example:"application/pdf"`
	Content     string  `json:"content" doc:"Base64 (RFC 4648, 4)"`
	ContentID   *string `json:"content_id,omitempty" nullable:"true" doc:"Set: shown inline where the HTML names cid:…"`
}

// Accepted is the answer to a message that is safe now.
type Accepted struct {
	ID         message.ID         `json:"id"`
	Deliveries []AcceptedDelivery `json:"deliveries" nullable:"false"`
}

// AcceptedDelivery is one recipient of an accepted message.
type AcceptedDelivery struct {
	ID        message.DeliveryID `json:"id"`
	Recipient string             `json:"recipient"`
	State     string             `json:"state" enum:"queued,suppressed,held"`
	Reason    string             `json:"reason,omitempty" doc:"Why it is not queued"`
}

type sendOutput struct {
	Replayed string `header:"Idempotency-Replayed" doc:"true: this is the first answer again"`
	Body     Accepted
}

// complete implements complete: from is demanded, and so are a file's name and
// content.
func (in Draft) complete() bool {
	for _, f := range in.Attachments {
		if f.Filename == "" || f.Content == "" {
			return false
		}
	}
	return in.From != ""
}

func (a *API) send(ctx context.Context, draft Draft, in *jsonInput) (*sendOutput, error) {
	if err := a.fill(ctx, &draft, ""); err != nil {
		return nil, err
	}
	s, err := draft.submission("")
	if err != nil {
		return nil, err
	}
	if in.Key != "" {
		s.Idempotency, s.RequestHash = in.Key, sha256.Sum256(in.RawBody)
	}
	r, err := a.c.Acceptor.Accept(ctx, principalOf(ctx), s)
	if err != nil {
		return nil, err
	}
	out := &sendOutput{Body: accepted(r)}
	if r.Replayed {
		out.Replayed = "true"
	}
	return out, nil
}

// Batch is several messages in one request.
type Batch struct {
	Messages []Draft `json:"messages" minItems:"1" maxItems:"1000" nullable:"false"`
}

// complete implements complete.
func (in Batch) complete() bool {
	for _, d := range in.Messages {
		if !d.complete() {
			return false
		}
	}
	return len(in.Messages) >= 1 && len(in.Messages) <= 1000
}

// BatchResult is the answer to one message of a batch: what Accepted has, or why it
// was refused.
type BatchResult struct {
	Status     int                `json:"status" doc:"202, or that of the problem"`
	ID         *message.ID        `json:"id,omitempty"`
	Deliveries []AcceptedDelivery `json:"deliveries,omitempty" nullable:"false"`
	Problem    *Problem           `json:"problem,omitempty"`
}

type batchOutput struct {
	Body struct {
		Results []BatchResult `json:"results" nullable:"false" doc:"One for each message, in order"`
	}
}

// sendBatch accepts each message by itself. Messages that cannot even be decoded
// take their place in the results like those that ingest refuses.
func (a *API) sendBatch(ctx context.Context, batch Batch, in *jsonInput) (*batchOutput, error) {
	var hash [32]byte
	if in.Key != "" {
		hash = sha256.Sum256(in.RawBody)
	}
	out := &batchOutput{}
	out.Body.Results = make([]BatchResult, len(batch.Messages))
	var list []ingest.Submission
	var places []int
	for i, d := range batch.Messages {
		place := fmt.Sprintf("messages/%d/", i)
		err := a.fill(ctx, &d, place)
		var s ingest.Submission
		if err == nil {
			s, err = d.submission(place)
		}
		if err != nil {
			out.Body.Results[i] = a.refused(ctx, err, "")
			continue
		}
		s.Idempotency, s.RequestHash = keyInBatch(in.Key, i), hash
		list, places = append(list, s), append(places, i)
	}
	for j, r := range a.c.Acceptor.AcceptAll(ctx, principalOf(ctx), list) {
		i := places[j]
		if r.Err != nil {
			out.Body.Results[i] = a.refused(ctx, r.Err, fmt.Sprintf("/messages/%d", i))
			continue
		}
		one := accepted(r.Receipt)
		out.Body.Results[i] = BatchResult{Status: 202, ID: &one.ID, Deliveries: one.Deliveries}
	}
	return out, nil
}

// refused makes a result of an error; under leads its pointers to the message.
func (a *API) refused(ctx context.Context, err error, under string) BatchResult {
	p := a.problemOf(ctx, err)
	for i := range p.Errors {
		p.Errors[i].Pointer = under + p.Errors[i].Pointer
	}
	return BatchResult{Status: p.Status, Problem: p}
}

// keyInBatch gives every message of a batch an idempotency key of its own.
func keyInBatch(key string, i int) string {
	if key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(key))
	return fmt.Sprintf("batch:%s/%d", hex.EncodeToString(sum[:16]), i)
}

func accepted(r ingest.Receipt) Accepted {
	out := Accepted{ID: r.ID, Deliveries: make([]AcceptedDelivery, len(r.Deliveries))}
	for i, d := range r.Deliveries {
		out.Deliveries[i] = AcceptedDelivery{ID: d.ID, Recipient: d.Recipient.String(), State: string(d.State), Reason: d.Reason}
	}
	return out
}

// decoder collects every fault of a draft.
type decoder struct {
	place string // before each field
	wrong []*fault.Error
}

func (d *decoder) refuse(field string, err error) {
	e := fault.As(err)
	if e == nil {
		e = fault.Field("", "field_malformed", "The value has the wrong form.")
	}
	named := *e
	named.Field = d.place + field
	d.wrong = append(d.wrong, &named)
}

// submission decodes what JSON cannot say: addresses, base64.
func (in Draft) submission(place string) (ingest.Submission, error) {
	d := &decoder{place: place}
	draft := &message.Draft{
		From: d.mailbox("from", in.From), To: d.mailboxes("to", in.To), Cc: d.mailboxes("cc", in.Cc),
		ReplyTo: d.mailboxes("reply_to", in.ReplyTo), Subject: in.Subject, Text: in.Text, HTML: in.HTML,
		Attachments: d.attachments(in.Attachments), Headers: headers(in.Headers),
	}
	s := ingest.Submission{Draft: draft, Bcc: d.mailboxes("bcc", in.Bcc), Tags: in.Tags, Metadata: in.Metadata}
	if in.Stream != nil {
		s.Stream = tenant.Stream(*in.Stream)
	}
	if in.Group != nil {
		group, err := id.Parse[audience.GroupKind](*in.Group)
		if err != nil {
			d.refuse("group_id", fault.Field("", "group_malformed", "The identifier of a group is expected."))
		}
		s.Group = group
	}
	if in.Tracking != nil {
		level, err := tracking.ParseLevel(*in.Tracking)
		if err != nil {
			d.refuse("tracking", err)
		}
		s.Tracking = level
	}
	if in.SendAt != nil {
		s.SendAt = *in.SendAt
	}
	return s, fault.Join(d.wrong)
}

func (d *decoder) mailbox(field, text string) message.Mailbox {
	m, err := message.ParseMailbox(text)
	if err != nil {
		d.refuse(field, err)
	}
	return m
}

func (d *decoder) mailboxes(field string, texts []string) []message.Mailbox {
	if len(texts) > message.MaxRecipients {
		d.refuse(field, &fault.Error{Kind: fault.TooLarge, Code: ingest.CodeRecipientsTooMany,
			Detail: fmt.Sprintf("A message has at most %d recipients.", message.MaxRecipients)})
		return nil
	}
	list := make([]message.Mailbox, len(texts))
	for i, text := range texts {
		list[i] = d.mailbox(fmt.Sprintf("%s/%d", field, i), text)
	}
	return list
}

func (d *decoder) attachments(files []DraftAttachment) []message.Attachment {
	list := make([]message.Attachment, len(files))
	for i, f := range files {
		content, err := base64.StdEncoding.DecodeString(f.Content)
		if err != nil {
			d.refuse(fmt.Sprintf("attachments/%d/content", i), fault.Field("", "base64_malformed", "The content is not base64."))
		}
		list[i] = message.Attachment{Filename: f.Filename, ContentType: f.ContentType, Content: content}
		if f.ContentID != nil {
			list[i].ContentID = *f.ContentID
		}
	}
	return list
}

// headers puts the fields in a fixed order, since JSON objects have none.
func headers(fields map[string]string) []message.Header {
	list := make([]message.Header, 0, len(fields))
	for name, value := range fields {
		list = append(list, message.Header{Name: name, Value: value})
	}
	slices.SortFunc(list, func(a, b message.Header) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return list
}
