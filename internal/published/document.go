package published

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"stafette/internal/diagnosis"
	"stafette/internal/egress"
	"stafette/internal/tenant"
)

const (
	// DocumentFormat names the kind of the signed list.
	DocumentFormat = "stafette-sending-addresses/1"
	documentName   = "list"
	// documentLife is how long a signed list may be relied on: whoever still has an older
	// one should fetch it anew, so that nobody can hold them to an old one for long.
	documentLife = 7
)

// Paths of the public pages, in German and in English. Below them lie ".json", ".txt",
// ".txt.sig" and the same of an account with its identifier behind a slash.
const (
	PathDE  = "/absender-ips"
	PathEN  = "/sending-addresses"
	KeyPath = PathEN + ".pem"
)

// Document is an edition as the world gets it. All fields but the list are strings and
// whole numbers, so that the canonical form is plain.
type Document struct {
	Format     string     `json:"format"`
	Issuer     string     `json:"issuer"`  // origin of the platform
	Account    string     `json:"account"` // whose list; "": the platform's
	Name       string     `json:"name"`
	Version    int        `json:"version"`
	IssuedAt   string     `json:"issued_at"`   // when this version came out
	ValidFrom  string     `json:"valid_from"`  // of the document: its signature holds from
	ValidUntil string     `json:"valid_until"` // to
	JSONAt     string     `json:"json"`
	TextAt     string     `json:"text"`
	KeyAt      string     `json:"key"`
	Addresses  []Listed   `json:"addresses"`
	SPF        []TXT      `json:"spf"`
	DNS        []TXT      `json:"dns"`
	History    []Happened `json:"history"`
}

// Listed is an Entry as the document has it: times as RFC 3339 in UTC, "" where open.
type Listed struct {
	Address    string             `json:"address"`
	EHLO       string             `json:"ehlo"`
	PTR        string             `json:"ptr"`
	Role       egress.SourceState `json:"role"`
	Streams    []tenant.Stream    `json:"streams"`
	ValidFrom  string             `json:"valid_from"`
	ValidUntil string             `json:"valid_until"`
}

// TXT is a Record as the document has it.
type TXT struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Happened is what one version changed.
type Happened struct {
	Version int      `json:"version"`
	At      string   `json:"at"`
	Changes []Differ `json:"changes"`
}

