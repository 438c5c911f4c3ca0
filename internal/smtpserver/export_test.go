package smtpserver

import (
	"runtime"
	"testing"
)

// Waits returns when the door holds that many bytes of mail.
func (r *Returns) Waits(t *testing.T, n int64) {
	for r.inUse.Load() < n {
		if t.Context().Err() != nil {
			t.Fatal("no mail came")
		}
		runtime.Gosched()
	}
}
