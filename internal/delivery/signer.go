package delivery

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"stafette/internal/dkim"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

const (
	keyTTL        = time.Minute // how long a new or withdrawn key may go unnoticed
	maxKeyRings   = 10000       // domains whose keys are kept parsed
	maxSignatures = 1024        // messages whose signature is shared by their deliveries
)

// SignerConfig says how a Signer works. Keys, Keeper and Now are demanded.
type SignerConfig struct {
	// Keys lists the keys of a domain: tenant.Store.DKIMKeys.
	Keys func(ctx context.Context, t tenant.ID, domain string) ([]tenant.DKIMKey, error)
	// Exists reports whether the tenant still has the domain; it is asked only where
	// there are no keys. nil: it has.
	Exists func(ctx context.Context, t tenant.ID, domain string) (bool, error)
	// Keeper opens sealed keys.
	Keeper *seal.Keeper
	// Sign makes the signature fields; nil: dkim.Sign.
	Sign    func(now time.Time, message []byte, o dkim.Options) ([]byte, error)
	Now     func() time.Time
	Workers int // signatures made at the same time; 0: as many as cores
}

// ErrDomainGone means that the domain was removed while mail with it waited. Such mail
// must not leave: nobody vouches for it any more.
var ErrDomainGone = errors.New("the sending domain was removed")

// Signer signs mail with the DKIM keys of its domain. It parses each key once,
// signs each message once, and never signs on more cores than there are. It is
// safe for concurrent use.
type Signer struct {
	cfg     SignerConfig
	workers chan struct{}

	mu         sync.Mutex
	rings      map[ringKey]ring
	there      map[ringKey]time.Time // domains without keys, and until when they are taken to be there
	signatures map[message.ID]*signature
	order      []message.ID // of signatures, oldest first
}

type ringKey struct {
	tenant tenant.ID
	domain string
}

type ring struct {
	keys  []dkim.Key
	until time.Time
}

// signature is made once; done is closed when it is there.
type signature struct {
	done  chan struct{}
	bytes []byte
	err   error
}

// NewSigner makes a Signer.
func NewSigner(c SignerConfig) *Signer {
	if c.Workers <= 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Sign == nil {
		c.Sign = dkim.Sign
	}
	return &Signer{
		cfg:        c,
		workers:    make(chan struct{}, c.Workers),
		rings:      map[ringKey]ring{},
		there:      map[ringKey]time.Time{},
		signatures: map[message.ID]*signature{},
	}
}

// Sign returns the signature fields of the entry's message, to be put before its
// body; nil if its domain has no active keys. The error is ErrDomainGone if there is no
// such domain any more.
func (s *Signer) Sign(ctx context.Context, e queue.Entry, body []byte) ([]byte, error) {
	if e.SignDomain == "" {
		return nil, nil
	}
	name := message.Of(e.Delivery)
	s.mu.Lock()
	sig, known := s.signatures[name]
	if !known {
		sig = &signature{done: make(chan struct{})}
		s.remember(name, sig)
	}
	s.mu.Unlock()
	if known {
		select {
		case <-sig.done:
			return sig.bytes, sig.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	sig.bytes, sig.err = s.make(ctx, e, body)
	close(sig.done)
	if sig.err != nil {
		s.forget(name, sig) // the next delivery tries anew
	}
	return sig.bytes, sig.err
}

// remember keeps a signature and forgets the oldest; mu is held.
func (s *Signer) remember(name message.ID, sig *signature) {
	if len(s.order) >= maxSignatures {
		delete(s.signatures, s.order[0])
		s.order = s.order[1:]
	}
	s.signatures[name] = sig
	s.order = append(s.order, name)
}

func (s *Signer) forget(name message.ID, sig *signature) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signatures[name] == sig {
		delete(s.signatures, name)
		s.order = slices.DeleteFunc(s.order, func(m message.ID) bool { return m == name })
	}
}

// SignOwn is Sign for a mail that is like no other of its message.
func (s *Signer) SignOwn(ctx context.Context, e queue.Entry, mail []byte) ([]byte, error) {
	if e.SignDomain == "" {
		return nil, nil
	}
	return s.make(ctx, e, mail)
}

func (s *Signer) make(ctx context.Context, e queue.Entry, body []byte) ([]byte, error) {
	keys, err := s.keys(ctx, e.Tenant, e.SignDomain)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, s.exists(ctx, e)
	}
	select {
	case s.workers <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-s.workers }()
	fields, err := s.cfg.Sign(s.cfg.Now(), body, dkim.Options{Domain: e.SignDomain, Keys: keys})
	if err != nil {
		return nil, fmt.Errorf("sign for %s: %w", e.SignDomain, err)
	}
	return fields, nil
}

// existsTTL is how long a domain that was there is taken to be there: an order, too, is known
// everywhere after a second only. One that was not there is asked about each time.
const existsTTL = time.Second

func (s *Signer) exists(ctx context.Context, e queue.Entry) error {
	if s.cfg.Exists == nil {
		return nil
	}
	name, now := ringKey{e.Tenant, e.SignDomain}, s.cfg.Now()
	s.mu.Lock()
	left := s.there[name].Sub(now)
	s.mu.Unlock()
	if left > 0 && left <= existsTTL { // longer: the clock was set back
		return nil
	}
	there, err := s.cfg.Exists(ctx, e.Tenant, e.SignDomain)
	if err != nil {
		return fmt.Errorf("find domain %s: %w", e.SignDomain, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !there {
		delete(s.there, name)
		return ErrDomainGone
	}
	if len(s.there) >= maxKeyRings {
		clear(s.there)
	}
	s.there[name] = now.Add(existsTTL)
	return nil
}

// keys returns the active keys of a tenant's domain, parsed.
func (s *Signer) keys(ctx context.Context, t tenant.ID, domain string) ([]dkim.Key, error) {
	name := ringKey{t, domain}
	now := s.cfg.Now()
	s.mu.Lock()
	r, ok := s.rings[name]
	s.mu.Unlock()
	if left := r.until.Sub(now); ok && left > 0 && left <= keyTTL {
		return r.keys, nil
	}
	stored, err := s.cfg.Keys(ctx, t, domain)
	if err != nil && !fault.IsKind(err, fault.NotFound) {
		return nil, fmt.Errorf("DKIM keys of %s: %w", domain, err)
	}
	keys, err := s.parse(stored)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rings) >= maxKeyRings {
		clear(s.rings)
	}
	s.rings[name] = ring{keys: keys, until: now.Add(keyTTL)}
	return keys, nil
}

func (s *Signer) parse(stored []tenant.DKIMKey) ([]dkim.Key, error) {
	var keys []dkim.Key
	for _, k := range stored {
		if !k.Active {
			continue
		}
		der, err := s.cfg.Keeper.Open(k.Sealed, "dkim/"+k.ID.String())
		if err != nil {
			return nil, fmt.Errorf("open DKIM key %s: %w", k.ID, err)
		}
		signer, err := dkim.ParseSigner(der)
		if err != nil {
			return nil, fmt.Errorf("read DKIM key %s: %w", k.ID, err)
		}
		keys = append(keys, dkim.Key{Selector: k.Selector, Signer: signer})
	}
	return keys, nil
}
