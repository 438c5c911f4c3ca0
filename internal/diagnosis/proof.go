package diagnosis

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

const (
	proofFormat = "stafette-delivery-proof/1"
	// proofMeaning is what "delivered" means, in the proof itself, so that it cannot be
	// read as more.
	proofMeaning = "delivered: the recipient's server answered 2xx after the final dot and took responsibility (RFC 5321, 6.1). " +
		"Which folder the mail lies in and whether it was read is not known to any sender."
	// proofTime is RFC 3339 in UTC with milliseconds, always.
	proofTime = "2006-01-02T15:04:05.000Z"
	// KeysPath is where the public key is published.
	KeysPath = "/.well-known/stafette-proof-keys.json"
)

// Facts are what a proof states about one delivery: facts on record and nothing else, so
// that the same facts always make the same bytes. Fields without a value are "".
type Facts struct {
	Format    string         `json:"format"`
	Issuer    string         `json:"issuer"` // origin of the platform
	Delivery  string         `json:"delivery"`
	Message   string         `json:"message"`
	MessageID string         `json:"message_id"`
	From      string         `json:"from"`
	FromName  string         `json:"from_name"`
	Recipient string         `json:"recipient"`
	Subject   string         `json:"subject"`
	Accepted  string         `json:"accepted_at"` // by us
	State     event.State    `json:"state"`
	StateAt   string         `json:"state_at"`
	Marks     []ProofMark    `json:"marks"`
	Attempts  []ProofAttempt `json:"attempts"`
	Size      int64          `json:"size"`    // bytes of the content
	Content   string         `json:"content"` // "sha256:" and the hash of the message as it was accepted; "" if no longer kept
	Files     []ProofFile    `json:"attachments"`
	Meaning   string         `json:"meaning"`
}

// ProofMark is what became known after the state was reached.
type ProofMark struct {
	Mark  event.Mark `json:"mark"`
	At    string     `json:"at"`
	From  string     `json:"reported_by"`
	Reply string     `json:"reply"`
}

// ProofAttempt is one try.
type ProofAttempt struct {
	Number    int           `json:"number"`
	At        string        `json:"at"`
	Outcome   event.Outcome `json:"outcome"`
	Host      string        `json:"host"`
	Address   string        `json:"address"`
	Source    string        `json:"source"`
	EHLO      string        `json:"ehlo"`
	TLS       string        `json:"tls"`
	TLSPolicy string        `json:"tls_policy"`
	TLSResult string        `json:"tls_result"`
	Code      int           `json:"code"`
	Enhanced  string        `json:"enhanced"`
	Reply     string        `json:"reply"`
	Finding   string        `json:"finding"` // ours, where no reply came
}

// ProofFile is the fingerprint of an attachment.
type ProofFile struct {
	Filename string `json:"filename"`
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256"`
}

// Signature is over the canonical JSON (RFC 8785) of the facts, with Ed25519 (RFC 8032).
type Signature struct {
	Algorithm string `json:"alg"` // "EdDSA"
	KeyID     string `json:"kid"` // thumbprint of the public key (RFC 7638)
	Keys      string `json:"keys"`
	Value     string `json:"value"` // base64url without padding
}

// Proof is what a delivery proof says, signed. It is made by Service.Prove.
type Proof struct {
	Facts     Facts     `json:"facts"`
	Signature Signature `json:"signature"`

	canonical []byte
	verdict   Verdict
}

