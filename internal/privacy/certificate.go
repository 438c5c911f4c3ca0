package privacy

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Certificate is the proof of an erasure. It names nobody: who holds the address can show
// that it is meant, by the keyed hash.
type Certificate struct {
	Format     int              `json:"format"` // 1
	Request    RequestID        `json:"request"`
	Tenant     tenant.ID        `json:"tenant"`
	TenantName string           `json:"tenant_name"`
	Actor      string           `json:"requested_by"`
	AskedAt    time.Time        `json:"requested_at"`
	FinishedAt time.Time        `json:"finished_at"`
	Hashes     []string         `json:"address_hashes"` // keyed with a secret of the platform, per tenant
	Erased     map[string]int64 `json:"erased"`
	Blocked    bool             `json:"blocked"` // the addresses stay suppressed, by their hashes
	// Kept says in words what stays.
	Kept []string `json:"kept"`
	// MAC is over everything else, keyed with a secret of the platform: Verify.
	MAC string `json:"mac"`
}

// Certificate makes the proof of an erasure that is done. The error is
// "privacy_request_not_found", also for a request of another kind, and Conflict
// "erasure_unfinished".
func (s *Service) Certificate(ctx context.Context, t tenant.ID, id RequestID) (Certificate, error) {
	r, err := s.c.Store.Request(ctx, t, id)
	if err != nil {
		return Certificate{}, err
	}
	if r.Kind != Erasure {
		return Certificate{}, errNoRequest()
	}
	if r.State != Done {
		return Certificate{}, fault.New(fault.Conflict, "erasure_unfinished", "The erasure is not done yet.")
	}
	owner, err := s.c.Tenants.Tenant(ctx, t)
	if err != nil {
		return Certificate{}, err
	}
	c := Certificate{
		Format: 1, Request: r.ID, Tenant: t, TenantName: owner.Name, Actor: r.Actor, AskedAt: r.CreatedAt, FinishedAt: r.FinishedAt,
		Erased: r.Counts, Blocked: r.Block,
		Kept: []string{
			"counts of deliveries by time, stream and state",
			"deliveries without local part and name, with the recipient's domain",
			"suppressions and this request, with keyed hashes of the addresses",
			"content of messages that went to other people too",
		},
	}
	for _, h := range r.Hashes {
		c.Hashes = append(c.Hashes, hex.EncodeToString(h[:]))
	}
	c.MAC, err = s.sum(c)
	return c, err
}

func errNoRequest() error {
	return fault.New(fault.NotFound, "privacy_request_not_found", "There is no such thing here.")
}

// sum is the MAC of a certificate, over its JSON without the MAC.
func (s *Service) sum(c Certificate) (string, error) {
	c.MAC = ""
	text, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("certify erasure: %w", err)
	}
	mac := hmac.New(sha256.New, s.c.Keeper.MACKey("erasure certificate"))
	mac.Write(text)
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// maxCertificate bounds what Verify reads.
const maxCertificate = 1 << 20

// Verify reads a certificate as JSON and reports whether this platform made it and it was
// not changed since. The error is "certificate_malformed".
func (s *Service) Verify(text []byte) (Certificate, bool, error) {
	var c Certificate
	if len(text) > maxCertificate || json.Unmarshal(text, &c) != nil || c.Format != 1 {
		return Certificate{}, false, fault.New(fault.Invalid, "certificate_malformed", "This is no certificate of an erasure.")
	}
	want, err := s.sum(c)
	return c, err == nil && hmac.Equal([]byte(want), []byte(c.MAC)), err
}

// Names reports whether a certificate is about an address of its tenant.
func (s *Service) Names(c Certificate, hash audience.Hash) bool {
	for _, h := range c.Hashes {
		if h == hex.EncodeToString(hash[:]) {
			return true
		}
	}
	return false
}
