package audience_test

import (
	"fmt"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Several pairs that share a contact become one; what somebody changed is left.
func TestSeveralAreMerged(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	s := audience.NewContacts(&audiencetest.Contacts{}, func() time.Time { return now })
	owner, ctx := id.New[tenant.Kind](now), t.Context()
	var all []audience.Contact
	for i := range 7 {
		c, err := s.Create(ctx, owner, audience.Contact{Addresses: []message.Address{{Local: fmt.Sprintf("a+%d", i), Domain: "x.example"}}}, audience.OriginOffice, "usr_1")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	pair := func(a, b int) audience.Joining {
		return audience.Joining{Kept: all[a].ID, Other: all[b].ID, Version: all[a].Version, OtherVersion: all[b].Version}
	}
	changed := all[4]
	changed.Company = "Anders"
	if _, err := s.Change(ctx, owner, changed, "usr_2"); err != nil {
		t.Fatal(err)
	}
	if err := s.Distinguish(ctx, owner, []audience.Pair{{all[5].ID, all[1].ID}}, "usr_1"); err != nil {
		t.Fatal(err)
	}
	// 5 is not 1, and so not 0 either once 1 is part of it; nor by way of 6.
	n, err := s.MergeSeveral(ctx, owner, []audience.Joining{pair(0, 1), pair(1, 2), pair(0, 2), pair(3, 3), pair(3, 4), pair(0, 5), pair(5, 6), pair(0, 6)}, "usr_1")
	if err != nil || n != 3 {
		t.Fatalf("%d merged, %v", n, err)
	}
	c, err := s.Contact(ctx, owner, all[0].ID)
	if err != nil || len(c.Addresses) != 3 {
		t.Errorf("%+v, %v", c, err)
	}
	for _, i := range []int{3, 4, 5} {
		if _, err := s.Contact(ctx, owner, all[i].ID); err != nil {
			t.Errorf("contact %d: %v", i, err)
		}
	}
}
