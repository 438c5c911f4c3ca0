package seal_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"sync"
	"testing"

	"stafette/internal/seal"
)

func TestCodesAreHMAC(t *testing.T) {
	for _, key := range []string{"", "k", strings.Repeat("long", 100)} {
		c := seal.NewCodes([]byte(key))
		var work sync.WaitGroup
		for i := range 50 {
			work.Go(func() {
				text := strings.Repeat("x", i)
				want := hmac.New(sha256.New, []byte(key))
				want.Write([]byte("of" + text))
				if got := c.Of([]byte("of"), []byte(text)); !hmac.Equal(got[:], want.Sum(nil)) {
					t.Errorf("key of %d bytes, text of %d: another code", len(key), i)
				}
			})
		}
		work.Wait()
	}
}
