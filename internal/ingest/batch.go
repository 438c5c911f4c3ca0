package ingest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"stafette/internal/fault"
	"stafette/internal/message"
)

// inquirySize is how many addresses of a batch are looked up at once, about.
const inquirySize = 500

// AcceptAll implements Acceptor. The parcels go from step to step together: what takes
// processor time is shared by the cores, what waits for the store waits once.
func (s *Service) AcceptAll(ctx context.Context, p Principal, list []Submission) []Result {
	results := make([]Result, len(list))
	if len(list) > s.c.Limits.MaxBatch {
		err := fault.New(fault.TooLarge, CodeBatchTooLarge, fmt.Sprintf("A batch holds at most %d messages.", s.c.Limits.MaxBatch))
		for i := range results {
			results[i].Err = err
		}
		return results
	}
	parcels := make([]*parcel, len(list))
	for i := range list {
		parcels[i] = &parcel{Principal: p, Submission: list[i]}
	}
	share(parcels, func(w *parcel) { s.prepare(ctx, w) })
	s.checkSuppressions(ctx, open(parcels))
	s.checkApprovals(ctx, open(parcels))
	for part := range slices.Chunk(open(parcels), batchPart) {
		s.askConsents(ctx, part)
		share(open(part), func(w *parcel) { s.refuseIf(ctx, w, s.finish(ctx, w)) })
		s.storeAll(ctx, open(part))
	}
	for i, w := range parcels {
		results[i] = Result{Receipt: w.receipt, Err: w.err}
	}
	return results
}

// open returns the parcels that are not concluded.
func open(list []*parcel) []*parcel {
	left := make([]*parcel, 0, len(list))
	for _, w := range list {
		if !w.over {
			left = append(left, w)
		}
	}
	return left
}

// share does the same with each parcel, on as many goroutines as there are cores.
func share(list []*parcel, do func(*parcel)) {
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < len(list); i = int(next.Add(1)) - 1 {
			do(list[i])
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(list)) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}

// checkSuppressions is checkSuppression for many parcels, which are all of one tenant,
// with one look-up for those of a stream that follow one another.
func (s *Service) checkSuppressions(ctx context.Context, list []*parcel) {
	for len(list) > 0 {
		var addrs []message.Address
		n := 0
		for n < len(list) && len(addrs) < inquirySize && list[n].m.Stream == list[0].m.Stream {
			for _, d := range list[n].lines {
				addrs = append(addrs, d.Recipient)
			}
			n++
		}
		reasons, err := s.c.Store.Suppressed(ctx, list[0].tenant.ID, list[0].m.Stream, addrs, list[0].now)
		for _, w := range list[:n] {
			if err != nil {
				s.refuseIf(ctx, w, fmt.Errorf("check suppressions: %w", err))
				continue
			}
			w.mark(reasons)
			s.refuseIf(ctx, w, refuseIfAllSuppressed(w))
		}
		list = list[n:]
	}
}

// askConsents asks what the recipients of many parcels said of tracking, with one look-up.
// Parcels whose recipients are not asked about here ask when they are woven.
func (s *Service) askConsents(ctx context.Context, list []*parcel) {
	if s.c.Weaver == nil || len(list) < 2 {
		return
	}
	var to []message.Address
	for _, w := range list {
		to = append(to, w.recipients()...)
	}
	said, err := s.c.Weaver.Said(ctx, list[0].m.Tenant, to)
	if err != nil {
		for _, w := range list {
			s.refuseIf(ctx, w, err)
		}
		return
	}
	for _, w := range list {
		w.said = said
	}
}

func (s *Service) storeAll(ctx context.Context, list []*parcel) {
	if len(list) == 0 {
		return
	}
	ready := make([][]Delivery, len(list))
	accs := make([]*Acceptance, len(list))
	for i, w := range list {
		ready[i] = s.reserve(w)
		accs[i] = &w.acc
	}
	for i, err := range s.c.Store.AcceptAll(ctx, accs) {
		s.stored(ctx, list[i], ready[i], err)
	}
}
