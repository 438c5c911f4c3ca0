package tenant

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/seal"
)

// OperatorEmail is the name the first operator of a platform signs in with. The
// domain is reserved (RFC 2606), so no mail is ever meant for it.
const OperatorEmail = "operator@platform.invalid"

// MakeKey generates a DKIM key pair: the private key as PKCS #8 DER and the TXT
// record to publish. dkim.GenerateKey is one.
type MakeKey func(Algorithm) (der []byte, record string, err error)

// FounderConfig is what a Founder needs.
type FounderConfig struct {
	Store   Store
	Keeper  *seal.Keeper
	MakeKey MakeKey
	Now     func() time.Time
}

// Founder sets up tenants with all they need to send their first mail.
type Founder struct{ c FounderConfig }

// NewFounder makes a Founder.
func NewFounder(c FounderConfig) *Founder { return &Founder{c: c} }

// FoundRequest describes a new tenant.
type FoundRequest struct {
	Name        string // of the business, 1 to 200 characters
	Domain      string // its first sending domain
	TrustDomain bool   // the operator vouches for the domain; DNS is not asked
	AdminEmail  string // of the owner; "": admin@<Domain>
	AdminName   string
	Locale      string // "de" or "en"; "": "de"
	DailyQuota  int64  // deliveries per UTC day; 0: no limit
}

// Founded is what the new tenant must be told. The secrets in it exist nowhere
// else.
type Founded struct {
	Tenant        ID
	AdminEmail    string
	AdminPassword string
	Key           KeyID // also the SMTP user name
	KeyText       string
	DKIM          []DKIMKey
	// OperatorPassword and PlatformKey are set on the first run of a platform: the
	// sign-in of OperatorEmail and an API key of the platform.
	OperatorPassword string
	PlatformKey      string
}

// Found creates the tenant. Errors are Invalid for the fields name, domain and
// admin_email, and Conflict when the domain or the address is taken. If only the
// operator's account could not be stored, Founded is valid beside the error, and
// the next call tries again.
func (f *Founder) Found(ctx context.Context, r FoundRequest) (Founded, error) {
	r, err := r.normal()
	if err != nil {
		return Founded{}, err
	}
	now := f.c.Now().UTC().Truncate(time.Millisecond)
	t := Tenant{
		ID: id.New[Kind](now), Name: r.Name, State: Active, Locale: r.Locale,
		OfficeTone: Sie, CustomerTone: Sie, DailyQuota: r.DailyQuota, CreatedAt: now,
	}
	domain := Domain{ID: id.New[DomainKind](now), Tenant: t.ID, Name: r.Domain, State: Pending, CreatedAt: now}
	if r.TrustDomain {
		domain.State = Trusted
	}
	keys, err := NewDKIMKeys(f.c.Keeper, f.c.MakeKey, domain, 1, now)
	if err != nil {
		return Founded{}, err
	}
	owner, password := newUser(t.ID, r.AdminEmail, r.AdminName, Owner, now)
	key, text := newKey(t.ID, "Setup", now)
	err = f.c.Store.Found(ctx, Founding{
		Tenant: t, Users: []User{owner}, Keys: []Key{key}, Domains: []Domain{domain}, DKIMKeys: keys,
	})
	if err != nil {
		return Founded{}, fmt.Errorf("found tenant: %w", err)
	}
	out := Founded{
		Tenant: t.ID, AdminEmail: owner.Email, AdminPassword: password,
		Key: key.ID, KeyText: text, DKIM: keys,
	}
	out.OperatorPassword, out.PlatformKey, err = f.operator(ctx, now)
	return out, err
}

