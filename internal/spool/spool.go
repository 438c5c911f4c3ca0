// Package spool keeps message bodies: written once, sealed, durable before the
// message is acknowledged, dropped by whole days when the retention time is over.
//
// It is the second station of the journey. It knows nothing of recipients or
// states. Bodies lie in an Archive: append-only files on a single node
// (Files, in this package) or a table partitioned by day (package store).
package spool

import (
	"context"
	"fmt"
	"time"

	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Day counts days since 1970-01-01 UTC.
type Day int32

// DayOf returns the UTC day of t.
func DayOf(t time.Time) Day { return Day(t.Unix() / 86400) }

// Ref says where a sealed body lies. It is kept in the message's row.
type Ref struct {
	Day     Day
	Segment int32 // file of the day; 0 in a table
	Offset  int64 // byte position in the segment; 0 in a table
	Length  int32 // sealed bytes
}

// Handle is all it takes to read a body again.
type Handle struct {
	Tenant  tenant.ID
	Message message.ID
	Ref     Ref
	Salt    seal.Salt
}

// Archive reads sealed bodies and drops old ones. Appending differs by kind and
// is part of the store's commit.
type Archive interface {
	// Read returns the sealed body. A body that is gone is ErrGone; a body that
	// fails its checksum is ErrCorrupt.
	Read(ctx context.Context, h Handle) ([]byte, error)
	// DropBefore removes all days before d and reports how many days and bytes.
	DropBefore(ctx context.Context, d Day) (days int, bytes int64, err error)
}

// Spool reads bodies in clear. It is safe for concurrent use.
type Spool struct {
	archive Archive
	keeper  *seal.Keeper
	merger  Merger // nil: no body is a Record
}

// New makes a Spool over an archive.
func New(a Archive, k *seal.Keeper) *Spool { return &Spool{archive: a, keeper: k} }

// Body reads and opens a body; of a Record it makes the mail. Errors: ErrGone when it was
// dropped or erased, ErrCorrupt when it cannot be what was written, ErrUnmergeable.
func (s *Spool) Body(ctx context.Context, h Handle) ([]byte, error) { return s.body(ctx, h, false) }

// Plain is Body, but the mail of a Record tells nobody that it is read.
func (s *Spool) Plain(ctx context.Context, h Handle) ([]byte, error) { return s.body(ctx, h, true) }

func (s *Spool) body(ctx context.Context, h Handle, silent bool) ([]byte, error) {
	if h.Salt == (seal.Salt{}) {
		return nil, fmt.Errorf("body of %s: %w", h.Message, ErrGone)
	}
	sealed, err := s.archive.Read(ctx, h)
	if err != nil {
		return nil, fmt.Errorf("body of %s: %w", h.Message, err)
	}
	body, err := s.keeper.OpenBody(sealed, h.Salt)
	if err != nil {
		return nil, fmt.Errorf("body of %s: %w: %w", h.Message, ErrCorrupt, err)
	}
	return s.merged(ctx, h, body, silent)
}
