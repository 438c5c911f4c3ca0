package httpapi

import (
	"context"
	"encoding/hex"
	"time"

	"golang.org/x/text/language"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// Message is a message as programs read it.
type Message struct {
	ID            message.ID        `json:"id"`
	Stream        string            `json:"stream"`
	From          string            `json:"from"`
	To            []string          `json:"to" nullable:"false" doc:"To and Cc as shown to people"`
	Subject       string            `json:"subject"`
	MessageID     string            `json:"message_id" doc:"Header, without angle brackets"`
	Size          int64             `json:"size" doc:"Bytes"`
	Attachments   []File            `json:"attachments" nullable:"false"`
	Tags          []string          `json:"tags" nullable:"false"`
	Metadata      map[string]string `json:"metadata"`
	AcceptedAt    time.Time         `json:"accepted_at"`
	SendAt        *time.Time        `json:"send_at"`
	Erased        bool              `json:"erased" doc:"The content is gone for good"`
	DeliveryCount int               `json:"delivery_count"`
	Tracking      *Tracking         `json:"tracking,omitempty" doc:"Only of one message, and only where tracking was asked for or could take place"`
	Deliveries    []Delivery        `json:"deliveries" nullable:"false" doc:"In lists at most 20, without attempts"`
}

// File is the fingerprint of an attachment.
type File struct {
	Filename    string `json:"filename"`
	ContentType string `json:"content_type"`
	Size        int64  `json:"size" doc:"Bytes"`
	SHA256      string `json:"sha256" doc:"Hexadecimal, of the decoded file"`
}

// Delivery is one recipient's part.
type Delivery struct {
	ID            message.DeliveryID `json:"id"`
	Recipient     string             `json:"recipient"`
	Hidden        bool               `json:"hidden" doc:"Bcc"`
	State         string             `json:"state" enum:"queued,sending,deferred,held,delivered,bounced,expired,suppressed,cancelled"`
	StateText     string             `json:"state_text" doc:"In the language of Accept-Language, German by default"`
	Reason        string             `json:"reason" doc:"Stable code behind the state; empty if none"`
	ReasonText    string             `json:"reason_text"`
	Marks         []string           `json:"marks" nullable:"false" enum:"late_bounce,complained" doc:"What became known after a server took the mail: it came back after all, or the recipient reported it as spam"`
	LateReason    string             `json:"late_reason" doc:"Stable code behind late_bounce; empty without it"`
	AttemptCount  int                `json:"attempt_count"`
	Attempts      []Attempt          `json:"attempts,omitempty" nullable:"false"`
	NextAttemptAt *time.Time         `json:"next_attempt_at"`
	ExpiresAt     time.Time          `json:"expires_at"`
	UpdatedAt     time.Time          `json:"updated_at"`
}

// Attempt is one try to deliver.
type Attempt struct {
	At           time.Time `json:"at"`
	Number       int       `json:"number"`
	Source       string    `json:"source" doc:"Our address"`
	MX           string    `json:"mx" doc:"The server talked to"`
	TLS          string    `json:"tls" doc:"TLS version; empty for none"`
	Cipher       string    `json:"cipher" doc:"Cipher suite of the session"`
	TLSPolicy    string    `json:"tls_policy" doc:"What decided how the session had to be protected: required (an operator's rule), mta_sts, mta_sts_testing, dane, requiretls, waived (TLS-Required: No); empty for opportunistic"`
	TLSResult    string    `json:"tls_result" doc:"What came of it: verified, encrypted, or what was wrong in the words of RFC 8460, 4.3; empty if nothing was demanded"`
	Code         int       `json:"code" doc:"SMTP reply code; 0 if no reply came"`
	EnhancedCode string    `json:"enhanced_code" doc:"RFC 3463"`
	Reply        string    `json:"reply" doc:"The server's words, or our finding where it said none"`
	Outcome      string    `json:"outcome" enum:"delivered,deferred,bounced,uncertain"`
}

type messageInput struct {
	ID             string `path:"id" maxLength:"64" example:"msg_01k00000000000000000000000"`
	AcceptLanguage string `header:"Accept-Language" doc:"de (default) or en"`
}

// message parses the identifier; a malformed one names nothing.
func (in *messageInput) message() (message.ID, error) {
	m, err := id.Parse[message.Kind](in.ID)
	if err != nil || message.Of(message.DeliveryID(m)) != m {
		return message.ID{}, errNoMessage()
	}
	return m, nil
}

type messageOutput struct{ Body Message }

func (a *API) get(ctx context.Context, in *messageInput) (*messageOutput, error) {
	m, err := in.message()
	if err != nil {
		return nil, err
	}
	t := keyOf(ctx).Tenant
	found, err := a.c.Messages.Message(ctx, t, m)
	if err != nil {
		return nil, err
	}
	events, err := a.c.Messages.Events(ctx, t, m)
	if err != nil {
		return nil, err
	}
	told, err := a.tracking(ctx, t, m)
	if err != nil {
		return nil, err
	}
	attempts := map[message.DeliveryID][]Attempt{}
	for _, e := range events {
		if e.Attempt != nil {
			attempts[e.Delivery] = append(attempts[e.Delivery], attemptOf(e))
		}
	}
	out := &messageOutput{Body: a.message(found, preferred(in.AcceptLanguage))}
	out.Body.Tracking = told
	for i, d := range found.Deliveries {
		if out.Body.Deliveries[i].Attempts = attempts[d.ID]; attempts[d.ID] == nil {
			out.Body.Deliveries[i].Attempts = []Attempt{}
		}
	}
	return out, nil
}

func attemptOf(e event.Event) Attempt {
	t := e.Attempt
	a := Attempt{
		At: e.At, Number: t.Number, Source: t.Source, MX: t.MX, TLS: t.TLS, Cipher: t.Cipher,
		TLSPolicy: t.TLSPolicy, TLSResult: t.TLSResult, Code: t.Code,
		EnhancedCode: t.Enhanced, Reply: t.Reply, Outcome: string(t.Outcome),
	}
	if a.Reply == "" {
		a.Reply = t.Local
	}
	return a
}

// preferred picks German or English, the languages the texts are in.
func preferred(accept string) string {
	supported := []language.Tag{language.German, language.English}
	tags, _, err := language.ParseAcceptLanguage(cut(accept, 200))
	if err != nil {
		return "de"
	}
	_, i, _ := language.NewMatcher(supported).Match(tags...)
	base, _ := supported[i].Base()
	return base.String()
}

func (a *API) message(m insight.Message, lang string) Message {
	out := Message{
		ID: m.ID, Stream: string(m.Stream), From: m.From.String(), To: make([]string, len(m.To)),
		Subject: m.Subject, MessageID: m.MessageID, Size: m.Size, Attachments: make([]File, len(m.Digests)),
		Tags: append([]string{}, m.Tags...), Metadata: m.Metadata, AcceptedAt: m.AcceptedAt, SendAt: timeOrNull(m.SendAt),
		Erased: m.Erased(), DeliveryCount: m.DeliveryCount, Deliveries: make([]Delivery, len(m.Deliveries)),
	}
	if out.Metadata == nil {
		out.Metadata = map[string]string{}
	}
	for i, to := range m.To {
		out.To[i] = to.String()
	}
	for i, d := range m.Digests {
		out.Attachments[i] = File{Filename: d.Filename, ContentType: d.ContentType, Size: d.Size, SHA256: hex.EncodeToString(d.SHA256[:])}
	}
	for i, d := range m.Deliveries {
		out.Deliveries[i] = a.delivery(d, lang)
	}
	return out
}

func (a *API) delivery(d insight.Delivery, lang string) Delivery {
	out := Delivery{
		ID: d.ID, Recipient: d.Recipient.String(), Hidden: d.Hidden, State: string(d.State), Reason: d.Reason,
		Marks: make([]string, len(d.Marks)), LateReason: d.LateReason,
		AttemptCount: d.Attempts, ExpiresAt: d.ExpiresAt, UpdatedAt: d.UpdatedAt,
	}
	for i, m := range d.Marks {
		out.Marks[i] = string(m)
	}
	if d.State == event.Queued || d.State == event.Deferred {
		out.NextAttemptAt = timeOrNull(d.DueAt)
	}
	if a.c.Texts != nil {
		out.StateText = a.c.Texts.State(lang, d.State)
		if d.Reason != "" {
			out.ReasonText = a.c.Texts.Reason(lang, d.Reason)
		}
	}
	return out
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Event is one fact.
type Event struct {
	ID         event.ID            `json:"id"`
	Type       string              `json:"type"`
	At         time.Time           `json:"at"`
	Actor      string              `json:"actor" doc:"system, or a key or user"`
	DeliveryID *message.DeliveryID `json:"delivery_id" doc:"Null: about the whole message"`
	Reason     string              `json:"reason"`
	Note       string              `json:"note,omitempty" doc:"Why a person commanded it, in their words"`
	Attempt    *Attempt            `json:"attempt,omitempty"`
	Report     *Report             `json:"report,omitempty" doc:"On facts that return mail told"`
}

// Report is what a return mail says of one delivery.
type Report struct {
	From         string `json:"from" doc:"Who wrote it: the reporting host, or an address"`
	Recipient    string `json:"recipient" doc:"The address reported on, where it is another than the delivery's"`
	Host         string `json:"host" doc:"The server whose words Reply are"`
	Code         int    `json:"code" doc:"SMTP reply code; 0 if none is told"`
	EnhancedCode string `json:"enhanced_code" doc:"RFC 3463"`
	Reply        string `json:"reply" doc:"The server's words"`
	Hard         bool   `json:"hard" doc:"The address will never work"`
	Feedback     string `json:"feedback" doc:"Type of a complaint (RFC 5965); empty for others"`
	Unproven     bool   `json:"unproven" doc:"SPF, DKIM and DMARC vouch for none of it; that it speaks of this delivery is proven all the same"`
}

func reportOf(r *event.Report) *Report {
	if r == nil {
		return nil
	}
	return &Report{From: r.From, Recipient: r.Recipient, Host: r.Host, Code: r.Code, EnhancedCode: r.Status, Reply: r.Reply,
		Hard: r.Hard, Feedback: r.Feedback, Unproven: r.Unproven}
}

type eventsOutput struct {
	Body struct {
		Data []Event `json:"data" nullable:"false"`
	}
}

func (a *API) events(ctx context.Context, in *messageInput) (*eventsOutput, error) {
	m, err := in.message()
	if err != nil {
		return nil, err
	}
	list, err := a.c.Messages.Events(ctx, keyOf(ctx).Tenant, m)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 { // a message has at least the fact of its acceptance
		return nil, errNoMessage()
	}
	out := &eventsOutput{}
	out.Body.Data = make([]Event, len(list))
	for i, e := range list {
		one := Event{ID: e.ID, Type: string(e.Type), At: e.At, Actor: e.Actor, Reason: e.Reason, Note: e.Note, Report: reportOf(e.Report)}
		if !e.Delivery.IsZero() {
			one.DeliveryID = &e.Delivery
		}
		if e.Attempt != nil {
			attempt := attemptOf(e)
			one.Attempt = &attempt
		}
		out.Body.Data[i] = one
	}
	return out, nil
}

type commandOutput struct {
	Body struct {
		Changed []message.DeliveryID `json:"changed" nullable:"false" doc:"The deliveries in a state the command applies to"`
	}
}

func commandSummary(c queue.Command) string {
	return map[queue.Command]string{
		queue.Cancel: "Stop what has not been delivered", queue.Hold: "Hold what has not been delivered",
		queue.Resume: "Release what is held", queue.Retry: "Try now what waits for its next attempt",
	}[c]
}

func (a *API) command(ctx context.Context, c queue.Command, in *messageInput) (*commandOutput, error) {
	m, err := in.message()
	if err != nil {
		return nil, err
	}
	key := keyOf(ctx)
	if _, err := a.c.Messages.Message(ctx, key.Tenant, m); err != nil {
		return nil, err
	}
	sel := queue.Selection{Tenant: key.Tenant, Message: m, Limit: message.MaxRecipients}
	changed, err := a.c.Commands.Apply(ctx, c, sel, key.ID.String(), a.c.Now().UTC().Truncate(time.Millisecond))
	if err != nil {
		return nil, err
	}
	out := &commandOutput{}
	out.Body.Changed = append([]message.DeliveryID{}, changed...)
	return out, nil
}

// Me tells whose key was used.
type Me struct {
	Tenant *MeTenant `json:"tenant,omitempty" doc:"Missing: a key of the platform"`
	Key    MeKey     `json:"key"`
}

// MeTenant is the account of a key.
type MeTenant struct {
	ID         tenant.ID `json:"id"`
	Name       string    `json:"name"`
	DailyQuota int64     `json:"daily_quota" doc:"Deliveries per UTC day; 0: no limit"`
}

// MeKey is a key without its secret.
type MeKey struct {
	ID     tenant.KeyID `json:"id"`
	Name   string       `json:"name"`
	Hint   string       `json:"hint" doc:"The first characters"`
	Scopes []string     `json:"scopes" nullable:"false"`
}

type meOutput struct{ Body Me }

func (a *API) me(ctx context.Context, _ *struct{}) (*meOutput, error) {
	k := keyOf(ctx)
	out := &meOutput{Body: Me{Key: MeKey{ID: k.ID, Name: k.Name, Hint: k.Hint, Scopes: []string{}}}}
	for _, s := range k.Scopes {
		out.Body.Key.Scopes = append(out.Body.Key.Scopes, string(s))
	}
	if k.Tenant.IsZero() {
		return out, nil
	}
	t, err := a.c.Tenants.Tenant(ctx, k.Tenant)
	if err != nil {
		return nil, err
	}
	out.Body.Tenant = &MeTenant{ID: t.ID, Name: t.Name, DailyQuota: t.DailyQuota}
	return out, nil
}
