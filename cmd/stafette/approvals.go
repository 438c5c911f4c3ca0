package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/egress"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/pause"
	"stafette/internal/queue"
	"stafette/internal/store"
	"stafette/internal/tenant"
)

const (
	// approvalsEvery is how often findings are gathered and mail is let go that was not at
	// once.
	approvalsEvery = 30 * time.Second
	// approvalsKept is for how long the case of a deleted group is kept: as long as consent
	// may have to be shown.
	approvalsKept = 3 * 365 * 24 * time.Hour
	// maxFormAddrs bounds the addresses that are tried for the page with a form.
	maxFormAddrs = 4
)

// openApprovals makes the room of approvals, its gate and its watch.
func (b *base) openApprovals() error {
	calendar, err := b.config.Approval.calendar()
	if err != nil {
		return err
	}
	b.approvals, err = approval.New(approval.Config{
		Store: b.store, Groups: b.store, Keeper: b.keeper, Calendar: calendar,
		Rules:   approval.Rules{Growth: b.config.Approval.Growth, FourEyes: b.config.Approval.FourEyes},
		Related: b.related, Decided: func(t tenant.ID) { b.gate.Forget(t) }, Now: b.store.Now, Log: b.log,
		Tell: func(ctx context.Context, told approval.Told) error {
			if b.tellApproval == nil {
				return nil
			}
			return b.tellApproval(ctx, told)
		},
	})
	if err != nil {
		return err
	}
	b.openLimits()
	b.gate = approval.NewGate(b.approvals, 0)
	b.watch = approval.NewWatch(approval.WatchConfig{Service: b.approvals, Gate: b.gate, Hash: b.hash, Most: b.config.Approval.Pattern, Hold: b.config.Approval.HoldPattern})
	return nil
}

// heldToApproval holds a group that grew against what was approved, so that whoever
// imported finds at once what has become of the approval.
func (b *base) heldToApproval(ctx context.Context, t tenant.ID, g audience.GroupID) error {
	_, err := b.approvals.OfGroups(ctx, t, []audience.GroupID{g})
	return err
}

// related reports whether somebody works for an account, or has an address of a domain it
// sends from.
func (b *base) related(ctx context.Context, email string, t tenant.ID) (bool, error) {
	users, err := b.store.Users(ctx, t)
	if err != nil {
		return false, err
	}
	for _, u := range users {
		if strings.EqualFold(u.Email, email) {
			return true, nil
		}
	}
	domains, err := b.store.Domains(ctx, t)
	_, host, _ := strings.Cut(strings.ToLower(email), "@")
	for _, d := range domains {
		if host == d.Name || strings.HasSuffix(host, "."+d.Name) {
			return true, nil
		}
	}
	return false, err
}

// waits asks at the moment of sending whether the approval still stands.
func (b *base) waits(ctx context.Context, e queue.Entry) (string, error) {
	var group audience.GroupID
	if text := e.Group(); text != "" {
		var err error
		if group, err = id.Parse[audience.GroupKind](text); err != nil {
			return approval.ReasonHeld, nil //nolint:nilerr // the platform wrote it; what it did not write may not go
		}
	}
	if locked, err := b.states.locked(ctx, e.Tenant); locked || err != nil {
		return tenant.ReasonLocked, err
	}
	if !group.IsZero() {
		if paused, err := b.pauses.Holds(ctx, e.Tenant, group); paused || err != nil {
			return pause.ReasonHeld, err
		}
	}
	return b.gate.Held(ctx, e.Tenant, e.Stream, group, e.Recipient, e.AcceptedAt)
}

// newExaminer makes what gathers findings about groups in review.
func (p *platform) newExaminer(validator *audience.Validator) (*approval.Examiner, error) {
	limits, err := audience.DefaultLimits()
	if err != nil {
		return nil, err
	}
	return approval.NewExaminer(approval.ExaminerConfig{
		Service: p.approvals, Validator: validator, Pages: p.formPages(), Consents: confirmed{p.audience, p.store},
		History: func(ctx context.Context, t tenant.ID, since time.Time) (audience.Tally, error) {
			return p.store.Tally(ctx, t, audience.Span{Streams: limits.Streams, Classes: limits.Hard.Classes, Accepted: since})
		},
	}), nil
}

// confirmed knows what people confirmed.
type confirmed struct {
	*audience.Service
	store *store.Store
}

// Confirmed implements approval.Consents.
func (c confirmed) Confirmed(ctx context.Context, t tenant.ID, list []audience.Hash) (int, error) {
	return c.store.Confirmed(ctx, t, list)
}

