package store

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/tenant"
)

// scope is what a suppression holds for.
type scope struct {
	tenant tenant.ID
	stream tenant.Stream
}

// suppression is a row as the look-up needs it.
type suppression struct {
	reason  audience.Reason
	created int64
	expires sql.NullInt64
}

// inquiry is one question: which of these addresses have a suppression in the scope?
type inquiry struct {
	scope
	hashes []audience.Hash
	answer chan<- suppressionAnswer
}

// suppressionAnswer holds the rows of all who asked together; more than one asked for.
// An address has at most two: that of the stream and that of all streams.
type suppressionAnswer struct {
	rows map[audience.Hash][]suppression
	err  error
}

// inquiries answers those who ask while it is busy with one query, as the committer
// writes for all who wait. Under load a message costs a fraction of a query.
type inquiries struct {
	query suppressionQuery
	in    chan inquiry
	once  sync.Once
	quit  chan struct{}
	ended chan struct{}
}

// inquiryTime bounds one query. Who asked may leave before; the query goes on for
// the others.
const inquiryTime = 10 * time.Second

func startInquiries(q suppressionQuery) *inquiries {
	i := &inquiries{query: q, in: make(chan inquiry, suppressionSizes[len(suppressionSizes)-1]), quit: make(chan struct{}), ended: make(chan struct{})}
	go i.run()
	return i
}

// ask waits for the answer or the end of ctx.
func (i *inquiries) ask(ctx context.Context, q inquiry) (map[audience.Hash][]suppression, error) {
	answer := make(chan suppressionAnswer, 1) // the answer never waits for who left
	q.answer = answer
	select {
	case i.in <- q:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-i.ended:
		return nil, errClosed()
	}
	select {
	case a := <-answer:
		return a.rows, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-i.ended:
		return nil, errClosed()
	}
}

func (i *inquiries) stop() {
	i.once.Do(func() { close(i.quit) })
	<-i.ended
}

func (i *inquiries) run() {
	defer close(i.ended)
	for {
		select {
		case <-i.quit:
			return
		case q := <-i.in:
			for scope, list := range i.gather(q) {
				i.answer(scope, list)
			}
		}
	}
}

// gather takes what waits, by scope.
func (i *inquiries) gather(first inquiry) map[scope][]inquiry {
	groups := map[scope][]inquiry{first.scope: {first}}
	for range cap(i.in) {
		select {
		case q := <-i.in:
			groups[q.scope] = append(groups[q.scope], q)
		default:
			return groups
		}
	}
	return groups
}

func (i *inquiries) answer(of scope, list []inquiry) {
	var a suppressionAnswer
	a.rows, a.err = i.look(of, list)
	for _, q := range list {
		q.answer <- a
	}
}

// look asks the database for all addresses of the list, in as few queries as the
// prepared sizes allow.
func (i *inquiries) look(of scope, list []inquiry) (map[audience.Hash][]suppression, error) {
	rows := map[audience.Hash][]suppression{}
	most := suppressionSizes[len(suppressionSizes)-1]
	args := []any{of.tenant[:], string(of.stream)}
	ctx, cancel := context.WithTimeout(context.Background(), inquiryTime)
	defer cancel()
	flush := func() error {
		if len(args) == 2 {
			return nil
		}
		found, err := i.query.query(ctx, args)
		args = args[:2]
		return scan(found, err, func(row *sql.Rows) error {
			var hash []byte
			var s suppression
			if err := row.Scan(&hash, &s.reason, &s.created, &s.expires); err != nil {
				return err
			}
			h := audience.Hash(hash)
			rows[h] = append(rows[h], s)
			return nil
		})
	}
	asked := map[audience.Hash]bool{}
	for _, q := range list {
		for _, hash := range q.hashes {
			if asked[hash] {
				continue
			}
			asked[hash] = true
			args = append(args, hash[:])
			if len(args) == 2+most {
				if err := flush(); err != nil {
					return nil, err
				}
			}
		}
	}
	return rows, flush()
}
