package egress

import "time"

// meterSlots is how finely a meter knows the past.
const meterSlots = 60

// meter counts mails in a sliding window. A classic token bucket that is full lets
// through twice its ceiling in one window; this one never lets through more than
// the ceiling in any window of its span, at the price of giving room back up to a
// sixtieth of the span late. Its size does not depend on the ceiling.
type meter struct {
	span   time.Duration
	slots  [meterSlots + 1]int64 // ring; a window touches one slot more than it fills
	newest int64                 // number of the newest slot since 1970
	sum    int64
}

func newMeter(span time.Duration) meter { return meter{span: span} }

func (m *meter) width() int64 { return int64(m.span) / meterSlots }

// advance forgets what is out of the window at now. A clock that goes back changes
// nothing.
func (m *meter) advance(now time.Time) {
	at := now.UnixNano() / m.width()
	switch gone := at - m.newest; {
	case gone <= 0:
		return
	case gone > meterSlots:
		m.slots, m.sum = [meterSlots + 1]int64{}, 0
	default:
		for n := m.newest + 1; n <= at; n++ {
			i := n % (meterSlots + 1)
			m.sum -= m.slots[i]
			m.slots[i] = 0
		}
	}
	m.newest = at
}

// used returns how many mails are in the window that ends now.
func (m *meter) used(now time.Time) int64 {
	m.advance(now)
	return m.sum
}

// add counts one mail.
func (m *meter) add(now time.Time) {
	m.advance(now)
	m.slots[m.newest%(meterSlots+1)]++
	m.sum++
}

// next returns when there is room below the ceiling; the zero time if there is now.
func (m *meter) next(now time.Time, ceiling int64) time.Time {
	left := m.used(now)
	if left < ceiling {
		return time.Time{}
	}
	for n := m.newest - meterSlots; n <= m.newest; n++ {
		left -= m.slots[n%(meterSlots+1)]
		if left < ceiling {
			return time.Unix(0, (n+meterSlots+1)*m.width()).UTC()
		}
	}
	return now.Add(m.span) // a ceiling of 0
}
