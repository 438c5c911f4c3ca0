package messages

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strconv"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/web/frame"
)

// doSeparate is what the button says that sends each recipient a message of their own.
const doSeparate = "separate"

// separateOf is how many messages one form makes at most; lists belong into a campaign.
const separateOf = 100

// outcome is what became of one of the messages that a form was made into.
type outcome struct {
	to      string
	href    string // of the accepted message, "" if it was refused
	refused string // why
}

// separately makes of a submission one for each of its recipients, each of whom then stands
// alone in it. The same form sent twice makes the same messages.
func separately(s ingest.Submission, hash [32]byte) (to []message.Mailbox, list []ingest.Submission) {
	seen := map[string]bool{}
	for _, boxes := range [][]message.Mailbox{s.Draft.To, s.Draft.Cc, s.Bcc} {
		for _, box := range boxes {
			name := audience.Canonical(box.Address)
			if seen[name] {
				continue
			}
			seen[name] = true
			draft := *s.Draft
			draft.To, draft.Cc = []message.Mailbox{box}, nil
			one := s
			one.Draft, one.Bcc = &draft, nil
			one.Idempotency = s.Idempotency + "/" + strconv.Itoa(len(list))
			one.RequestHash = sha256.Sum256(append(hash[:], name...))
			to, list = append(to, box), append(list, one)
		}
	}
	return to, list
}

// sendSeparately accepts a message for each recipient and shows what became of each.
func (o *office) sendSeparately(w http.ResponseWriter, r *http.Request, p frame.Page, f letterForm, s ingest.Submission, hash [32]byte) error {
	to, list := separately(s, hash)
	if len(list) > separateOf {
		f.Add("", p.T("trk.split.limit", "n", separateOf))
		return o.compose(w, r, p, http.StatusUnprocessableEntity, f)
	}
	who := ingest.Principal{Tenant: p.Tenant(), Actor: p.Who.User.ID.String(), Door: "office"}
	var all []outcome
	accepted := 0
	for i, result := range o.Acceptor.AcceptAll(r.Context(), who, list) {
		one := outcome{to: addressText(to[i].Address)}
		switch e := fault.As(result.Err); {
		case result.Err == nil:
			one.href = "/messages/" + result.Receipt.ID.String()
			accepted++
		case e != nil:
			_, value := place(e.Field, list[i].Draft, nil)
			one.refused = p.FaultText(e, value)
		default:
			return fmt.Errorf("send separately: %w", result.Err)
		}
		all = append(all, one)
	}
	p.Room, p.Title = "compose", p.T("trk.split.title")
	status := http.StatusOK
	if accepted == 0 {
		status = http.StatusUnprocessableEntity
	}
	return p.Render(w, r, status, separatePage(p, all, accepted))
}
