package spool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrUnmergeable: the record of a form letter cannot be made into a mail, now or later: its
// form is gone, or what is known of this recipient breaks it.
var ErrUnmergeable = errors.New("form letter cannot be merged")

// Record is what is kept in place of the body of a mail that many get in their own words:
// which form it is made of, and what of its recipient goes in. It is sealed and erased as
// every body is, and is a few hundred bytes where the mail is many thousand.
type Record struct {
	Form   string          `json:"form"`            // identifier of the form letter
	Date   time.Time       `json:"date"`            // of acceptance, and of the Date field
	Domain string          `json:"domain"`          // that signs, and stands in the Message-ID
	To     string          `json:"to"`              // the To field
	Level  string          `json:"level,omitempty"` // how much the mail tells of its recipient, as decided at acceptance; "": nothing
	Data   json.RawMessage `json:"data,omitempty"`  // of the recipient: an object, see WriteData
}

// recordMark begins a Record; no mail begins with a zero byte (RFC 5322, 3.6).
const recordMark = "\x00stafette form letter 1\n"

// Merger makes mails of Records. The same Record gives the same bytes for as long as it is
// kept. Errors: ErrUnmergeable; any other may pass.
type Merger interface {
	Merge(ctx context.Context, h Handle, r Record) ([]byte, error)
}

// Bytes is the record as it is sealed.
func (r Record) Bytes() ([]byte, error) {
	if text, ok := appendRecordText(append(make([]byte, 0, 768), recordMark...), &r); ok {
		return text, nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write record: %w", err)
	}
	return append([]byte(recordMark), text...), nil
}

// readRecord reads what Bytes wrote; ok is false for what is a mail already.
func readRecord(body []byte) (r Record, ok bool, err error) {
	text, ok := bytes.CutPrefix(body, []byte(recordMark))
	if !ok {
		return r, false, nil
	}
	if r, ok = readRecordText(string(text)); ok {
		return r, true, nil
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, true, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return r, true, nil
}

// Merging returns a Spool that makes mails of Records with m.
func (s *Spool) Merging(m Merger) *Spool {
	return &Spool{archive: s.archive, keeper: s.keeper, merger: m}
}

// merged is the mail that an opened body stands for.
func (s *Spool) merged(ctx context.Context, h Handle, body []byte, silent bool) ([]byte, error) {
	r, ok, err := readRecord(body)
	if !ok {
		return body, nil
	}
	if silent {
		r.Level = ""
	}
	if err == nil && s.merger == nil {
		err = ErrUnmergeable
	}
	if err == nil {
		body, err = s.merger.Merge(ctx, h, r)
	}
	if err != nil {
		return nil, fmt.Errorf("body of %s: %w", h.Message, err)
	}
	return body, nil
}
