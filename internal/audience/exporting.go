package audience

import (
	"context"
	"io"
	"time"

	"stafette/internal/message"
	"stafette/internal/spreadsheet"
	"stafette/internal/tenant"
)

// Suppression returns one. The error is NotFound "suppression_not_found".
func (s *Service) Suppression(ctx context.Context, t tenant.ID, e ID) (Entry, error) {
	return s.cfg.Store.Suppression(ctx, t, e)
}

// Suppressions lists. A Text that is a whole address also finds one that was erased.
func (s *Service) Suppressions(ctx context.Context, t tenant.ID, f Filter) (Page, error) {
	if a, err := message.ParseAddress(f.Text); err == nil {
		f.Hash, f.Text = s.Hash(t, a), ""
	}
	return s.cfg.Store.Suppressions(ctx, t, f)
}

// History returns what happened to the address of a suppression, from old to new.
func (s *Service) History(ctx context.Context, t tenant.ID, h Hash) ([]Act, error) {
	return s.cfg.Store.History(ctx, t, h)
}

const exportPage = 500

// Export writes all suppressions that the filter matches as CSV that ReadCSV reads
// again, with codes and times in UTC. Spreadsheets take none of its cells for a formula
// (T28). Erased addresses are left out.
func (s *Service) Export(ctx context.Context, t tenant.ID, f Filter, w io.Writer, comma rune) error {
	out := spreadsheet.NewWriter(w, comma)
	if err := out.Write("address", "stream", "reason", "class", "created_at", "expires_at", "actor", "note"); err != nil {
		return err
	}
	f.After, f.Limit = ID{}, exportPage
	for {
		page, err := s.Suppressions(ctx, t, f)
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			if f.After = e.ID; e.Erased() {
				continue
			}
			if err := out.Write(e.Address.String(), string(e.Stream), string(e.Reason), e.Class, stamp(e.CreatedAt), stamp(e.ExpiresAt), e.Actor, e.Note); err != nil {
				return err
			}
		}
		if err := out.Flush(); !page.More || err != nil {
			return err
		}
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
