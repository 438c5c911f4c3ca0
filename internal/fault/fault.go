// Package fault is the vocabulary of refusals: what a caller did or met, in terms
// every door can translate. Rooms return *Error for the cases a caller can act
// upon; everything else is an ordinary wrapped error, which doors answer with
// generic text while the log keeps the cause.
//
// Each door has exactly one table from Kind to its own words (HTTP status and
// problem type, SMTP reply, page). No text of an underlying error reaches a peer.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says whose turn it is and how; doors translate it to a status.
type Kind string

// The kinds of refusal.
const (
	Invalid         Kind = "invalid"         // the input is wrong; repeating it will not help
	Unauthenticated Kind = "unauthenticated" // no or wrong credentials
	Forbidden       Kind = "forbidden"       // known, but not allowed
	NotFound        Kind = "not_found"       // does not exist, or belongs to another tenant
	Conflict        Kind = "conflict"        // clashes with what is there
	TooLarge        Kind = "too_large"       // over a size or count limit
	Limited         Kind = "limited"         // a rate or quota is spent; see RetryAfter
	Unavailable     Kind = "unavailable"     // our side cannot now (disk full, database down); nothing was accepted
)

// Error is one refusal.
type Error struct {
	Kind Kind
	// Code is the stable machine-readable reason, snake_case, for example
	// "from_domain_unknown"; it is the problem type and the catalogue key "fault.<code>".
	Code string
	// Field names the input at fault as the caller wrote it, as a JSON pointer
	// without the leading slash ("to/2", "attachments/0/filename"); "" if none.
	Field string
	// Detail is one English sentence for developers. It never holds secrets or
	// text of underlying errors; input it quotes is shortened and escaped.
	Detail string
	// RetryAfter is meant for Limited and Unavailable; zero means unknown.
	RetryAfter time.Duration
	// Also lists further refusals found in the same input, in order.
	Also []*Error
	// Err is the cause, for the log only.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Code)
	if e.Field != "" {
		fmt.Fprintf(&b, " (%s)", e.Field)
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes a refusal without a field.
func New(kind Kind, code, detail string) *Error {
	return &Error{Kind: kind, Code: code, Detail: detail}
}

// Field makes an Invalid refusal of one input field.
func Field(field, code, detail string) *Error {
	return &Error{Kind: Invalid, Code: code, Field: field, Detail: detail}
}

// Join makes one refusal of many: the first carries the rest in Also. It returns
// nil for an empty list, so that a validator can end with it.
func Join(list []*Error) error {
	if len(list) == 0 {
		return nil
	}
	first := *list[0]
	first.Also = append(append([]*Error(nil), first.Also...), list[1:]...)
	return &first
}

// As returns the *Error in err's chain, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// IsKind reports whether err is a refusal of that kind.
func IsKind(err error, kind Kind) bool {
	e := As(err)
	return e != nil && e.Kind == kind
}

// Quote shortens foreign input to 60 characters for use in a Detail, with every
// control character escaped.
func Quote(s string) string {
	r := []rune(s)
	if len(r) > 60 {
		r = append(r[:59], '…')
	}
	return fmt.Sprintf("%q", string(r))
}
