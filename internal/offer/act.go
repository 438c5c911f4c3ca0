package offer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// ActIDKind is the id.Kind of acts.
type ActIDKind struct{}

// Prefix implements id.Kind.
func (ActIDKind) Prefix() string { return "offa" }

// ActID names an act and carries its time.
type ActID = id.Of[ActIDKind]

// ActKind says what a recipient did.
type ActKind string

// The acts.
const (
	Confirmed ActKind = "confirmed" // the form about the withdrawal notice
	Withdrawn ActKind = "withdrawn" // withdrew from a contract
)

// Act is what a recipient did by a form: proof of the deed, not of who did it. It is kept
// whatever is tracked, and is not changed but for Receipt and handling.
type Act struct {
	ID        ActID
	Tenant    tenant.ID
	Offer     ID
	Recipient RecipientID
	Kind      ActKind
	Version   int // of the offer
	At        time.Time
	Detail    Detail
	// Answered is whether the receipt was handed over, or will never be for Reason.
	Answered  bool
	Receipt   message.ID
	Reason    string
	HandledAt time.Time // of a withdrawal: when somebody of the tenant dealt with it
	HandledBy string
}

// Detail is what an act says.
type Detail struct {
	Lang i18n.Lang `json:"lang"`
	// Network is where it came from, cut to a network.
	Network string `json:"network,omitempty"`
	// Wording and Notice are hashes of all that was confirmed, and of the withdrawal notice.
	Wording Hash     `json:"wording,omitzero"`
	Notice  Hash     `json:"notice,omitzero"`
	Boxes   []Ticked `json:"boxes,omitempty"`
	// Expose is the exposé that was to be had then.
	Expose Hash `json:"expose,omitzero"`
	// Of a withdrawal: who withdraws from what, in which words, and where the receipt goes.
	Name        string `json:"name,omitempty"`
	Contract    string `json:"contract,omitempty"`
	Email       string `json:"email,omitempty"`
	Declaration string `json:"declaration,omitempty"`
}

// Ticked is a box as it was left.
type Ticked struct {
	Box
	Ticked bool `json:"ticked"`
}

// Codes of refused acts.
const (
	CodeBoxNeeded = "offer_box_needed"
	CodeWording   = "offer_wording_changed"
	CodeActs      = "offer_acts_many"
	CodeNoForm    = "offer_no_form"
)

// maxActs bounds the acts of one recipient: each sends a mail.
const maxActs = 12

// Confirm keeps what was ticked and mails the wording at once. shown is the hash of the
// wording that stood on the page. Whoever confirmed this wording before gets that act.
// Refusals: Invalid CodeBoxNeeded at "box_<kind>"; Conflict CodeWording if there is
// another wording by now; Conflict CodeNoForm.
func (s *Service) Confirm(ctx context.Context, v Visit, shown string, ticked []BoxKind, lang i18n.Lang, from Asked) (Act, error) {
	l := v.Version.Content.Legal
	switch {
	case !v.Open() || !l.Asks():
		return Act{}, fault.New(fault.Conflict, CodeNoForm, "There is nothing to confirm.")
	case v.Confirmed != nil:
		return *v.Confirmed, nil
	case shown != l.Hash().String():
		return Act{}, fault.New(fault.Conflict, CodeWording, "The wording has changed. Please read it again.")
	}
	a := s.act(v, Confirmed, lang, from)
	a.Detail.Wording, a.Detail.Notice = l.Hash(), l.NoticeHash()
	if f, ok := v.Version.Content.ExposeFile(); ok {
		a.Detail.Expose = f.SHA256
	}
	var wrong []*fault.Error
	for _, b := range l.Boxes {
		on := slices.Contains(ticked, b.Kind)
		if b.Needed && !on {
			wrong = append(wrong, fault.Field("box_"+string(b.Kind), CodeBoxNeeded, "This box is needed."))
		}
		a.Detail.Boxes = append(a.Detail.Boxes, Ticked{b, on})
	}
	if err := fault.Join(wrong); err != nil {
		return Act{}, err
	}
	if err := s.c.Store.AddOfferAct(ctx, a, maxActs); err != nil {
		return Act{}, fmt.Errorf("keep confirmation: %w", err)
	}
	s.seen(ctx, v, hit{kind: tracking.WithdrawalNoticeConfirmed, version: a.Detail.Wording.String(), deed: true}, from)
	if slices.ContainsFunc(a.Detail.Boxes, func(b Ticked) bool { return b.Kind == BoxTerms && b.Ticked }) {
		s.seen(ctx, v, hit{kind: tracking.TermsConfirmed, version: a.Detail.Wording.String(), deed: true}, from)
	}
	return s.answer(ctx, v, a), nil
}

