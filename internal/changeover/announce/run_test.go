package announce_test

import (
	"testing"
	"testing/synctest"

	"stafette/internal/changeover/announce"
)

// What is ordered goes out before the clock comes by, and once however often it is ordered.
func TestOrdersGoOutAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		go w.Service.Run(t.Context())
		for range 2 {
			w.must(w.Send(t.Context(), w.owner, w.plan.ID, announce.Everybody, "usr_1"))
			synctest.Wait()
		}
		if len(w.mails) != 2 { // the third has no address
			t.Errorf("%d letters", len(w.mails))
		}
	})
}
