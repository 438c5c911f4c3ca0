package spool

import (
	"bytes"
	"testing"

	"stafette/internal/message"
)

func FuzzParseRecord(f *testing.F) {
	m := message.ID{1, 2, 3}
	whole := appendRecord(nil, Body{Message: m, Sealed: []byte("sealed")})
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(whole[:recordHeader])
	f.Add([]byte(recordMagic))
	f.Add(append([]byte(recordMagic), bytes.Repeat([]byte{0xff}, 40)...))
	f.Fuzz(func(t *testing.T, record []byte) {
		sealed, err := parseRecord(record, m)
		if err != nil {
			return
		}
		// Only what appendRecord makes, or a later version with a longer header, passes.
		again := appendRecord(nil, Body{Message: m, Sealed: sealed})
		if len(record) == len(again) && !bytes.Equal(record, again) {
			t.Errorf("%x is read as a record", record)
		}
	})
}