// Differ is a Change as the document has it.
type Differ struct {
	Kind ChangeKind `json:"kind"`
	Listed
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func listed(e Entry) Listed {
	v := Listed{Address: e.Address.String(), EHLO: e.EHLO, PTR: e.PTR, Role: e.Role, Streams: e.Streams, ValidFrom: stamp(e.ValidFrom), ValidUntil: stamp(e.ValidUntil)}
	if v.Streams == nil {
		v.Streams = []tenant.Stream{}
	}
	return v
}

func differ(list []Change) []Differ {
	out := make([]Differ, len(list))
	for i, c := range list {
		out[i] = Differ{c.Kind, listed(c.Entry)}
	}
	return out
}

// document words a list. Its bytes change once a day at most while the edition stays.
func (s *Service) document(l List) Document {
	day := s.c.Now().UTC().Truncate(24 * time.Hour)
	base := s.c.Signer.PublicURL + s.Path("en", l.For)
	from := day
	if l.At.After(day) {
		from = l.At
	}
	d := Document{
		Format: DocumentFormat, Issuer: s.c.Signer.PublicURL, Name: l.Name, Version: l.Version, IssuedAt: stamp(l.At),
		ValidFrom: stamp(from), ValidUntil: stamp(s.HoldsUntil()), JSONAt: base + ".json", TextAt: base + ".txt",
		KeyAt: s.c.Signer.PublicURL + KeyPath, Addresses: []Listed{}, SPF: []TXT{}, DNS: []TXT{}, History: []Happened{},
	}
	if !l.For.IsZero() {
		d.Account = l.For.String()
	}
	for _, e := range l.Entries {
		d.Addresses = append(d.Addresses, listed(e))
	}
	for _, r := range l.SPF {
		d.SPF = append(d.SPF, TXT(r))
	}
	for _, r := range l.DNS {
		d.DNS = append(d.DNS, TXT(r))
	}
	for _, e := range l.History {
		if len(e.Changes) > 0 {
			d.History = append(d.History, Happened{e.Version, stamp(e.At), differ(e.Changes)})
		}
	}
	return d
}

// JSON is the signed list as a file.
func (s *Service) JSON(l List) ([]byte, error) {
	st, err := s.c.Signer.State(documentName, s.document(l))
	if err != nil {
		return nil, fmt.Errorf("sign sending addresses: %w", err)
	}
	return st.JSON()
}

// Text is the list as plain text, and its signature.
func (s *Service) Text(l List) (text, signature []byte, err error) {
	text = s.document(l).text()
	if signature, err = s.c.Signer.SignText(TextKind, text); err != nil {
		return nil, nil, fmt.Errorf("sign sending addresses: %w", err)
	}
	return text, signature, nil
}

// PublicKey is the key of the signatures, as openssl reads it.
func (s *Service) PublicKey() []byte { return s.c.Signer.PEM() }

// KeyID names that key.
func (s *Service) KeyID() string { return s.c.Signer.KeyID() }

// Verify reads a signed list and checks its signature. Errors are those of
// diagnosis.VerifyStatement.
func Verify(file []byte, keys []diagnosis.PublicKey) (Document, error) {
	text, err := diagnosis.VerifyStatement(file, documentName, DocumentFormat, keys)
	if err != nil {
		return Document{}, err
	}
	var d Document
	if err := json.Unmarshal(text, &d); err != nil {
		return Document{}, fmt.Errorf("%w: %w", diagnosis.ErrProofMalformed, err)
	}
	return d, nil
}

// Path is that of the page about an account's list; zero: the platform's.
func (s *Service) Path(lang string, of tenant.ID) string {
	path := PathDE
	if lang == "en" {
		path = PathEN
	}
	if !of.IsZero() {
		path += "/" + of.String()
	}
	return path
}

// List is a list with all that is said about it.
type List struct {
	Edition
	For     tenant.ID // whose page it is; its list may be the platform's (Owner)
	Name    string
	SPF     []Record
	DNS     []Record
	History []Edition // from new to old
}

// maxHistory is how many editions a page shows.
const maxHistory = 50

// List returns the list of an account, or the platform's for the zero one. Errors: NotFound
// "tenant_not_found".
func (s *Service) List(ctx context.Context, of tenant.ID) (List, error) {
	l := List{For: of, Name: s.c.Name}
	if !of.IsZero() {
		t, err := s.c.Tenants.Tenant(ctx, of)
		if err != nil {
			return List{}, fmt.Errorf("list sending addresses: %w", err)
		}
		l.Name = t.Name
	}
	owner, err := s.ownerOf(ctx, of)
	if err != nil {
		return List{}, err
	}
	if l.History, err = s.c.Store.Editions(ctx, owner, maxHistory); err != nil {
		return List{}, fmt.Errorf("list sending addresses: %w", err)
	}
	l.Owner = owner
	if len(l.History) > 0 {
		l.Edition = l.History[0]
	}
	spf, domain, err := s.names(ctx, of)
	if err != nil {
		return List{}, err
	}
	l.SPF = SPFRecords(spf, l.Entries)
	l.DNS = ListRecords(domain, l.Entries)
	return l, nil
}

// Lists returns the lists there are: the platform's and those of accounts with pools of
// their own. One whose account is gone is left out.
func (s *Service) Lists(ctx context.Context) ([]List, error) {
	owners, err := s.c.Store.EditionOwners(ctx)
	if err != nil {
		return nil, fmt.Errorf("list sending addresses: %w", err)
	}
	var lists []List
	for _, of := range owners {
		l, err := s.List(ctx, of)
		if notFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lists = append(lists, l)
	}
	return lists, nil
}

// ownerOf tells whose list holds for an account: its own or the platform's.
func (s *Service) ownerOf(ctx context.Context, of tenant.ID) (tenant.ID, error) {
	if of.IsZero() {
		return of, nil
	}
	_, err := s.c.Store.Edition(ctx, of)
	switch {
	case err == nil:
		return of, nil
	case notFound(err):
		return tenant.ID{}, nil
	}
	return of, fmt.Errorf("list sending addresses: %w", err)
}

// names are where the records of a list stand: the platform's under its own names, those
// of an account under its first usable domain.
func (s *Service) names(ctx context.Context, of tenant.ID) (spf, domain string, err error) {
	if of.IsZero() {
		return s.c.SPFName, s.c.Domain, nil
	}
	list, err := s.c.Tenants.Domains(ctx, of)
	if err != nil {
		return "", "", fmt.Errorf("list sending addresses: %w", err)
	}
	for _, d := range list {
		if d.Usable() {
			return "_spf." + d.Name, d.Name, nil
		}
	}
	return s.c.SPFName, s.c.Domain, nil
}

// HoldsUntil is when a list that is signed now runs out.
func (s *Service) HoldsUntil() time.Time {
	return s.c.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, documentLife)
}
