package demo

import (
	"sort"
	"sync"
	"time"
)

// The world forgets the oldest mail beyond these bounds.
const (
	maxMails = 2000
	maxBytes = 256 << 20
)

// mail is one message in one mailbox. It is not changed after it was put there.
type mail struct {
	ID       int
	Box      string // address of the mailbox
	Provider string
	Sender   string // envelope sender
	Remote   string // address it came from
	EHLO     string
	TLS      string // "TLS 1.3", "" if plain
	At       time.Time
	Raw      []byte

	From, Subject string // decoded, for lists
}

// boxes keeps all mailboxes in memory.
type boxes struct {
	maxMails, maxBytes int

	mu    sync.Mutex
	last  int
	bytes int
	mails []mail // oldest first
	subs  map[chan struct{}]bool
}

func newBoxes(maxMails, maxBytes int) *boxes {
	return &boxes{maxMails: maxMails, maxBytes: maxBytes, subs: map[chan struct{}]bool{}}
}

// put stores a mail under a new number and wakes whoever watches.
func (b *boxes) put(m mail) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	m.ID = b.last
	b.mails = append(b.mails, m)
	b.bytes += len(m.Raw)
	for len(b.mails) > 1 && (len(b.mails) > b.maxMails || b.bytes > b.maxBytes) {
		b.bytes -= len(b.mails[0].Raw)
		b.mails = b.mails[1:]
	}
	for ch := range b.subs {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
	return m.ID
}

func (b *boxes) get(id int) (mail, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := sort.Search(len(b.mails), func(i int) bool { return b.mails[i].ID >= id })
	if i == len(b.mails) || b.mails[i].ID != id {
		return mail{}, false
	}
	return b.mails[i], true
}

// list returns the mails of a mailbox, or of all for "", newest first.
func (b *boxes) list(box string, limit int) []mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []mail
	for i := len(b.mails) - 1; i >= 0 && len(found) < limit; i-- {
		if box == "" || b.mails[i].Box == box {
			found = append(found, b.mails[i])
		}
	}
	return found
}

// counts returns how many mails lie in each mailbox.
func (b *boxes) counts() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := map[string]int{}
	for _, m := range b.mails {
		n[m.Box]++
	}
	return n
}

// watch tells of new mail until cancel is called. Several mails may come as one signal.
func (b *boxes) watch() (news <-chan struct{}, cancel func()) {
	ch := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs[ch] = true
	return ch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.subs, ch)
	}
}