// formPages looks at pages with forms: names are resolved by our own resolver, and only
// public addresses are connected to, whatever a name or a redirection leads to.
func (p *platform) formPages() *approval.Pages {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		if !p.formPort(uint16(number)) {
			return nil, &egress.RefusedError{Why: "port"}
		}
		addrs, err := p.resolver.Addrs(ctx, host)
		if err != nil {
			return nil, err
		}
		err = &egress.RefusedError{Why: "no address"}
		connect := p.guard.Web(uint16(number)).Dialer(egress.Source{}, false)
		for _, a := range addrs[:min(len(addrs), maxFormAddrs)] {
			var conn net.Conn
			if conn, err = connect(ctx, network, netip.AddrPortFrom(a, uint16(number)).String()); err == nil {
				return conn, nil
			}
		}
		return nil, err
	}
	return &approval.Pages{
		Client: &http.Client{
			Transport: &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: approval.PageTime,
				MaxResponseHeaderBytes: 16 << 10, DisableKeepAlives: true, DisableCompression: true},
			Timeout:       approval.PageTime,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Refused: func(err error) bool {
			var refused *egress.RefusedError
			return errors.As(err, &refused)
		},
	}
}

// formPort reports whether a web server may be asked on a port. In the demo world, which is
// loopback alone, they stand anywhere.
func (p *platform) formPort(port uint16) bool {
	return port == 80 || port == 443 || p.config.Egress.LoopbackOnly
}

// moveApprovals gathers findings and lets mail go that waited for an approval.
func (p *platform) moveApprovals(ctx context.Context, _ time.Time) error {
	_, err := p.examiner.Turn(ctx)
	return errors.Join(err, p.approvals.Resume(ctx))
}

// hash stands for an address of a tenant.
func (b *base) hash(t tenant.ID, a message.Address) audience.Hash { return b.audience.Hash(t, a) }

// dropApprovals removes what is kept about groups that are gone, and of mail that looked alike.
func (p *platform) dropApprovals(ctx context.Context, now time.Time) error {
	_, err := p.store.DropApprovals(ctx, now.Add(-approvalsKept), 500)
	return errors.Join(err, p.store.DropPatterns(ctx, now.Add(-2*approval.PatternWindow)))
}

// approvalTeller writes to the owners of an account, and to whoever does its office work.
type approvalTeller struct {
	store interface {
		Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
		Users(ctx context.Context, t tenant.ID) ([]tenant.User, error)
	}
	notices interface {
		On() bool
		Send(ctx context.Context, l notice.Letter) error
	}
	zone   *time.Location
	growth int
}

func (h *approvalTeller) tell(ctx context.Context, told approval.Told) error {
	if !h.notices.On() {
		return nil
	}
	t, err := h.store.Tenant(ctx, told.Case.Tenant)
	if err != nil {
		return err
	}
	users, err := h.store.Users(ctx, told.Case.Tenant)
	if err != nil {
		return err
	}
	var errs []error
	for _, u := range users {
		if !u.DisabledAt.IsZero() || u.Role != tenant.Owner && u.Role != tenant.Office {
			continue
		}
		to, err := message.ParseAddress(u.Email)
		if err == nil {
			err = h.notices.Send(ctx, h.letter(t, u, to, told))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("write to %s: %w", u.ID, err))
		}
	}
	return errors.Join(errs...)
}

func (h *approvalTeller) letter(t tenant.Tenant, u tenant.User, to message.Address, told approval.Told) notice.Letter {
	lang := i18n.Lang(u.Locale)
	if !lang.Valid() {
		lang = i18n.Lang(t.Locale)
	}
	l := notice.Letter{
		Tenant: t.ID, To: to, Lang: lang, Formal: t.OfficeTone != tenant.Du, Kind: "approval_" + string(told.Act),
		Args: map[string]string{
			"name": u.Name, "group": told.Group.Name, "n": i18n.Number(lang, told.Group.Members), "case": told.Case.ID.String(),
			"limit": i18n.Number(lang, told.Case.Content.Members*int64(h.growth)/100),
		},
		Link: approval.Path(told.Case.Group), Key: "approval/" + told.Entry.String() + "/" + u.ID.String(),
	}
	if !told.Case.Due.IsZero() {
		l.Args["due"] = (i18n.Clock{Lang: lang, Zone: t.Zone(h.zone), Now: told.Case.Since}).Full(told.Case.Due)
	}
	switch told.Act {
	case approval.AskAct, approval.Approve, approval.Reject:
		// A paragraph of a letter is shorter than a reason may be; the rest stands in the account.
		for line := range strings.SplitSeq(told.Case.Last, "\n") {
			if line = strings.TrimSpace(line); line != "" && len(l.More) < 12 {
				l.More = append(l.More, line)
			}
		}
	}
	return l
}
