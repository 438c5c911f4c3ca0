package campaign

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/stationery"
	"stafette/internal/tenant"
)

// ReviewKind is the id.Kind of reviews.
type ReviewKind struct{}

// Prefix implements id.Kind.
func (ReviewKind) Prefix() string { return "rev" }

// ReviewID names a review.
type ReviewID = id.Of[ReviewKind]

// ReviewState is what came of asking somebody to look at a mailing.
type ReviewState string

// The states of a review; only an open one changes.
const (
	ReviewOpen      ReviewState = "open"
	ReviewApproved  ReviewState = "approved"
	ReviewDeclined  ReviewState = "declined"
	ReviewWithdrawn ReviewState = "withdrawn" // by who asked: nobody needs to answer
)

// Review is a colleague or a client asked whether a mailing may be sent. It is bound to the
// content of the moment: of what was changed since, an approval says nothing.
type Review struct {
	ID       ReviewID
	Tenant   tenant.ID
	Campaign ID
	Hash     [32]byte // of the content, see Print
	// Name is who is asked, in the words of who asks.
	Name  string
	Asked string // text of the user's identifier
	State ReviewState
	// By is who answered: a user's identifier, or the name that was given behind the link.
	By string
	// Linked: the answer came from behind the link.
	Linked     bool
	Note       string // of the answer
	AskedAt    time.Time
	ExpiresAt  time.Time // of the link
	AnsweredAt time.Time // zero while open
}

// ReviewPath is where the pages of reviews lie; the token follows.
const ReviewPath = "/mailing-freigabe/"

// reviewLife is how long the link of a review is good.
const reviewLife = 14 * 24 * time.Hour

// Limits of a review.
const (
	MaxReviews = 50 // of one campaign
	maxNote    = 2000
)

// Codes of refusals about reviews.
const (
	CodeReview        = "campaign_review_needed"  // Conflict: asked for and not given for this content
	CodeReviewClosed  = "campaign_review_closed"  // Conflict: answered, withdrawn, or about other content
	CodeReviewOwn     = "campaign_review_own"     // Forbidden: who asked cannot answer
	CodeReviewUnknown = "campaign_review_unknown" // NotFound: no such review, or a link that is no longer good
)

// Settings is how a tenant goes about its mailings. The zero Settings asks for nothing.
type Settings struct {
	// Seeds are mailboxes of one's own at other providers, which test mails may go to.
	Seeds []string `json:"seeds,omitempty"`
	// Review: nothing is sent that nobody else approved.
	Review bool `json:"review,omitempty"`
}

// Print names the content of a campaign: whoever changes a word, the sender or the groups,
// gets another one.
func Print(c Campaign) [32]byte {
	l := c.Letter
	l.Made = nil // how it was made is not what is sent
	text, err := json.Marshal(struct {
		Letter Letter
		Groups any
	}{l, c.Groups})
	if err != nil {
		panic("campaign: a letter is no JSON: " + err.Error()) // strings and numbers are
	}
	return sha256.Sum256(text)
}

// Ask asks for a review of a draft as it stands.
func (s *Service) Ask(ctx context.Context, who ingest.Principal, number ID, name string) (Review, error) {
	name = strings.TrimSpace(name)
	if name == "" || !oneLine(name, maxName) {
		return Review{}, fault.Field("reviewer", CodeValue, "A name of 1 to 200 characters on one line.")
	}
	c, err := s.Campaign(ctx, who.Tenant, number)
	if err != nil {
		return Review{}, err
	}
	if c.State != Draft {
		return Review{}, badState()
	}
	now := s.stamp()
	r := Review{ID: id.New[ReviewKind](now), Tenant: c.Tenant, Campaign: c.ID, Hash: Print(c), Name: name, Asked: who.Actor, State: ReviewOpen, AskedAt: now, ExpiresAt: now.Add(reviewLife)}
	if err := s.c.Store.AskReview(ctx, r, MaxReviews); err != nil {
		return r, fmt.Errorf("ask for review: %w", err)
	}
	return r, nil
}

