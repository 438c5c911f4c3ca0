package ingest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// weaver notes what it is asked and puts a line at the end.
type weaver struct {
	asked []tracking.Mail
	err   error
}

func (v *weaver) Weave(_ context.Context, m tracking.Mail) ([]byte, *tracking.Tracked, error) {
	v.asked = append(v.asked, m)
	if m.Wish == tracking.None {
		return m.Body, nil, v.err
	}
	return append(m.Body[:len(m.Body):len(m.Body)], "woven\r\n"...), &tracking.Tracked{Message: m.Message, Recipients: len(m.Recipients)}, v.err
}

func (v *weaver) Said(context.Context, tenant.ID, []message.Address) (map[string]tracking.Consent, error) {
	return map[string]tracking.Consent{}, nil
}

func woven(t *testing.T) (*world, *weaver) {
	t.Helper()
	v := &weaver{}
	return newWorld(t, func(c *ingest.Config, _ *tenant.Tenant) { c.Weaver = v }), v
}

// Whichever door a mail came by, it is woven before it is sealed, with the wish of the
// request and everybody it goes to.
func TestMailIsWoven(t *testing.T) {
	w, v := woven(t)
	raw := "X-Stafette-Tracking: pseudonymous\r\nFrom: info@muster.example\r\nTo: eva@kunde.example\r\nBcc: max@kunde.example\r\n\r\nText\r\n"
	list := []ingest.Submission{
		draft(), draft(func(s *ingest.Submission) { s.Tracking = tracking.Individual }), {Raw: []byte(raw), Tracking: tracking.Individual},
		draft(func(s *ingest.Submission) { s.Tracking = tracking.None }),
	}
	wishes := []tracking.Level{tracking.Unset, tracking.Individual, tracking.Pseudonymous, tracking.None}
	for _, s := range list {
		w.mustAccept(s)
	}
	for _, r := range w.service.AcceptAll(t.Context(), w.principal(), list[:1]) {
		if r.Err != nil {
			t.Error(r.Err)
		}
	}
	for i, a := range w.store.Accepted() {
		body, want := w.body(i), wishes[i%len(wishes)]
		if v.asked[i].Wish != want || v.asked[i].Tenant != w.tenant || v.asked[i].Message != a.Message.ID || v.asked[i].Sender != "key_test" ||
			len(v.asked[i].Recipients) != len(a.Deliveries) || v.asked[i].SignDomain != "muster.example" {
			t.Errorf("%d: asked %+v", i, v.asked[i])
		}
		if told := want != tracking.None; strings.HasSuffix(body, "woven\r\n") != told || (a.Tracked != nil) != told || a.Message.Size != int64(len(body)) {
			t.Errorf("%d: kept %+v of %q", i, a.Tracked, body)
		}
	}
}

func TestWeavingFails(t *testing.T) {
	w, v := woven(t)
	v.err = errors.New("no store")
	if _, err := w.accept(draft()); !errors.Is(err, v.err) || len(w.store.Accepted()) > 0 {
		t.Errorf("accepted %d, %v", len(w.store.Accepted()), err)
	}
}

func TestTrackingOptionIsChecked(t *testing.T) {
	w, _ := woven(t)
	for _, value := range []string{"total", "", "none\r\nX-Stafette-Tracking: none"} {
		_, err := w.accept(ingest.Submission{Raw: []byte("X-Stafette-Tracking: " + value + "\r\nFrom: info@muster.example\r\nTo: eva@kunde.example\r\n\r\nx\r\n")})
		if e := fault.As(err); e == nil || e.Field != "headers/X-Stafette-Tracking" {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func TestPassedOnIsForeign(t *testing.T) {
	w, v := woven(t)
	_, err := w.accept(ingest.Submission{PassedOn: true, Sender: &message.Address{}, Raw: []byte("From: stranger@elsewhere.example\r\nTo: info@muster.example\r\n\r\nx\r\n")})
	if err != nil || len(v.asked) != 1 || !v.asked[0].Foreign {
		t.Errorf("asked %+v, %v", v.asked, err)
	}
}
