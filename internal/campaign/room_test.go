package campaign_test

import (
	"context"
	"testing"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/tenant"
)

// TestMailingsAskForRoom holds that a mailing waits for room before its further steps, in vain
// only once in a turn, and not where another waits for its step; it goes on in any case.
func TestMailingsAskForRoom(t *testing.T) {
	for name, c := range map[string]struct {
		room     bool
		mailings int
		least    int
		most     int
	}{
		"room":             {true, 1, 2, 9},
		"no room":          {false, 1, 1, 1},
		"two at the start": {false, 2, 0, 1}, // the second may be alone in the end
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3)
			asked := 0
			w.config.Room = func(_ context.Context, who tenant.ID, n int, most time.Duration) bool {
				if who != w.who.Tenant || n <= 0 || most <= 0 {
					t.Errorf("asked for room for %d of %s for %s", n, who, most)
				}
				asked++
				return c.room
			}
			w.service = campaign.New(w.config)
			var list []campaign.Campaign
			for range c.mailings {
				list = append(list, w.draft())
				w.send(list[len(list)-1])
			}
			w.turn()
			for _, v := range list {
				if v = w.read(v); v.State != campaign.Sent || v.Accepted != 3 {
					t.Errorf("%s, %d accepted", v.State, v.Accepted)
				}
			}
			if asked < c.least || asked > c.most {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}
