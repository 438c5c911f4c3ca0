// Package pictures is the library of pictures that a tenant puts into its mail: uploaded once,
// drawn anew, with words for those who do not see them, and served under addresses that nobody
// guesses for as long as a mail may show them.
//
// It belongs to the room stationery (floor 3) and stands before writing: the editors offer what
// is in the library, and put the address of a picture into a letter. The library knows no
// letters; where a picture is used the database is asked. Mail programs fetch pictures by
// public/pictures. Who fetched one is neither asked nor kept.
package pictures

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/picture"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Kind is the id.Kind of pictures.
type Kind struct{}

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "pic" }

// ID names a picture.
type ID = id.Of[Kind]

// Path is where pictures are served; the token and the ending of the file follow.
const Path = "/bilder/"

// Limits of the library.
const (
	MaxPictures = 2000     // of a tenant
	MaxUpload   = 15 << 20 // bytes of a file as it comes
	MaxKept     = 3 << 20  // bytes as it is kept; who reads mail on the road loads them
	MaxSide     = 1600     // pixels
	smallSide   = 240
	MaxName     = 200 // characters
	MaxAlt      = 300 // bytes, as of blocks
)

// drawers is how many pictures are drawn at a time; each may take 160 MB.
const drawers = 2

// Codes of refusals beside those of package picture.
const (
	CodeUnknown = "picture_not_found" // NotFound
	CodeName    = "picture_name"      // Invalid: missing, too long, or on several lines
	CodeAlt     = "picture_alt"       // Invalid: missing or too long
	CodeHeavy   = "picture_heavy"     // TooLarge: more bytes than MaxUpload or MaxKept
	CodeTwice   = "picture_twice"     // Conflict: the same picture is there already
	CodeMany    = "pictures_too_many" // Conflict
	CodeUsed    = "picture_used"      // Conflict: mail shows it, or may
)

