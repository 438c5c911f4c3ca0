package audience_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// BenchmarkCheck is what the question at the moment of sending costs each delivery, with
// 100,000 addresses suppressed lately.
func BenchmarkCheck(b *testing.B) {
	s, err := audience.New(audience.Config{Store: &audiencetest.Store{}, Key: []byte(audiencetest.Key), Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	owner := newTenant()
	for i := range 100_000 {
		s.Noted([]audience.Hash{s.Hash(owner, message.Address{Local: fmt.Sprint(i), Domain: "kunde.example"})})
	}
	accepted := time.Now().Add(time.Hour)
	to := message.Address{Local: "eva.sommer", Domain: "kunde.example"}
	for b.Loop() {
		if _, err := s.Check(context.Background(), owner, tenant.Newsletter, to, accepted); err != nil {
			b.Fatal(err)
		}
	}
}
