package privacy

import (
	"context"
	"fmt"
	"io"

	"stafette/internal/fault"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// partSize is how much of a file is sealed and stored together.
const partSize = 1 << 20

// file writes a request's file in sealed parts. Close stores the last one.
type file struct {
	ctx  context.Context //nolint:containedctx // an io.Writer has no other way to take it; lives for one request
	s    *Service
	r    *Request
	part int
	held []byte
}

func (s *Service) newFile(ctx context.Context, r *Request) *file {
	r.Size = 0
	return &file{ctx: ctx, s: s, r: r}
}

// Write implements io.Writer.
func (f *file) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		take := min(partSize-len(f.held), len(p))
		f.held = append(f.held, p[:take]...)
		p = p[take:]
		if len(f.held) == partSize {
			if err := f.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (f *file) flush() error {
	salt := seal.NewSalt()
	sealed, err := f.s.c.Keeper.SealBody(nil, f.held, salt)
	if err != nil {
		return fmt.Errorf("seal file: %w", err)
	}
	if err := f.s.c.Store.PutPart(f.ctx, f.r.Tenant, f.r.ID, f.part, Part{Salt: salt, Sealed: sealed}); err != nil {
		return err
	}
	f.r.Size += int64(len(f.held))
	f.part++
	f.held = f.held[:0]
	return nil
}

// Close stores what is left.
func (f *file) Close() error {
	if len(f.held) == 0 && f.part > 0 {
		return nil
	}
	return f.flush()
}

// Fetch writes the file of an access request that is done. Errors:
// "privacy_request_not_found", Conflict "privacy_file_unfinished", and Gone in the words
// of package fault: NotFound "privacy_file_expired". It returns before the first byte if
// there is nothing to fetch.
func (s *Service) Fetch(ctx context.Context, t tenant.ID, id RequestID) (func(io.Writer) error, Request, error) {
	r, err := s.c.Store.Request(ctx, t, id)
	switch {
	case err != nil:
		return nil, r, err
	case r.Kind != Access:
		return nil, r, errNoRequest()
	case r.State == Expired || r.State == Done && !r.ExpiresAt.After(s.c.Now()):
		return nil, r, fault.New(fault.NotFound, "privacy_file_expired", "The file was dropped.")
	case r.State != Done:
		return nil, r, fault.New(fault.Conflict, "privacy_file_unfinished", "The file is not ready yet.")
	}
	return func(w io.Writer) error { return s.copy(ctx, r, w) }, r, nil
}

func (s *Service) copy(ctx context.Context, r Request, w io.Writer) error {
	for n := 0; ; n++ {
		p, ok, err := s.c.Store.Part(ctx, r.Tenant, r.ID, n)
		if err != nil || !ok {
			return err
		}
		text, err := s.c.Keeper.OpenBody(p.Sealed, p.Salt)
		if err != nil {
			return fmt.Errorf("open file: %w", err)
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
}
