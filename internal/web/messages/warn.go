package messages

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"stafette/internal/audience"
	"stafette/internal/message"
	"stafette/internal/web/frame"
)

// warnedOf is how many recipients are looked at before a message is sent; lists belong
// into a campaign.
const warnedOf = 20

// warn notes what speaks against recipients at their fields, once: who sends the same
// recipients again has read it. What cannot be found out stops nothing.
func (o *office) warn(ctx context.Context, p frame.Page, f *letterForm, d *message.Draft, bcc []message.Mailbox) {
	sum := sha256.Sum256([]byte(f.to + "\x00" + f.cc + "\x00" + f.bcc + "\x00" + string(f.stream)))
	now := hex.EncodeToString(sum[:8])
	if o.Addresses == nil || f.seen == now || len(d.To)+len(d.Cc)+len(bcc) > warnedOf {
		return
	}
	for _, list := range []struct {
		field string
		boxes []message.Mailbox
	}{{"to", d.To}, {"cc", d.Cc}, {"bcc", bcc}} {
		for _, box := range list.boxes {
			v, err := o.Addresses.Validate(ctx, p.Tenant(), f.stream, box.Address.String())
			if err != nil {
				o.Log.WarnContext(ctx, "recipient not looked at", "tenant", p.Tenant().String(), "err", err)
				continue
			}
			if text := warning(p, box.Address, v); text != "" {
				f.Add(list.field, text)
			}
		}
	}
	if !f.Valid() {
		f.seen = now
		f.Add("", p.T("compose.warn.again"))
	}
}

// warning is what a writer should know of a recipient, "" if nothing. A role or a
// suppression is no slip: people write to offices on purpose, and what is suppressed is
// held back and told anyway.
func warning(p frame.Page, a message.Address, v audience.Verdict) string {
	for _, f := range v.Findings {
		switch f.Code {
		case audience.FindNoDomain, audience.FindNoMail, audience.FindNoHost, audience.FindTypo, audience.FindDisposable:
			if v.Suggestion != "" {
				return p.T("compose.warn.meant", "address", addressText(a), "text", p.T("address."+f.Code), "meant", v.Suggestion)
			}
			return p.T("compose.warn", "address", addressText(a), "text", p.T("address."+f.Code))
		}
	}
	return ""
}