// Picture is one of the library, without its bytes.
type Picture struct {
	ID     ID
	Tenant tenant.ID
	// Hash is of the bytes as they are kept.
	Hash          [32]byte
	Name          string // for those who look for it; nobody else sees it
	Alt           string // what is to be seen, put into letters with it
	Media         string // "image/jpeg"
	Width, Height int    // pixels
	Size          int64  // bytes as kept
	Creator       string // a user or key
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Content is the bytes of a picture, sealed with the salt.
type Content struct {
	Salt   seal.Salt
	Sealed []byte
}

// Use is something that shows a picture.
type Use struct {
	Kind string // "campaign", "template" or "brand"
	ID   string // of the mailing or template; "" of the brand
	Name string
}

// Store is what the library needs of the database. Each method is one transaction; what is
// not there is NotFound CodeUnknown.
type Store interface {
	// AddPicture keeps a new one. Conflict CodeTwice if the tenant has its hash, CodeMany if
	// it has most already.
	AddPicture(ctx context.Context, p Picture, full, small Content, most int) error
	// ChangePicture sets name, alt and UpdatedAt.
	ChangePicture(ctx context.Context, p Picture) error
	Picture(ctx context.Context, t tenant.ID, p ID) (Picture, error)
	// PictureByHash finds one by the hash of its bytes.
	PictureByHash(ctx context.Context, t tenant.ID, hash [32]byte) (Picture, error)
	// Pictures lists all of a tenant from new to old.
	Pictures(ctx context.Context, t tenant.ID) ([]Picture, error)
	// PictureContent reads the bytes, or those of its small copy.
	PictureContent(ctx context.Context, t tenant.ID, p ID, small bool) (Content, error)
	// PictureUses finds the mailings of whatever state, the kept versions of templates and the
	// brand in whose source or content a text stands, at most limit of each kind, from new to
	// old.
	PictureUses(ctx context.Context, t tenant.ID, text string, limit int) ([]Use, error)
	// DropPicture deletes one, unless the text stands somewhere: Conflict CodeUsed.
	DropPicture(ctx context.Context, t tenant.ID, p ID, text string) error
}

// Config is what a Service needs; all of it.
type Config struct {
	Store  Store
	Keeper *seal.Keeper
	// PublicURL is the address of the pages without a path.
	PublicURL string
	Now       func() time.Time
}

// Service keeps the library. It is safe for concurrent use.
type Service struct {
	c       Config
	key     []byte
	drawing chan struct{}
}

// New makes a Service.
func New(c Config) *Service {
	return &Service{c: c, key: c.Keeper.MACKey("pictures"), drawing: make(chan struct{}, drawers)}
}

// Upload is a picture as it came.
type Upload struct {
	Name string // of the file, or better; "": "Bild"
	Alt  string
	Data []byte
}

// Add takes a picture into the library: drawn anew, at most MaxSide pixels on each side.
// Refusals are at the fields "file", "name" and "alt". A picture that is there already is
// Conflict CodeTwice, and returned.
func (s *Service) Add(ctx context.Context, t tenant.ID, actor string, u Upload) (Picture, error) {
	p := Picture{Tenant: t, Name: nameOf(u.Name), Alt: strings.TrimSpace(u.Alt), Creator: actor}
	if err := check(p); err != nil {
		return p, err
	}
	if len(u.Data) > MaxUpload {
		return p, heavy()
	}
	drawn, small, err := s.draw(ctx, u.Data)
	if err != nil {
		return p, err
	}
	if len(drawn.Data) > MaxKept {
		return p, heavy()
	}
	now := s.c.Now().UTC().Truncate(time.Millisecond)
	p.ID, p.CreatedAt, p.UpdatedAt = id.New[Kind](now), now, now
	p.Hash, p.Media, p.Width, p.Height, p.Size = sha256.Sum256(drawn.Data), drawn.Media, drawn.Width, drawn.Height, int64(len(drawn.Data))
	var kept [2]Content
	for i, data := range [][]byte{drawn.Data, small.Data} {
		kept[i].Salt = seal.NewSalt()
		if kept[i].Sealed, err = s.c.Keeper.SealBody(nil, data, kept[i].Salt); err != nil {
			return p, fmt.Errorf("seal picture: %w", err)
		}
	}
	err = s.c.Store.AddPicture(ctx, p, kept[0], kept[1], MaxPictures)
	if f := fault.As(err); f != nil && f.Code == CodeTwice {
		known, e := s.c.Store.PictureByHash(ctx, t, p.Hash)
		if e != nil {
			return p, fmt.Errorf("read picture: %w", e)
		}
		return known, err
	}
	if err != nil {
		return p, fmt.Errorf("keep picture: %w", err)
	}
	return p, nil
}

func heavy() error {
	return &fault.Error{Kind: fault.TooLarge, Code: CodeHeavy, Field: "file", Detail: fmt.Sprintf("At most %d bytes, and %d when it was drawn anew.", MaxUpload, MaxKept)}
}

// draw draws a picture anew, and a small copy of it, which does not move.
func (s *Service) draw(ctx context.Context, data []byte) (drawn, small picture.Drawn, err error) {
	select {
	case s.drawing <- struct{}{}:
		defer func() { <-s.drawing }()
	case <-ctx.Done():
		return drawn, small, ctx.Err()
	}
	if drawn, err = picture.Redraw(data, MaxSide, picture.JPEG, picture.PNG, picture.GIF, picture.WebP); err == nil {
		small, err = picture.Small(drawn.Data, smallSide)
	}
	return drawn, small, err
}

// nameOf is a file's name without folders and ending.
func nameOf(name string) string {
	name = strings.TrimSpace(name)
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".jpg", ".jpeg", ".png", ".gif", ".webp":
		name = strings.TrimSpace(strings.TrimSuffix(name, path.Ext(name)))
	}
	if name == "" {
		return "Bild"
	}
	return name
}

func check(p Picture) error {
	var wrong []*fault.Error
	if p.Name == "" || !utf8.ValidString(p.Name) || utf8.RuneCountInString(p.Name) > MaxName || strings.ContainsFunc(p.Name, unicode.IsControl) {
		wrong = append(wrong, fault.Field("name", CodeName, "A name of 1 to 200 characters on one line."))
	}
	if p.Alt == "" || !utf8.ValidString(p.Alt) || len(p.Alt) > MaxAlt || strings.ContainsFunc(p.Alt, unicode.IsControl) {
		wrong = append(wrong, fault.Field("alt", CodeAlt, "Say in words what the picture shows, in at most 300 bytes on one line."))
	}
	return fault.Join(wrong)
}

// Change gives a picture another name and other words. Letters that show it keep theirs.
func (s *Service) Change(ctx context.Context, t tenant.ID, which ID, name, alt string) (Picture, error) {
	p, err := s.Picture(ctx, t, which)
	if err != nil {
		return p, err
	}
	p.Name, p.Alt, p.UpdatedAt = strings.TrimSpace(name), strings.TrimSpace(alt), s.c.Now().UTC().Truncate(time.Millisecond)
	if err := check(p); err != nil {
		return p, err
	}
	if err := s.c.Store.ChangePicture(ctx, p); err != nil {
		return p, fmt.Errorf("change picture: %w", err)
	}
	return p, nil
}

