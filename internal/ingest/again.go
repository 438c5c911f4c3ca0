package ingest

import (
	"fmt"
	"slices"
	"strings"

	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// againPrefix begins the tag of a message that repeats another one. Tags are indexed
// and belong to the tenant, so that the link can be followed both ways.
const againPrefix = "again:"

// Origin is a message that is to be sent once more.
type Origin struct {
	ID       message.ID
	Body     []byte // as it was accepted
	Stream   tenant.Stream
	Tags     []string
	Metadata map[string]string
}

// Again makes a submission of what Origin says, to other recipients: the same content
// under a Message-ID of its own, with the same tags and metadata, and linked to the
// origin (AgainTag, AgainOf). Errors are *fault.Error about a recipient at "to/N".
func Again(o Origin, to []message.Mailbox) (Submission, error) {
	raw, err := message.Again(o.Body, to)
	if err != nil {
		return Submission{}, fmt.Errorf("send again: %w", err)
	}
	tags := append([]string{AgainTag(o.ID)}, slices.DeleteFunc(slices.Clone(o.Tags), isOurTag)...)
	s := Submission{Raw: raw, Stream: o.Stream, Tags: tags[:min(len(tags), maxTags)], Metadata: o.Metadata}
	for _, box := range to {
		s.Recipients = append(s.Recipients, box.Address)
	}
	return s, nil
}

// AgainTag is the tag of the messages that repeat m.
func AgainTag(m message.ID) string { return againPrefix + m.String() }

// AgainTagOf is a further tag of the message by which a job repeats one delivery, so that
// the job finds it again. People do not see it, and AgainOf passes over it.
func AgainTagOf(job string, d message.DeliveryID) string {
	return againPrefix + d.String() + "/" + job
}

// AgainOf finds in a message's tags which one it repeats; the tag may also name the one
// delivery of it that was repeated. What it names need not exist: a client can write any.
func AgainOf(tags []string) (message.ID, bool) {
	for _, tag := range tags {
		name, ok := strings.CutPrefix(tag, againPrefix)
		if !ok {
			continue
		}
		if m, err := id.Parse[message.Kind](name); err == nil {
			return m, true
		}
		if d, err := id.Parse[message.DeliveryKind](name); err == nil {
			return message.Of(d), true
		}
	}
	return message.ID{}, false
}

// OwnTags are the tags without the link of AgainTag and the source of a test, for people
// to read.
func OwnTags(tags []string) []string {
	return slices.DeleteFunc(slices.Clone(tags), isOurTag)
}

// isOurTag reports whether the tag says something of this one message that is not true
// of its copies.
func isOurTag(tag string) bool {
	return strings.HasPrefix(tag, againPrefix) || strings.HasPrefix(tag, queue.SourceTag) || strings.HasPrefix(tag, queue.GroupTag) || strings.HasPrefix(tag, queue.CampaignTag)
}