func (s *Service) act(v Visit, k ActKind, lang i18n.Lang, from Asked) Act {
	now := s.now()
	return Act{ID: id.New[ActIDKind](now), Tenant: v.Recipient.Tenant, Offer: v.Offer.ID, Recipient: v.Recipient.ID, Kind: k, Version: v.Version.Number, At: now,
		Detail: Detail{Lang: lang, Network: tenant.Network(from.Remote)}}
}

// Withdrawal is what somebody enters to withdraw from a contract (§ 356a BGB): nothing but
// who, from what, and where the receipt shall go.
type Withdrawal struct{ Name, Contract, Email string }

// Declare checks a withdrawal and returns the sentence it comes to. Refusals are Invalid
// with the fields "name", "contract" and "email".
func (s *Service) Declare(v Visit, w Withdrawal, lang i18n.Lang) (string, error) {
	k := &checker{}
	for _, f := range []struct{ name, text string }{{"name", w.Name}, {"contract", w.Contract}, {"email", w.Email}} {
		k.needed(f.name, f.text, 200)
	}
	if _, err := message.ParseAddress(strings.TrimSpace(w.Email)); err != nil && w.Email != "" {
		k.add("email", CodeAddress, "This is no e-mail address.")
	}
	if err := fault.Join(k.found); err != nil {
		return "", err
	}
	return s.voice(v.Tenant, lang, s.now()).say("offerpage.withdraw.declaration", i18n.Args{"name": w.Name, "contract": w.Contract}), nil
}

// Withdraw takes the withdrawal from a contract and mails the receipt at once. It can be
// had on every link as long as the offer is kept, also when that is over. Refusals are
// those of Declare, and Limited CodeActs.
func (s *Service) Withdraw(ctx context.Context, v Visit, w Withdrawal, lang i18n.Lang, from Asked) (Act, error) {
	text, err := s.Declare(v, w, lang)
	if err != nil {
		return Act{}, err
	}
	a := s.act(v, Withdrawn, lang, from)
	a.Detail.Name, a.Detail.Contract, a.Detail.Email, a.Detail.Declaration = w.Name, w.Contract, strings.TrimSpace(w.Email), text
	if err := s.c.Store.AddOfferAct(ctx, a, maxActs); err != nil {
		return Act{}, fmt.Errorf("keep withdrawal: %w", err)
	}
	s.seen(ctx, v, hit{kind: tracking.ContractWithdrawn, label: a.Detail.Contract, deed: true}, from)
	return s.answer(ctx, v, a), nil
}

// Acts lists what the recipients of an offer did, in order; of one of them if r is not
// zero.
func (s *Service) Acts(ctx context.Context, t tenant.ID, o ID, r RecipientID) ([]Act, error) {
	list, err := s.c.Store.OfferActs(ctx, t, o, r)
	if err != nil {
		return nil, fmt.Errorf("list proofs of offer: %w", err)
	}
	return list, nil
}

// Act returns one of a recipient; NotFound CodeUnknown.
func (s *Service) Act(ctx context.Context, r Recipient, a ActID) (Act, error) {
	list, err := s.Acts(ctx, r.Tenant, r.Offer, r.ID)
	if err != nil {
		return Act{}, err
	}
	one, ok := found(list, func(v Act) bool { return v.ID == a })
	if !ok {
		return Act{}, fault.New(fault.NotFound, CodeUnknown, "There is no such proof.")
	}
	return one, nil
}

// Handle notes that somebody dealt with a withdrawal.
func (s *Service) Handle(ctx context.Context, r Recipient, a ActID, actor string) error {
	one, err := s.Act(ctx, r, a)
	if err != nil || !one.HandledAt.IsZero() {
		return err
	}
	if one.Kind != Withdrawn {
		return fault.New(fault.NotFound, CodeUnknown, "There is no such withdrawal.")
	}
	one.HandledAt, one.HandledBy = s.now(), actor
	if err := s.c.Store.SettleOfferAct(ctx, one); err != nil {
		return fmt.Errorf("handle withdrawal: %w", err)
	}
	return nil
}

// line cuts foreign text to one line of some characters.
func line(s string, most int) string {
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) > most {
		return firstRunes(s, most-1) + "…"
	}
	return s
}

// maxWithdrawals bounds the withdrawals that are listed.
const maxWithdrawals = 500

// Withdrawals lists those of a tenant nobody has dealt with, the oldest first.
func (s *Service) Withdrawals(ctx context.Context, t tenant.ID) ([]Act, error) {
	list, err := s.c.Store.OfferWithdrawals(ctx, t, maxWithdrawals)
	if err != nil {
		return nil, fmt.Errorf("list withdrawals: %w", err)
	}
	return list, nil
}
