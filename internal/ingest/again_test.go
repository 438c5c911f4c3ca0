package ingest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

func TestAgainLinksBothWays(t *testing.T) {
	first := message.NewID(time.Unix(1_800_000_000, 0))
	o := ingest.Origin{
		ID: first, Body: []byte("From: info@muster.example\r\nTo: eva@kunde.example\r\nSubject: Angebot\r\n\r\nText\r\n"),
		Stream: tenant.Reminder, Tags: []string{"again:msg_older", "x"}, Metadata: map[string]string{"auftrag": "HK-2214"},
	}
	s, err := ingest.Again(o, []message.Mailbox{{Address: message.Address{Local: "eva", Domain: "zuhause.example"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := ingest.AgainOf(s.Tags); !ok || got != first || fmt.Sprint(ingest.OwnTags(s.Tags)) != "[x]" {
		t.Errorf("tags %q", s.Tags)
	}
	if s.Stream != tenant.Reminder || s.Metadata["auftrag"] != "HK-2214" || len(s.Recipients) != 1 || !strings.HasPrefix(string(s.Raw), "To: eva@zuhause.example\r\n") {
		t.Errorf("submission %+v", s)
	}
	if got, ok := ingest.AgainOf([]string{"x", "again:" + message.Delivery(first, 3).String()}); !ok || got != first {
		t.Errorf("a delivery's tag leads to %s", got)
	}
	for _, tags := range [][]string{nil, {"again:"}, {"again:msg_x"}, {first.String()}} {
		if got, ok := ingest.AgainOf(tags); ok {
			t.Errorf("%q repeats %s", tags, got)
		}
	}
	o.Tags = strings.Split(strings.Repeat("t,", 19)+"t", ",")
	if s, err = ingest.Again(o, nil); err != nil || len(s.Tags) != 20 || s.Tags[0] != ingest.AgainTag(first) {
		t.Errorf("with twenty tags: %q, %v", s.Tags, err)
	}
}
