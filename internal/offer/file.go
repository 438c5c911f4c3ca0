package offer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"

	"stafette/internal/fault"
	"stafette/internal/picture"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Limits of files in bytes.
const (
	MaxPicture = 15 << 20
	MaxPaper   = 25 << 20
	// partSize is how much of a file one row holds: short transactions let mail pass.
	partSize = 512 << 10
)

// Upload is a file as it came.
type Upload struct {
	Kind  FileKind
	Title string // needed for pictures, who do not see them hear it; else the file's name stands in
	Name  string
	Data  []byte
	// Replaces is the identifier of the file it is a newer version of; "": it is a new one.
	// Another exposé replaces the one that is there.
	Replaces string
}

// AddFile takes a file into the draft. Pictures are decoded and written anew, so that
// nothing but the picture remains of them; other files are PDF and kept to the byte.
// Refusals are Invalid or TooLarge with the fields "file", "kind" and "title".
func (s *Service) AddFile(ctx context.Context, t tenant.ID, o ID, u Upload) (File, error) {
	v, err := s.Offer(ctx, t, o)
	if err != nil {
		return File{}, err
	}
	f, data, err := s.taken(ctx, u)
	if err != nil {
		return File{}, err
	}
	files := slices.Clone(v.Content.Files)
	i := slices.IndexFunc(files, func(old File) bool {
		return u.Replaces != "" && old.ID == u.Replaces || f.Kind == Expose && old.Kind == Expose
	})
	switch {
	case u.Replaces != "" && i < 0:
		return File{}, fault.Field("replaces", CodeFile, "There is no such file.")
	case i >= 0 && files[i].Kind != f.Kind:
		return File{}, fault.Field("kind", CodeFileKind, "A file is replaced by one of its kind.")
	case i >= 0:
		if f.ID, f.Version = files[i].ID, files[i].Version; f.SHA256 != files[i].SHA256 {
			f.Version++
		}
		files[i] = f
	case len(files) >= MaxFiles:
		return File{}, fault.Field("file", CodeMany, fmt.Sprintf("At most %d files.", MaxFiles))
	default:
		files = append(files, f)
	}
	if err := s.keep(ctx, t, o, f.SHA256, data); err != nil {
		return File{}, err
	}
	v.Content.Files, v.UpdatedAt = files, s.now()
	return f, s.save(ctx, v)
}

// taken checks an upload and returns what is kept of it.
func (s *Service) taken(ctx context.Context, u Upload) (File, []byte, error) {
	f := File{ID: short(), Kind: u.Kind, Title: strings.TrimSpace(u.Title), Name: fileName(u.Name), Version: 1}
	k := &checker{}
	k.text("title", f.Title, 200, false)
	if !slices.Contains(FileKinds(), u.Kind) {
		k.add("kind", CodeFileKind, "The kinds are picture, expose, floorplan and document.")
	}
	if u.Kind == Picture && f.Title == "" {
		k.add("title", CodeAlt, "Say what the picture shows.")
	}
	if err := fault.Join(k.found); err != nil {
		return f, nil, err
	}
	most := MaxPaper
	if u.Kind == Picture {
		most = MaxPicture
	}
	if len(u.Data) > most {
		return f, nil, &fault.Error{Kind: fault.TooLarge, Code: CodeFileLarge, Field: "file", Detail: fmt.Sprintf("At most %d bytes.", most)}
	}
	data := u.Data
	if u.Kind == Picture {
		release, err := enter(ctx, s.drawing)
		if err != nil {
			return f, nil, err
		}
		defer release()
		p, err := redraw(u.Data)
		if err != nil {
			return f, nil, err
		}
		data, f.Media, f.Width, f.Height = p.Data, p.Media, p.Width, p.Height
		f.Name = strings.TrimSuffix(f.Name, path.Ext(f.Name)) + p.End
	} else {
		if err := checkPDF(u.Data); err != nil {
			return f, nil, err
		}
		f.Media = "application/pdf"
		if !strings.HasSuffix(strings.ToLower(f.Name), ".pdf") {
			f.Name += ".pdf"
		}
	}
	if f.Title == "" {
		f.Title = strings.TrimSuffix(f.Name, path.Ext(f.Name))
	}
	f.Size, f.SHA256 = int64(len(data)), sha256.Sum256(data)
	return f, data, nil
}

// shownSide is the longest side of a picture as it is kept.
const shownSide = 1600

// redraw draws a picture anew (T30); refusals have the codes of this room.
func redraw(data []byte) (picture.Drawn, error) {
	p, err := picture.Redraw(data, shownSide, picture.JPEG, picture.PNG)
	if f := fault.As(err); f != nil {
		known := map[string]string{picture.CodeMedia: CodeFileMedia, picture.CodeLarge: CodeFileLarge, picture.CodeBroken: CodeFileBroke}
		return p, &fault.Error{Kind: f.Kind, Code: known[f.Code], Field: f.Field, Detail: f.Detail}
	}
	return p, err
}

