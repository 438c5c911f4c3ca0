package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"stafette/internal/audit"
	"stafette/internal/tenant"
)

var at = time.Date(2026, 11, 22, 8, 0, 0, 123456789, time.UTC)

func chain(n int) []audit.Entry {
	var list []audit.Entry
	var seq int64
	var prev [32]byte
	for i := range n {
		e := audit.Next(audit.Act{Tenant: tenant.ID{1}, Actor: "usr_1", Door: "office", Action: "keys.create", Target: "key_" + string(rune('a'+i))}, seq, prev, at)
		seq, prev = e.Seq, e.Hash
		list = append(list, e)
	}
	return list
}

func walk(list []audit.Entry, h audit.Head) error {
	var v audit.Verifier
	for _, e := range list {
		if err := v.Add(e); err != nil {
			return err
		}
	}
	return v.End(h)
}

func TestChainHoldsAndBreaks(t *testing.T) {
	whole := chain(5)
	head := audit.Head{Seq: 5, Hash: whole[4].Hash}
	if err := walk(whole, head); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func([]audit.Entry) []audit.Entry{
		"a word changed":   func(l []audit.Entry) []audit.Entry { l[2].Target = "key_x"; return l },
		"the time changed": func(l []audit.Entry) []audit.Entry { l[2].At = l[2].At.Add(time.Millisecond); return l },
		"moved to a field": func(l []audit.Entry) []audit.Entry { l[2].Action, l[2].Target = "keys.createk", "ey_c"; return l },
		"one removed":      func(l []audit.Entry) []audit.Entry { return append(l[:2:2], l[3:]...) },
		"the last removed": func(l []audit.Entry) []audit.Entry { return l[:4] },
		"two exchanged":    func(l []audit.Entry) []audit.Entry { l[1], l[2] = l[2], l[1]; return l },
		"another tenant's": func(l []audit.Entry) []audit.Entry { l[2].Tenant = tenant.ID{2}; return l },
		"changed and resumed": func(l []audit.Entry) []audit.Entry {
			l[2].Detail = "x"
			l[2].Hash = l[2].Sum()
			return l
		},
	} {
		if err := walk(spoil(chain(5)), head); !errors.Is(err, audit.ErrBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// T37: foreign text stays on its line, whatever is in it.
func TestActsAreKeptOnOneLine(t *testing.T) {
	e := audit.Next(audit.Act{Actor: "usr_1\r\nlevel=INFO", Target: "\x1b[31mrot\u202e", Detail: strings.Repeat("ä", 2000)}, 0, [32]byte{}, at)
	if strings.ContainsAny(e.Actor+e.Target, "\r\n\x1b\u202e") || len(e.Detail) > 1000 || !strings.HasSuffix(e.Detail, "ä") {
		t.Errorf("kept %q %q %d", e.Actor, e.Target, len(e.Detail))
	}
	if !e.At.Equal(at.Truncate(time.Millisecond)) {
		t.Errorf("at %s", e.At)
	}
	text, err := json.Marshal(e)
	var back map[string]any
	if err != nil || json.Unmarshal(text, &back) != nil || back["seq"] != 1.0 || len(back["hash"].(string)) != 64 || back["tenant"] != "" {
		t.Errorf("%s, %v", text, err)
	}
}

func TestAnActIsOwedOnce(t *testing.T) {
	if _, _, ok := audit.Claim(t.Context()); ok {
		t.Error("an act out of nothing")
	}
	ctx := audit.With(t.Context(), audit.Act{Action: "keys.create"})
	noted := audit.Note(ctx, func(a *audit.Act) { a.Target = "key_1" })
	if _, _, ok := audit.Claim(audit.Without(noted)); ok {
		t.Error("owed where it is not")
	}
	a, undo, ok := audit.Claim(noted)
	if !ok || a.Target != "key_1" {
		t.Fatalf("claimed %+v", a)
	}
	if _, _, again := audit.Claim(ctx); again {
		t.Error("claimed twice")
	}
	undo()
	if _, _, ok := audit.Claim(ctx); !ok {
		t.Error("a failed transaction has paid")
	}
	if _, _, ok := audit.Claim(audit.With(context.Background(), audit.Act{})); ok {
		t.Error("an act without a name")
	}
	if audit.Note(t.Context(), func(*audit.Act) {}) != t.Context() {
		t.Error("a note about nothing")
	}
}