// Withdraw takes back what was asked.
func (s *Service) Withdraw(ctx context.Context, who ingest.Principal, r ReviewID) error {
	found, err := s.c.Store.CampaignReview(ctx, who.Tenant, r)
	if err != nil {
		return err
	}
	found.State, found.By, found.AnsweredAt = ReviewWithdrawn, who.Actor, s.stamp()
	return s.c.Store.AnswerReview(ctx, found)
}

// Answer is a colleague's. Errors: those of Decide, Forbidden CodeReviewOwn.
func (s *Service) Answer(ctx context.Context, who ingest.Principal, r ReviewID, approve bool, note string) error {
	found, err := s.c.Store.CampaignReview(ctx, who.Tenant, r)
	if err != nil {
		return err
	}
	if found.Asked == who.Actor {
		return fault.New(fault.Forbidden, CodeReviewOwn, "Who asked cannot answer.")
	}
	found.By = who.Actor
	return s.decide(ctx, found, approve, note)
}

// decide writes an answer down, if the content is what was asked about.
func (s *Service) decide(ctx context.Context, r Review, approve bool, note string) error {
	note = strings.TrimSpace(note)
	if len(note) > maxNote || !utf8.ValidString(note) {
		return fault.Field("note", CodeValue, "A note has at most 2,000 bytes.")
	}
	c, err := s.Campaign(ctx, r.Tenant, r.Campaign)
	if err != nil {
		return err
	}
	if c.State != Draft || Print(c) != r.Hash {
		return reviewClosed()
	}
	r.State, r.Note, r.AnsweredAt = ReviewDeclined, note, s.stamp()
	if approve {
		r.State = ReviewApproved
	}
	return s.c.Store.AnswerReview(ctx, r)
}

func reviewClosed() error {
	return fault.New(fault.Conflict, CodeReviewClosed, "The review was answered or withdrawn, or the mailing was changed since.")
}

// Reviews lists those of a campaign from new to old, at most MaxReviews.
func (s *Service) Reviews(ctx context.Context, t tenant.ID, c ID) ([]Review, error) {
	return s.c.Store.CampaignReviews(ctx, t, c)
}

// Standing is the review that counts for a campaign: the newest that was not withdrawn. ok is
// whether the campaign may be sent as far as reviews go.
func (s *Service) Standing(ctx context.Context, c Campaign) (r Review, ok bool, err error) {
	list, err := s.c.Store.CampaignReviews(ctx, c.Tenant, c.ID)
	if err != nil {
		return r, false, fmt.Errorf("read reviews: %w", err)
	}
	for _, r := range list {
		if r.State != ReviewWithdrawn {
			return r, r.State == ReviewApproved && r.Hash == Print(c), nil
		}
	}
	set, err := s.c.Store.CampaignSettings(ctx, c.Tenant)
	if err != nil {
		return r, false, fmt.Errorf("read settings of mailings: %w", err)
	}
	return r, !set.Review, nil
}

func (s *Service) readyReview(ctx context.Context, c Campaign) error {
	_, ok, err := s.Standing(ctx, c)
	if err != nil || ok {
		return err
	}
	return &fault.Error{Kind: fault.Conflict, Code: CodeReview, Field: "review", Detail: "The mailing was to be approved by somebody else, and is not as it stands."}
}

// Settings are the tenant's.
func (s *Service) Settings(ctx context.Context, t tenant.ID) (Settings, error) {
	return s.c.Store.CampaignSettings(ctx, t)
}

// Link is the address of the page on which whoever has it answers a review; "" where there
// are no such pages.
func (s *Service) Link(r Review) string {
	if len(s.c.ReviewKey) == 0 {
		return ""
	}
	raw := append(append(make([]byte, 0, viewSize+viewMAC), r.Tenant[:]...), r.ID[:]...)
	return s.c.PublicURL + ReviewPath + base64.RawURLEncoding.EncodeToString(append(raw, s.reviewMAC(raw)...))
}