// enter waits for one of few places and returns how to leave it.
func enter(ctx context.Context, places chan struct{}) (leave func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fileName is a name without a path and without what could end or turn a header or be
// taken for a path (T10).
func fileName(name string) string {
	name = strings.ToValidUTF8(name, "")
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) || strings.ContainsRune(`"<>|:*?;`, r) {
			return -1
		}
		return r
	}, name)
	name = firstRunes(strings.Trim(name, " ."), 120)
	if name == "" {
		return "datei"
	}
	return name
}

// checkPDF takes what begins as a PDF does and ends as one: other kinds are refused by
// what they are, not by their name (T30). It is never opened here, and browsers are told
// to take it apart from the page.
func checkPDF(data []byte) error {
	if !bytes.HasPrefix(data, []byte("%PDF-1.")) && !bytes.HasPrefix(data, []byte("%PDF-2.")) {
		return fault.Field("file", CodeFileMedia, "Only PDF files are taken here.")
	}
	if tail := data[max(0, len(data)-2048):]; !bytes.Contains(tail, []byte("%%EOF")) {
		return fault.Field("file", CodeFileBroke, "The PDF does not end; it did not arrive whole.")
	}
	return nil
}

// keep seals the bytes of a file, each part with a key of its own.
func (s *Service) keep(ctx context.Context, t tenant.ID, o ID, file Hash, data []byte) error {
	n := 0
	for chunk := range slices.Chunk(data, partSize) {
		p := Part{Salt: seal.NewSalt()}
		var err error
		if p.Sealed, err = s.c.Keeper.SealBody(nil, chunk, p.Salt); err != nil {
			return fmt.Errorf("seal file of offer: %w", err)
		}
		if err := s.c.Store.PutOfferPart(ctx, t, o, file, n, p); err != nil {
			return fmt.Errorf("keep file of offer: %w", err)
		}
		n++
	}
	return nil
}

// errFileGone says that the bytes of a file are not what its hash says.
var errFileGone = errors.New("the kept bytes of a file of an offer are damaged or gone")

// Bytes reads a file of an offer. What is read has the file's hash.
func (s *Service) Bytes(ctx context.Context, t tenant.ID, o ID, f File) ([]byte, error) {
	data := make([]byte, 0, f.Size)
	for n := 0; ; n++ {
		p, ok, err := s.c.Store.OfferPart(ctx, t, o, f.SHA256, n)
		if err != nil {
			return nil, fmt.Errorf("read file of offer: %w", err)
		}
		if !ok {
			break
		}
		chunk, err := s.c.Keeper.OpenBody(p.Sealed, p.Salt)
		if err != nil {
			return nil, fmt.Errorf("open file of offer: %w", err)
		}
		data = append(data, chunk...)
	}
	if sha256.Sum256(data) != f.SHA256 {
		return nil, errFileGone
	}
	return data, nil
}

// Retitle changes the title of a file of the draft, and its place among the others if up
// is set.
func (s *Service) Retitle(ctx context.Context, t tenant.ID, o ID, file, title string, up bool) error {
	return s.changeFile(ctx, t, o, func(files []File, i int) ([]File, error) {
		title = strings.TrimSpace(title)
		if title == "" {
			return nil, fault.Field("title", CodeAlt, "A title is needed.")
		}
		k := &checker{}
		if k.text("title", title, 200, false); len(k.found) > 0 {
			return nil, fault.Join(k.found)
		}
		files[i].Title = title
		if up && i > 0 {
			files[i-1], files[i] = files[i], files[i-1]
		}
		return files, nil
	}, file)
}

// DropFile takes a file out of the draft. Versions that were published keep it.
func (s *Service) DropFile(ctx context.Context, t tenant.ID, o ID, file string) error {
	return s.changeFile(ctx, t, o, func(files []File, i int) ([]File, error) { return slices.Delete(files, i, i+1), nil }, file)
}

func (s *Service) changeFile(ctx context.Context, t tenant.ID, o ID, change func([]File, int) ([]File, error), file string) error {
	v, err := s.Offer(ctx, t, o)
	if err != nil {
		return err
	}
	files := slices.Clone(v.Content.Files)
	i := slices.IndexFunc(files, func(f File) bool { return f.ID == file })
	if i < 0 {
		return fault.New(fault.NotFound, CodeFile, "There is no such file.")
	}
	if v.Content.Files, err = change(files, i); err != nil {
		return err
	}
	v.UpdatedAt = s.now()
	return s.save(ctx, v)
}
