package store

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"stafette/internal/tenant"
)

// scope is what a suppression holds for.
type scope struct {
	tenant tenant.ID
	stream tenant.Stream
}

// suppression is a row as the look-up needs it.
type suppression struct {
	reason  string
	created int64
	expires sql.NullInt64
}

// inquiry is one question: which of these addresses have a suppression in the scope?
type inquiry struct {
	scope
	addresses []string
	answer    chan<- suppressionAnswer
}

type suppressionAnswer struct {
	rows map[string]suppression // of all who asked together; more than one asked for
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
func (i *inquiries) ask(ctx context.Context, q inquiry) (map[string]suppression, error) {
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
func (i *inquiries) look(of scope, list []inquiry) (map[string]suppression, error) {
	rows := map[string]suppression{}
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
			var address string
			var s suppression
			if err := row.Scan(&address, &s.reason, &s.created, &s.expires); err != nil {
				return err
			}
			rows[address] = s
			return nil
		})
	}
	asked := map[string]bool{}
	for _, q := range list {
		for _, address := range q.addresses {
			if asked[address] {
				continue
			}
			asked[address] = true
			args = append(args, address)
			if len(args) == 2+most {
				if err := flush(); err != nil {
					return nil, err
				}
			}
		}
	}
	return rows, flush()
}
