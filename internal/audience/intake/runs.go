package intake

import (
	"cmp"
	"slices"
	"strings"
)

const (
	// partRows is how many rows a part has, the least that is imported in one transaction.
	partRows = 1000
	// partBytes ends a part of long rows early.
	partBytes = 1 << 20
	// runRows and runBytes bound what of a list is in memory while it is received.
	runRows  = 128 << 10
	runBytes = 16 << 20
)

// received cuts a list into parts. The first part is as the file has it, so that it can be
// shown. What follows is put in the order of its addresses, one run after the other, as far
// as memory allows: where neighbours in the list are neighbours in the index of addresses,
// a transaction changes few of its pages. Of two rows with one address the first of the file
// stays the first.
type received struct {
	keep  func(part []row) error
	key   int   // column of the addresses, -1 if none is known: the order stays that of the file
	first []row // of the first part once it is kept
	run   []row
	size  int // bytes of the run
}

// add takes the next row of the file.
func (l *received) add(r row) error {
	l.run = append(l.run, r)
	l.size += width(r)
	if l.first == nil && (len(l.run) == partRows || l.size > partBytes) {
		return l.begin()
	}
	if len(l.run) == runRows || l.size > runBytes {
		return l.flush()
	}
	return nil
}

// end keeps what is left.
func (l *received) end() error {
	if l.first == nil && len(l.run) > 0 {
		return l.begin()
	}
	return l.flush()
}

// begin keeps the first part.
func (l *received) begin() error {
	l.first = l.run
	l.run, l.size = nil, 0
	return l.keep(l.first)
}

// flush keeps a run.
func (l *received) flush() error {
	if l.key >= 0 {
		slices.SortStableFunc(l.run, func(a, b row) int { return cmp.Compare(l.address(a), l.address(b)) })
	}
	for rest := l.run; len(rest) > 0; {
		n, size := 0, 0
		for n < len(rest) && n < partRows && size <= partBytes {
			size += width(rest[n])
			n++
		}
		if err := l.keep(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	clear(l.run)
	l.run, l.size = l.run[:0], 0
	return nil
}

// address is what a row is ordered by: alike for spellings of one address.
func (l *received) address(r row) string {
	if l.key >= len(r.Cells) {
		return ""
	}
	return strings.ToLower(r.Cells[l.key])
}

// width is how many bytes a row has.
func width(r row) (n int) {
	for _, c := range r.Cells {
		n += len(c)
	}
	return n
}
