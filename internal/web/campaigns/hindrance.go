package campaigns

import (
	"strconv"
	"strings"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/web/frame"
)

// hindrance is what keeps a draft from being sent, with the page where that can be changed
// ("" for the draft's own form).
type hindrance struct {
	text, href string
}

// hindranceOf tells of a refusal: of a group that is not approved by its name, with the way
// to its approval.
func (s sheet) hindranceOf(p frame.Page, f *fault.Error, text string) hindrance {
	field, index, _ := strings.Cut(f.Field, "/")
	n, err := strconv.Atoi(index)
	if f.Code != campaign.CodeNotApproved || field != "group_ids" || err != nil || n < 0 || n >= len(s.Groups) {
		return hindrance{text: text}
	}
	g := s.Groups[n]
	text = "groupmail.unapproved"
	if s.states[g].State == audience.ApprovalRejected {
		text = "groupmail.rejected"
	}
	return hindrance{p.T(text, "name", s.names[g]), approval.Path(g)}
}
