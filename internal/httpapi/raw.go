package httpapi

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/spool"
)

// registerSendRaw registers the route that takes whole messages. It is a handler
// of its own: the framework would keep the body twice.
func registerSendRaw(a *API, api huma.API, r Route) {
	op := r.operation(api)
	text := &huma.Schema{Type: huma.TypeString}
	op.Description = "The envelope is taken from `sender` and `recipient`; without them from the header. " +
		"X-Stafette-* fields are options and are taken out: Stream, Tag, Metadata-…, Send-At, Tracking, Idempotency-Key."
	op.Parameters = []*huma.Param{
		{Name: "recipient", In: "query", Description: "Envelope recipient; may repeat", Schema: &huma.Schema{Type: huma.TypeArray, Items: text}},
		{Name: "sender", In: "query", Description: "Envelope sender", Schema: text},
		{Name: "Idempotency-Key", In: "header", Schema: text},
	}
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"message/rfc822": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
	}}
	op.Responses[strconv.Itoa(r.status)] = &huma.Response{Description: "Accepted", Content: map[string]*huma.MediaType{
		"application/json": {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Accepted](), true, "Accepted")},
	}}
	a.registerPlain(api, r, op, a.sendRaw)
}

func (a *API) sendRaw(w http.ResponseWriter, r *http.Request) error {
	s, err := envelope(r.URL.Query())
	if err != nil {
		return err
	}
	s.Raw, err = io.ReadAll(http.MaxBytesReader(w, r.Body, a.c.Limits.Raw))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return errTooLarge()
	}
	if err != nil {
		return newProblem(http.StatusBadRequest, "body_unreadable", "The body cannot be read.")
	}
	if s.Idempotency = r.Header.Get("Idempotency-Key"); s.Idempotency != "" {
		h := sha256.New()
		fmt.Fprintf(h, "%s\n", r.URL.RawQuery)
		h.Write(s.Raw)
		s.RequestHash = [32]byte(h.Sum(nil))
	}
	receipt, err := a.c.Acceptor.Accept(r.Context(), principalOf(r.Context()), s)
	if err != nil {
		return err
	}
	if receipt.Replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	return json.NewEncoder(w).Encode(accepted(receipt))
}

// envelope reads sender and recipients of the query.
func envelope(q url.Values) (ingest.Submission, error) {
	var s ingest.Submission
	d := &decoder{place: "query/"}
	for name := range q {
		if name != "recipient" && name != "sender" {
			d.refuse(cut(name, 60), fault.Field("", "field_unknown", "There is no such parameter."))
		}
	}
	if len(q["sender"]) > 1 {
		d.refuse("sender", fault.Field("", "field_length", "There is one sender."))
	} else if text := q.Get("sender"); text != "" {
		sender, err := message.ParseAddress(text)
		if err != nil {
			d.refuse("sender", err)
		}
		s.Sender = &sender
	}
	for i, text := range q["recipient"] {
		address, err := message.ParseAddress(text)
		if err != nil {
			d.refuse(fmt.Sprintf("recipient/%d", i), err)
		}
		s.Recipients = append(s.Recipients, address)
	}
	return s, fault.Join(d.wrong)
}

func registerRaw(a *API, api huma.API, r Route) {
	op := r.operation(api)
	op.Parameters = []*huma.Param{{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}}
	op.Responses[strconv.Itoa(r.status)] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{
		"message/rfc822": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
	}}
	a.registerPlain(api, r, op, a.raw)
}

func (a *API) raw(w http.ResponseWriter, r *http.Request) error {
	m, err := id.Parse[message.Kind](r.PathValue("id"))
	if err != nil {
		return errNoMessage()
	}
	found, err := a.c.Messages.Message(r.Context(), keyOf(r.Context()).Tenant, m)
	if err != nil {
		return err
	}
	if found.Door == notice.Door {
		return fault.New(fault.Forbidden, "content_private", "The content of the platform's own letters is not shown.")
	}
	body, err := a.c.Bodies.Body(r.Context(), found.Body)
	if errors.Is(err, spool.ErrGone) {
		return newProblem(http.StatusGone, "content_gone", "The content was deleted at the end of its retention time, or erased.")
	}
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	w.Header().Set("Content-Type", "message/rfc822")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Content-Disposition", `attachment; filename="`+m.String()+`.eml"`)
	_, _ = w.Write(body) // the client is gone if this fails, and so is whom to tell
	return nil
}

func errNoMessage() error {
	return fault.New(fault.NotFound, "message_not_found", "There is no such message.")
}