// operator makes the first operator of a platform that has none yet. It comes
// after the tenant: if it fails, the next setup finds the platform still without.
func (f *Founder) operator(ctx context.Context, now time.Time) (password, keyText string, err error) {
	_, err = f.c.Store.UserByEmail(ctx, OperatorEmail)
	if err == nil {
		return "", "", nil
	}
	if !fault.IsKind(err, fault.NotFound) {
		return "", "", fmt.Errorf("find operator: %w", err)
	}
	user, password := newUser(ID{}, OperatorEmail, "Operator", Operator, now)
	key, keyText := newKey(ID{}, "Setup", now)
	if err := f.c.Store.Found(ctx, Founding{Users: []User{user}, Keys: []Key{key}}); err != nil {
		return "", "", fmt.Errorf("create operator: %w", err)
	}
	return password, keyText, nil
}

// NewDKIMKeys makes the two active keys of a domain: RSA for every receiver,
// Ed25519 beside it (RFC 8463). Their selectors are numbered by generation, from 1 on.
// The private keys are sealed.
func NewDKIMKeys(k *seal.Keeper, generate MakeKey, d Domain, generation int, now time.Time) ([]DKIMKey, error) {
	var keys []DKIMKey
	for _, kind := range []struct {
		algorithm Algorithm
		letter    string
	}{{RSA, "r"}, {Ed25519, "e"}} {
		der, record, err := generate(kind.algorithm)
		if err != nil {
			return nil, fmt.Errorf("generate %s key: %w", kind.algorithm, err)
		}
		key := DKIMKey{
			ID: id.New[DKIMKeyKind](now), Tenant: d.Tenant, Domain: d.ID, DomainName: d.Name,
			Selector: fmt.Sprintf("stf%d%s", generation, kind.letter), Algorithm: kind.algorithm, Record: record, Active: true, CreatedAt: now,
		}
		key.Sealed = k.Seal(der, "dkim/"+key.ID.String())
		clear(der)
		keys = append(keys, key)
	}
	return keys, nil
}

func newUser(t ID, email, name string, role Role, now time.Time) (u User, password string) {
	password = NewPassword()
	return User{
		ID: id.New[UserKind](now), Tenant: t, Email: email, Name: name,
		PasswordHash: HashPassword(password), Role: role, CreatedAt: now,
	}, password
}

func newKey(t ID, name string, now time.Time) (k Key, text string) {
	text = NewKeyText()
	return Key{
		ID: id.New[KeyKind](now), Tenant: t, Name: name, Hint: KeyHint(text), Hash: HashKey(text),
		Scopes: []Scope{ScopeSend, ScopeRead, ScopeAdmin}, CreatedAt: now,
	}, text
}

// normal checks the request and fills in what was left open.
func (r FoundRequest) normal() (FoundRequest, error) {
	var wrong []*fault.Error
	r.Name = strings.TrimSpace(r.Name)
	if !plainText(r.Name, 200) || r.Name == "" {
		wrong = append(wrong, fault.Field("name", "name_malformed", "The name has 1 to 200 characters on one line."))
	}
	if !plainText(r.AdminName, 200) {
		wrong = append(wrong, fault.Field("admin_name", "name_malformed", "The name has at most 200 characters on one line."))
	}
	domain, err := NormalDomain(r.Domain)
	if err != nil {
		wrong = append(wrong, fault.As(err))
	}
	r.Domain = domain
	if r.AdminEmail == "" {
		r.AdminEmail = "admin@" + domain
	}
	r.AdminEmail = strings.ToLower(strings.TrimSpace(r.AdminEmail))
	if local, host, ok := strings.Cut(r.AdminEmail, "@"); !ok || local == "" || host == "" || !plainText(r.AdminEmail, 254) || strings.ContainsAny(r.AdminEmail, " <>\"(),;:\\") {
		wrong = append(wrong, fault.Field("admin_email", "address_malformed", "The e-mail address is not of the form name@example.com."))
	}
	if r.Locale == "" {
		r.Locale = "de"
	}
	if r.Locale != "de" && r.Locale != "en" {
		wrong = append(wrong, fault.Field("locale", "locale_unknown", "The language is de or en."))
	}
	return r, fault.Join(wrong)
}

// plainText reports whether s is one line of at most n characters of valid text.
func plainText(s string, n int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= n && strings.IndexFunc(s, unicode.IsControl) < 0
}