// Picture returns one; NotFound CodeUnknown.
func (s *Service) Picture(ctx context.Context, t tenant.ID, which ID) (Picture, error) {
	p, err := s.c.Store.Picture(ctx, t, which)
	if err != nil {
		return p, fmt.Errorf("read picture: %w", err)
	}
	return p, nil
}

// Pictures lists all of a tenant from new to old.
func (s *Service) Pictures(ctx context.Context, t tenant.ID) ([]Picture, error) {
	list, err := s.c.Store.Pictures(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("list pictures: %w", err)
	}
	return list, nil
}

// MaxUses is how many uses of each kind are told.
const MaxUses = 50

// Uses says which mailings, templates and brand show a picture, at most MaxUses of each kind.
func (s *Service) Uses(ctx context.Context, p Picture) ([]Use, error) {
	list, err := s.c.Store.PictureUses(ctx, p.Tenant, s.token(p), MaxUses)
	if err != nil {
		return nil, fmt.Errorf("find uses of picture: %w", err)
	}
	return list, nil
}

// Drop deletes a picture that nothing shows. Conflict CodeUsed: a mailing, a kept version of a
// template or the brand does. Of a mailing that was sent it stays: people read old mail.
func (s *Service) Drop(ctx context.Context, t tenant.ID, which ID) error {
	p, err := s.Picture(ctx, t, which)
	if err != nil {
		return err
	}
	if err := s.c.Store.DropPicture(ctx, t, which, s.token(p)); err != nil {
		return fmt.Errorf("delete picture: %w", err)
	}
	return nil
}

const (
	hashPart = 16 // bytes of the hash in an address
	macPart  = 16
)

// Address is where mail programs fetch a picture. It stays the same for good, and nobody who
// does not have it can make it up.
func (s *Service) Address(p Picture) string {
	return s.c.PublicURL + Path + s.token(p) + ending(p.Media)
}

func ending(media string) string {
	switch media {
	case "image/png":
		return ".png"
	case "image/gif":
		return ".gif"
	}
	return ".jpg"
}

// token names tenant, picture and content.
func (s *Service) token(p Picture) string {
	raw := append(append(append(make([]byte, 0, 32+hashPart+macPart), p.Tenant[:]...), p.ID[:]...), p.Hash[:hashPart]...)
	return base64.RawURLEncoding.EncodeToString(append(raw, s.mac(raw)...))
}

func (s *Service) mac(named []byte) []byte {
	m := hmac.New(sha256.New, s.key)
	m.Write([]byte("picture\x00"))
	m.Write(named)
	return m.Sum(nil)[:macPart]
}

// Open returns what an address leads to: its token with the ending of the file. One that we
// did not make, or of a picture that was deleted, is NotFound CodeUnknown; nothing tells which.
func (s *Service) Open(ctx context.Context, file string) (Picture, []byte, error) {
	unknown := fault.New(fault.NotFound, CodeUnknown, "There is no such picture.")
	token, _, _ := strings.Cut(file, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != 32+hashPart+macPart || !hmac.Equal(raw[32+hashPart:], s.mac(raw[:32+hashPart])) {
		return Picture{}, nil, unknown
	}
	p, err := s.c.Store.Picture(ctx, tenant.ID(raw[:16]), ID(raw[16:32]))
	if fault.IsKind(err, fault.NotFound) || err == nil && (token != s.token(p) || file != token+ending(p.Media)) {
		return Picture{}, nil, unknown
	}
	if err != nil {
		return Picture{}, nil, fmt.Errorf("read picture: %w", err)
	}
	data, err := s.Bytes(ctx, p, false)
	if fault.IsKind(err, fault.NotFound) {
		return Picture{}, nil, unknown
	}
	return p, data, err
}

// Bytes reads a picture as it is kept, or its small copy, which is a JPEG or PNG.
func (s *Service) Bytes(ctx context.Context, p Picture, small bool) ([]byte, error) {
	c, err := s.c.Store.PictureContent(ctx, p.Tenant, p.ID, small)
	if err != nil {
		return nil, fmt.Errorf("read picture: %w", err)
	}
	data, err := s.c.Keeper.OpenBody(c.Sealed, c.Salt)
	if err != nil {
		return nil, fmt.Errorf("open picture: %w", err)
	}
	return data, nil
}