func (s *Service) reviewMAC(named []byte) []byte {
	m := hmac.New(sha256.New, s.c.ReviewKey)
	m.Write([]byte("campaign review\x00"))
	m.Write(named)
	return m.Sum(nil)[:viewMAC]
}

// Shown is what the page of a review shows. Nobody's data is in it: variables show their
// names.
type Shown struct {
	Review
	// Closed: there is nothing to answer any more. Changed: because the mailing is another.
	Closed, Changed bool
	Sender          string // of the tenant
	Title           string // of the campaign
	// Letters are what is asked about: one, or version A and B of a trial.
	Letters []ShownLetter
	// Comments are those that came from behind this link.
	Comments []Comment
}

// ShownLetter is one version of what is asked about.
type ShownLetter struct {
	Version Version // "" where there is no trial
	From    string
	Mail    stationery.Rendered
}

// ShowAll is Show for each version of the letter.
func (s *Service) ShowAll(c Campaign, person *audience.Contact) (list []ShownLetter, err error) {
	versions := []Version{""}
	if c.Trial.Share > 0 {
		versions = []Version{VersionA, VersionB}
	}
	for _, v := range versions {
		one := c.as(v)
		mail, err := s.Show(one, person)
		if err != nil {
			return nil, err
		}
		list = append(list, ShownLetter{Version: v, From: one.Letter.From, Mail: mail})
	}
	return list, nil
}

// OpenReview returns what a link leads to. A link that was made up, or has expired, is
// NotFound CodeReviewUnknown, and nothing tells which.
func (s *Service) OpenReview(ctx context.Context, token string) (Shown, error) {
	r, err := s.linked(ctx, token)
	if err != nil {
		return Shown{}, err
	}
	c, err := s.Campaign(ctx, r.Tenant, r.Campaign)
	if fault.IsKind(err, fault.NotFound) {
		return Shown{}, unknownReview()
	}
	if err != nil {
		return Shown{}, err
	}
	t, err := s.c.Store.Tenant(ctx, r.Tenant)
	if err != nil {
		return Shown{}, err
	}
	v := Shown{Review: r, Sender: t.Name, Title: c.Name, Changed: Print(c) != r.Hash}
	v.Closed = v.Changed || r.State != ReviewOpen || c.State != Draft
	if v.Changed {
		return v, nil // what was not asked about is not shown
	}
	if v.Letters, err = s.ShowAll(c, nil); err != nil {
		return v, err
	}
	all, err := s.c.Store.CampaignComments(ctx, r.Tenant, r.Campaign)
	for _, one := range all {
		if one.Review == r.ID {
			v.Comments = append(v.Comments, one)
		}
	}
	return v, err
}

// AnswerLink is the answer of whoever has the link, under the name they give. Errors are those
// of OpenReview, and Conflict CodeReviewClosed.
func (s *Service) AnswerLink(ctx context.Context, token, name string, approve bool, note string) error {
	r, err := s.linked(ctx, token)
	if err != nil {
		return err
	}
	if name = strings.TrimSpace(name); name == "" || !oneLine(name, maxName) {
		return fault.Field("name", CodeValue, "A name of 1 to 200 characters on one line.")
	}
	r.By, r.Linked = name, true
	return s.decide(ctx, r, approve, note)
}

func unknownReview() error {
	return fault.New(fault.NotFound, CodeReviewUnknown, "There is no such page, or no longer.")
}

func (s *Service) linked(ctx context.Context, token string) (Review, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(s.c.ReviewKey) == 0 || len(raw) != viewSize+viewMAC || !hmac.Equal(raw[viewSize:], s.reviewMAC(raw[:viewSize])) {
		return Review{}, unknownReview()
	}
	r, err := s.c.Store.CampaignReview(ctx, tenant.ID(raw[:16]), ReviewID(raw[16:32]))
	if fault.IsKind(err, fault.NotFound) || err == nil && !r.ExpiresAt.After(s.c.Now()) {
		return Review{}, unknownReview()
	}
	return r, err
}
