package audience_test

import (
	"testing"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// A tenant's own people may be stricter and adjust what is counted; what suppresses at
// once stays so. Staff may do as they like.
func TestBoundsOfRules(t *testing.T) {
	s, owner := newService(t, &audiencetest.Store{}), newTenant()
	for name, c := range map[string]struct {
		rules audience.Rules
		want  string
	}{
		"none":                   {nil, ""},
		"soft":                   {audience.Rules{{Class: "mailbox_full", Count: 5, Within: 90, Lasts: 60}}, ""},
		"soft at once":           {audience.Rules{{Class: "rejected", Count: 1}}, ""},
		"complaints of all":      {audience.Rules{{Class: "complaint", Count: 1}}, ""},
		"soft never":             {audience.Rules{{Class: "mailbox_full", Count: 0}}, "rule_too_weak rules/0/count"},
		"soft for a day":         {audience.Rules{{Class: "mailbox_full", Count: 3, Within: 60, Lasts: 1}}, "rule_too_weak rules/0/lasts"},
		"soft in a day":          {audience.Rules{{Class: "mailbox_full", Count: 3, Within: 1}}, "rule_too_weak rules/0/within"},
		"unknown twice":          {audience.Rules{{Class: "user_unknown", Count: 2, Within: 60, Everywhere: true}}, "rule_too_weak rules/0/count"},
		"unknown for a while":    {audience.Rules{{Class: "user_unknown", Count: 1, Lasts: 60, Everywhere: true}}, "rule_too_weak rules/0/lasts"},
		"unknown here only":      {audience.Rules{{Class: "user_unknown", Count: 1}}, "rule_too_weak rules/0/everywhere"},
		"complaints never":       {audience.Rules{{Class: "complaint", Count: 0}}, "rule_too_weak rules/0/count"},
		"complaints not decided": {audience.Rules{{Class: "complaint", Streams: []tenant.Stream{tenant.Lead}, Count: 1}}, "rule_missing rules"},
	} {
		have := ""
		if f := fault.As(s.SetRules(t.Context(), owner, c.rules, audience.By{Actor: "usr_1"})); f != nil {
			have = f.Code + " " + f.Field
		}
		if have != c.want {
			t.Errorf("%s: %q, want %q", name, have, c.want)
		}
		if err := s.SetRules(t.Context(), owner, c.rules, audience.By{Staff: true}); err != nil {
			t.Errorf("%s by staff: %v", name, err)
		}
	}
}

// Unsubscribes are tightened as the others are; what was kept before there were any of one's
// own are the platform's.
func TestThresholdsOfUnsubscribes(t *testing.T) {
	owner := newTenant()
	s := newService(t, &audiencetest.Store{})
	_, defaults := s.Defaults()
	v := defaults.Thresholds()
	for name, c := range map[string]struct {
		own  audience.Threshold
		want audience.Limit
		bad  string
	}{
		"stricter":    {audience.Threshold{Least: 5, Share: 10}, audience.Limit{Least: 5, Share: 10}, ""},
		"none":        {audience.Threshold{}, defaults.Unsubscribes, ""},
		"looser":      {audience.Threshold{Least: 5, Share: defaults.Unsubscribes.Share + 1}, audience.Limit{}, "threshold_too_weak"},
		"half a pair": {audience.Threshold{Share: 10}, audience.Limit{}, "threshold_malformed"},
	} {
		v.Unsubscribes = c.own
		err := s.SetThresholds(t.Context(), owner, &v, audience.By{Actor: "usr_1"})
		if f := fault.As(err); c.bad != "" && (f == nil || f.Code != c.bad) || c.bad == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if l := s.LimitsOf(owner).Unsubscribes; c.bad == "" && (l.Least != c.want.Least || l.Share != c.want.Share) {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

func TestThresholds(t *testing.T) {
	store, owner := &audiencetest.Store{}, newTenant()
	s := newService(t, store)
	_, defaults := s.Defaults()
	v := defaults.Thresholds()
	v.Hard.Share = 20
	if err := s.SetThresholds(t.Context(), owner, &v, audience.By{Actor: "usr_1"}); err != nil {
		t.Fatal(err)
	}
	if l := s.LimitsOf(owner); l.Hard.Share != 20 || l.Window != defaults.Window || len(l.Streams) == 0 {
		t.Errorf("%+v", l)
	}
	if l := s.LimitsOf(newTenant()); l.Hard.Share != defaults.Hard.Share {
		t.Errorf("another tenant's: %+v", l)
	}
	v.Sent, v.Complaints.Share = defaults.Sent+1, 0
	err := fault.As(s.SetThresholds(t.Context(), owner, &v, audience.By{}))
	if err == nil || err.Code != "threshold_too_weak" || err.Field != "sent" || len(err.Also) != 1 || err.Also[0].Code != "threshold_malformed" {
		t.Errorf("%+v", err)
	}
	v.Complaints.Share = 9
	if err := fault.As(s.SetThresholds(t.Context(), owner, &v, audience.By{Staff: true})); err == nil || err.Field != "reason" || len(err.Also) != 0 {
		t.Errorf("looser without a reason: %+v", err)
	}
	if err := s.SetThresholds(t.Context(), owner, &v, audience.By{Staff: true, Reason: "Vereinszeitung, abgesprochen"}); err != nil {
		t.Error(err)
	}
	if changes, err := s.SettingChanges(t.Context(), owner); len(changes) != 2 || err != nil || changes[0].Before.Hard.Share != 20 {
		t.Errorf("%+v, %v", changes, err)
	}
}
