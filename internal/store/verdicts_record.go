package store

import (
	"encoding/binary"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// verdictVersion is the version of the form of notes of verdicts.
const verdictVersion = 1

// appendVerdict adds the note of a settlement that may be noted (queue.Settlement.Notable),
// without its number.
func appendVerdict(b []byte, v *queue.Settlement) []byte {
	from := len(b)
	b = beginNote(b, verdictVersion)
	b = append(b, v.Tenant[:]...)
	b = append(b, v.Delivery[:]...)
	b = binary.AppendVarint(b, int64(v.Epoch))
	b = binary.AppendVarint(b, int64(v.Attempts))
	b = appendTime(b, v.ReadyAt)
	b = appendTime(b, v.Report.DueAt)
	for _, text := range []string{string(v.State), v.Host, string(v.Stream), v.Group, string(v.Report.Action)} {
		b = appendText(b, text)
	}
	b = appendText(b, v.Dialogue)
	return endNote(appendFact(b, &v.Event), from)
}

// appendFact adds an event of an attempt.
func appendFact(b []byte, e *event.Event) []byte {
	b = append(b, e.ID[:]...)
	b = append(b, e.Message[:]...)
	b = append(b, e.Delivery[:]...)
	b = appendTime(b, e.At)
	for _, text := range []string{string(e.Type), e.Actor, e.Reason, e.Note} {
		b = appendText(b, text)
	}
	a := e.Attempt
	for _, n := range []int64{int64(a.Number), int64(a.Code), int64(a.Took)} {
		b = binary.AppendVarint(b, n)
	}
	b = appendTime(b, a.NextAt)
	for _, text := range []string{a.Source, a.EHLO, a.MX, a.Address, a.TLS, a.Cipher, a.Stage, a.Enhanced, a.Reply, a.Local,
		string(a.Outcome), a.Class, a.Scope, a.TLSPolicy, a.TLSResult} {
		b = appendText(b, text)
	}
	return b
}

// appendTime adds a time to the millisecond, as rows keep it; 0 is the zero time.
func appendTime(b []byte, at time.Time) []byte {
	if at.IsZero() {
		return binary.AppendVarint(b, 0)
	}
	return binary.AppendVarint(b, at.UnixMilli())
}

// readVerdict reads a note of a verdict. The error is errNote.
func readVerdict(note []byte) (v queue.Settlement, err error) {
	r := readerOf(note, verdictVersion)
	r.raw(v.Tenant[:])
	r.raw(v.Delivery[:])
	v.Epoch, v.Attempts = queue.Epoch(r.number()), int(r.number())
	v.ReadyAt, v.Report.DueAt = r.time(), r.time()
	v.State, v.Host, v.Stream, v.Group = event.State(r.text()), r.text(), tenant.Stream(r.text()), r.text()
	v.Report.Action = bounce.Action(r.text())
	if said := r.text(); said != "" {
		v.Dialogue = []byte(said)
	}
	v.Event = r.fact()
	return v, r.end()
}

func (r *noteReader) fact() (e event.Event) {
	r.raw(e.ID[:])
	r.raw(e.Message[:])
	r.raw(e.Delivery[:])
	e.At = r.time()
	e.Type, e.Actor, e.Reason, e.Note = event.Type(r.text()), r.text(), r.text(), r.text()
	a := &event.Attempt{Number: int(r.number()), Code: int(r.number()), Took: time.Duration(r.number()), NextAt: r.time()}
	var outcome string
	for _, to := range []*string{&a.Source, &a.EHLO, &a.MX, &a.Address, &a.TLS, &a.Cipher, &a.Stage, &a.Enhanced, &a.Reply, &a.Local,
		&outcome, &a.Class, &a.Scope, &a.TLSPolicy, &a.TLSResult} {
		*to = r.text()
	}
	a.Outcome, e.Attempt = event.Outcome(outcome), a
	return e
}

func (r *noteReader) time() time.Time {
	if ms := r.number(); ms != 0 {
		return time.UnixMilli(ms).UTC()
	}
	return time.Time{}
}
