package ingest

import (
	"context"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Limits of what a client may attach to a message for its own use.
const (
	maxTags           = 20
	maxTagBytes       = 100
	maxMetadata       = 50
	maxMetadataKey    = 100
	maxMetadataValue  = 500
	maxIdempotencyKey = 256
)

const optionPrefix = "x-stafette-"

func isOption(name string) bool {
	return len(name) >= len(optionPrefix) && strings.EqualFold(name[:len(optionPrefix)], optionPrefix)
}

// readOptions fills the submission from the X-Stafette-* fields of raw mail:
// Stream, Group, Tag (may repeat), Metadata-<key> (the key in lower case), Send-At
// (RFC 3339), Tracking (a level), Idempotency-Key. A field overrides what the door said, because it is
// closer to the message. Any other X-Stafette field is refused: a misspelt option
// must not be ignored.
func readOptions(fields []message.Field, s *Submission) error {
	s.Tags, s.Metadata = slices.Clone(s.Tags), maps.Clone(s.Metadata)
	var wrong []*fault.Error
	seen := map[string]bool{}
	for _, f := range fields {
		// The code of an earlier sending comes with mail that is sent once more.
		if !isOption(f.Name) || strings.EqualFold(f.Name, codeField) {
			continue
		}
		name := strings.ToLower(f.Name[len(optionPrefix):])
		if seen[name] && name != "tag" {
			wrong = append(wrong, fault.Field("headers/"+f.Name, CodeOptionRepeated, "The field may stand there once."))
			continue
		}
		seen[name] = true
		if e := readOption(name, decoded(f.Value), s); e != nil {
			e.Field = "headers/" + f.Name
			wrong = append(wrong, e)
		}
	}
	return fault.Join(wrong)
}

func readOption(name, value string, s *Submission) *fault.Error {
	key, isMetadata := strings.CutPrefix(name, "metadata-")
	switch {
	case isMetadata:
		if s.Metadata == nil {
			s.Metadata = map[string]string{}
		}
		s.Metadata[key] = value
	case name == "stream":
		s.Stream = tenant.Stream(value)
	case name == "group":
		g, err := id.Parse[audience.GroupKind](value)
		if err != nil {
			return fault.Field("", CodeOptionMalformed, "The value is not the identifier of a group.")
		}
		s.Group = g
	case name == "tag":
		s.Tags = append(s.Tags, value)
	case name == "send-at":
		at, err := time.Parse(time.RFC3339, value)
		if err != nil {
			return fault.Field("", CodeOptionMalformed, "The time is not of the form 2026-11-22T08:00:00Z.")
		}
		s.SendAt = at
	case name == "tracking":
		l, err := tracking.ParseLevel(value)
		if err != nil || l == tracking.Unset {
			return fault.Field("", CodeOptionMalformed, "Tracking is one of none, aggregate, pseudonymous, individual.")
		}
		s.Tracking = l
	case name == "idempotency-key":
		s.Idempotency = value
	default:
		return fault.Field("", CodeOptionUnknown, "There is no such X-Stafette field.")
	}
	return nil
}

// decoded returns the text of a header value, encoded words (RFC 2047) resolved.
func decoded(value string) string {
	if text, err := new(mime.WordDecoder).DecodeHeader(value); err == nil {
		return text
	}
	return value
}

// checkOptions holds for every door what the request says besides the content.
func (s *Service) checkOptions(_ context.Context, w *parcel) error {
	if w.Stream == "" {
		w.Stream = tenant.Transactional
	}
	var wrong []*fault.Error
	refuse := func(field, code, detail string) { wrong = append(wrong, fault.Field(field, code, detail)) }
	if !w.Stream.Valid() {
		refuse("stream", CodeStreamUnknown, "There is no such stream.")
	}
	if w.SendAt.After(w.now.Add(MaxAhead)) {
		refuse("send_at", CodeSendAtTooFar, "A message can be planned at most 30 days ahead.")
	}
	if w.Idempotency != "" && (utf8.RuneCountInString(w.Idempotency) > maxIdempotencyKey || !plain(w.Idempotency)) {
		refuse("idempotency_key", CodeIdempotencyMalformed, "An idempotency key has at most 256 characters on one line.")
	}
	wrong = append(wrong, checkTags(w.Tags)...)
	if w.Source != "" {
		w.Tags = append(slices.Clip(w.Tags), queue.SourceTag+w.Source)
	}
	if !w.Group.IsZero() {
		w.Tags = append(slices.Clip(w.Tags), queue.GroupTag+w.Group.String())
	}
	if w.Letter != nil {
		w.Tags = append([]string{queue.CampaignTag + w.Letter.Form}, w.Tags...)
	}
	wrong = append(wrong, checkMetadata(w.Metadata)...)
	if err := fault.Join(wrong); err != nil {
		return err
	}
	w.m.Stream, w.m.Tags, w.m.Metadata = w.Stream, w.Tags, w.Metadata
	start := w.now
	if w.SendAt.After(w.now) {
		start = w.SendAt.UTC().Truncate(time.Millisecond)
		w.m.SendAt = start
	}
	expiry := s.c.Expiry[w.Stream]
	if expiry == 0 {
		expiry = DefaultExpiry
	}
	w.m.ExpiresAt = start.Add(expiry)
	return nil
}

func checkTags(tags []string) (wrong []*fault.Error) {
	if len(tags) > maxTags {
		return []*fault.Error{fault.Field("tags", CodeTagsTooMany, fmt.Sprintf("A message has at most %d tags.", maxTags))}
	}
	for i, t := range tags {
		if t == "" || len(t) > maxTagBytes || !plain(t) || reserved(t) {
			wrong = append(wrong, fault.Field(fmt.Sprintf("tags/%d", i), CodeTagMalformed,
				fmt.Sprintf("A tag has 1 to %d bytes on one line.", maxTagBytes)))
		}
	}
	return wrong
}

// reserved reports whether a tag says what clients cannot say.
func reserved(tag string) bool {
	return strings.HasPrefix(tag, queue.SourceTag) || strings.HasPrefix(tag, queue.GroupTag) || strings.HasPrefix(tag, queue.CampaignTag)
}

func checkMetadata(metadata map[string]string) (wrong []*fault.Error) {
	if len(metadata) > maxMetadata {
		return []*fault.Error{fault.Field("metadata", CodeMetadataTooMany, fmt.Sprintf("A message has at most %d metadata keys.", maxMetadata))}
	}
	for k, v := range metadata {
		if !metadataKey(k) || len(v) > maxMetadataValue || !plain(v) {
			wrong = append(wrong, fault.Field("metadata/"+pointerText(k), CodeMetadataMalformed,
				fmt.Sprintf("A key has 1 to %d of the characters A-Z a-z 0-9 _ . -, a value at most %d bytes on one line.", maxMetadataKey, maxMetadataValue)))
		}
	}
	return wrong
}

func metadataKey(k string) bool {
	return k != "" && len(k) <= maxMetadataKey && strings.IndexFunc(k, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '.' && r != '-'
	}) < 0
}

// pointerText makes a foreign key fit for a JSON pointer (RFC 6901) of bounded length.
func pointerText(k string) string {
	k = strings.ToValidUTF8(k[:min(len(k), maxMetadataKey)], "")
	k = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, k)
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(k)
}

// plain reports whether s is valid text on one line.
func plain(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	}) < 0
}
