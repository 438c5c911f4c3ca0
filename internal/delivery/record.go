package delivery

import (
	"stafette/internal/smtp"
	"stafette/internal/tlspolicy"
	"stafette/internal/trace"
)

// record begins the record of what is said about the parcel.
func (c *connection) record(p *parcel) {
	if c.rec == nil {
		return
	}
	c.rec.Begin(trace.About{Tenant: p.Tenant, Delivery: p.Delivery, Number: p.Attempts + 1, Domain: p.Recipient.Domain,
		Site: c.lane.key.Site, Source: c.lane.key.Source}, p.said)
	p.said = trace.Earlier{}
}

// recorded ends the record and returns what of it is to be kept, sealed; nil if nothing.
func (c *connection) recorded(p *parcel, r report) []byte {
	if c.rec == nil {
		return nil
	}
	v := trace.Verdict{Outcome: r.decision.outcome, Class: string(r.finding.judgement.Class), Host: r.via.host, Words: r.words(),
		Straight: !r.again && r.note == "" && p.note == ""}
	if r.via.addr.IsValid() {
		v.Address = r.via.addr.String()
	}
	d := c.rec.End(v)
	if d == nil {
		return nil
	}
	sealed, err := c.e.cfg.Trace.Seal(d)
	if err != nil {
		c.e.cfg.Log.Warn("dialogue not kept", "delivery", p.Delivery.String(), "err", err)
	}
	return sealed
}

// forbidden is the finding about a session that a policy does not allow, recorded.
func (c *connection) forbidden(d *tlspolicy.Demand, to candidate, err error) finding {
	f := c.e.forbidden(d, c.source.IP, to, err)
	c.rec.Note(smtp.StageSTARTTLS, to.host+": "+f.words())
	return f
}