// Prove states the facts about a delivery and signs them. Every state can be proven: that
// a server took a mail, that one refused it, that nothing was ever sent.
//
// Errors: "delivery_not_found".
func (s *Service) Prove(ctx context.Context, t tenant.ID, d message.DeliveryID) (Proof, error) {
	v, err := s.Verdict(ctx, t, d)
	if err != nil {
		return Proof{}, err
	}
	facts, err := s.Mail.Events(ctx, t, v.Message.ID)
	if err != nil {
		return Proof{}, fmt.Errorf("prove delivery: %w", err)
	}
	p := Proof{Facts: s.facts(v, facts), verdict: v}
	body, err := s.body(ctx, v.Message)
	switch {
	case err == nil:
		sum := sha256.Sum256(body)
		p.Facts.Content = "sha256:" + hex.EncodeToString(sum[:])
	case !fault.IsKind(err, fault.NotFound):
		return Proof{}, fmt.Errorf("prove delivery: %w", err)
	}
	if p.canonical, p.Signature, err = s.sign(p.Facts); err != nil {
		return Proof{}, fmt.Errorf("prove delivery: %w", err)
	}
	return p, nil
}

func (s *Service) facts(v Verdict, list []event.Event) Facts {
	m, d := v.Message, v.Delivery
	f := Facts{
		Format: proofFormat, Issuer: s.PublicURL, Delivery: d.ID.String(), Message: m.ID.String(), MessageID: m.MessageID,
		From: addressText(m.From.Address), FromName: m.From.Name, Recipient: addressText(d.Recipient), Subject: m.Subject,
		Accepted: stamp(m.AcceptedAt), State: d.State, StateAt: stamp(d.UpdatedAt), Size: m.Size, Meaning: proofMeaning,
		Marks: []ProofMark{}, Attempts: []ProofAttempt{}, Files: []ProofFile{},
	}
	for _, e := range list {
		if e.Delivery != d.ID {
			continue
		}
		if a := e.Attempt; a != nil {
			f.Attempts = append(f.Attempts, ProofAttempt{
				Number: a.Number, At: stamp(e.At), Outcome: a.Outcome, Host: a.MX, Address: a.Address, Source: a.Source, EHLO: a.EHLO, TLS: a.TLS,
				TLSPolicy: a.TLSPolicy, TLSResult: a.TLSResult, Code: a.Code, Enhanced: a.Enhanced, Reply: a.Reply, Finding: a.Local,
			})
		}
		if mark := e.Type.Mark(); mark != "" {
			one := ProofMark{Mark: mark, At: stamp(e.At)}
			if e.Report != nil {
				one.From, one.Reply = e.Report.From, e.Report.Reply
			}
			f.Marks = append(f.Marks, one)
		}
	}
	for _, file := range m.Digests {
		f.Files = append(f.Files, ProofFile{Filename: file.Filename, Size: file.Size, SHA256: hex.EncodeToString(file.SHA256[:])})
	}
	return f
}

func stamp(t time.Time) string { return t.UTC().Format(proofTime) }

// canonicalOf is the canonical JSON of a value of our own.
func canonicalOf(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	read, err := readStrict(data)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = writeCanonical(&b, read)
	return b.Bytes(), err
}

// JSON is the proof as a file.
func (p Proof) JSON() ([]byte, error) {
	whole, err := canonicalOf(p)
	if err != nil {
		return nil, fmt.Errorf("write proof: %w", err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, whole, "", "  "); err != nil {
		return nil, fmt.Errorf("write proof: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// Fingerprint is the SHA-256 of what is signed, in hexadecimal.
func (p Proof) Fingerprint() string {
	sum := sha256.Sum256(p.canonical)
	return hex.EncodeToString(sum[:])
}

// Verify reads a proof and checks its signature against the keys. A proof signed by none
// of them, or changed since, is ErrProofForged; a file that is no proof
// ErrProofMalformed.
func Verify(file []byte, keys []PublicKey) (Facts, error) {
	text, err := VerifyStatement(file, "facts", proofFormat, keys)
	if err != nil {
		return Facts{}, err
	}
	var f Facts
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return Facts{}, fmt.Errorf("%w: %w", ErrProofMalformed, err)
	}
	return f, nil
}

// ErrProofForged: the proof was changed, or signed by another installation.
var ErrProofForged = errors.New("the signature does not fit: the proof was changed or comes from elsewhere")
