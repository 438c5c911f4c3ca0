package webtest

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/returns"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/returnmail"
)

// returnBox stands in for the archive of return mail.
type returnBox struct {
	mails   []returns.Mail // from new to old
	tenants []tenant.Tenant
}

// returnsSubject is return mail as staff of the platform see it.
func returnsSubject() Subject {
	return Subject{
		Wire: func(w *World, c *web.Config) {
			box := newReturnBox(w)
			c.Returns = returnmail.Config{Archive: box, Content: box, Tenants: box}
		},
		Own: func(w *World) map[string]string {
			return map[string]string{"/platform/returns/{id}": "/platform/returns/" + newReturnBox(w).mails[0].ID.String()}
		},
	}
}

// newReturnBox is the same for the same world.
func newReturnBox(w *World) *returnBox {
	found, _ := w.Messages(context.Background(), w.Tenant.ID, insight.Filter{Mark: event.MarkLateBounce})
	at := w.Tenant.ID.Time()
	b := &returnBox{tenants: []tenant.Tenant{w.Tenant, w.Other}}
	add := func(n byte, m returns.Mail) {
		m.ID = id.Lowest[returns.Kind](at.Add(-time.Duration(n) * time.Hour))
		m.ID[15] = n
		m.ReceivedAt, m.Size, m.HELO, m.Peer = m.ID.Time(), 4300, "mx00.gmx.example", netip.MustParseAddr("198.51.100.7")
		if n != 4 {
			m.Salt = seal.Salt{1}
		}
		b.mails = append(b.mails, m)
	}
	var d message.DeliveryID
	if len(found.Messages) > 0 {
		d = found.Messages[0].Deliveries[0].ID
	}
	verp := message.Address{Local: "b+aqaaaaaa.bbbb", Domain: "rueck.stafette.example"}
	add(0, returns.Mail{Purpose: returns.ForDelivery, Recipient: verp, State: returns.Matched, Tenant: w.Tenant.ID, Verdict: returns.Verdict{
		Kind: bounce.KindDSN, Account: w.Tenant.ID, Delivery: d, Author: "Mail Delivery System <MAILER-DAEMON@mx00.gmx.example>",
		Subject: "<script>alert(1)</script> Undelivered Mail Returned to Sender", Auth: returns.Auth{SPF: "pass", DKIM: "none", DMARC: "none"}}})
	add(1, returns.Mail{Purpose: returns.ForReports, Recipient: message.Address{Local: "fbl", Domain: "rueck.stafette.example"}, Sender: "fbl@provider.example",
		State: returns.Unmatched, Verdict: returns.Verdict{Kind: bounce.KindComplaint, Why: returns.WhyNoProof, Author: "=fbl@provider.example",
			Auth: returns.Auth{SPF: "fail", DKIM: "fail", DMARC: "fail"}}})
	add(2, returns.Mail{Purpose: returns.ForPostmaster, Recipient: message.Address{Local: "postmaster", Domain: "rueck.stafette.example"}, State: returns.Pending})
	add(3, returns.Mail{Purpose: returns.ForDelivery, Recipient: verp, Sender: "eva@gmx.example", State: returns.Matched, Tenant: w.Tenant.ID,
		Verdict: returns.Verdict{Kind: bounce.KindAutoReply, Account: w.Tenant.ID, Delivery: d, Subject: "Abwesend", Author: "Eva <eva@gmx.example>"}})
	add(4, returns.Mail{Purpose: returns.ForUnsubscribe, Recipient: verp, Sender: "eva@gmx.example", State: returns.Matched, Tenant: w.Tenant.ID,
		Verdict: returns.Verdict{Kind: bounce.KindUnknown, Account: w.Tenant.ID, Delivery: d}})
	return b
}

// Returns implements returns.Archive.
func (b *returnBox) Returns(_ context.Context, l returns.Listing) ([]returns.Mail, bool, error) {
	return keep(b.mails, func(m returns.Mail) bool {
		return (l.State == "" || m.State == l.State) && (l.Kind == "" || m.Kind == l.Kind) &&
			(l.After.IsZero() || slices.Compare(m.ID[:], l.After[:]) < 0)
	}), false, nil
}

// Return implements returns.Archive.
func (b *returnBox) Return(_ context.Context, r returns.ID) (returns.Mail, error) {
	for _, m := range b.mails {
		if m.ID == r {
			return m, nil
		}
	}
	return returns.Mail{}, fault.New(fault.NotFound, "return_not_found", "")
}

// Raw implements returnmail.Content.
func (b *returnBox) Raw(context.Context, returns.Mail) ([]byte, error) {
	return []byte("Received: from mx00.gmx.example\r\nSubject: x\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script><img src=x onerror=alert(2)>\xff\r\n"), nil
}

// Tenant implements returnmail.Tenants.
func (b *returnBox) Tenant(_ context.Context, t tenant.ID) (tenant.Tenant, error) {
	for _, one := range b.tenants {
		if one.ID == t {
			return one, nil
		}
	}
	return tenant.Tenant{}, fault.New(fault.NotFound, "tenant_not_found", "")
}
