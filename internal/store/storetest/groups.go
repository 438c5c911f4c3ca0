package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/consent"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

func groupTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"ReadBack": groupReadBack,
		"Members":  groupMembers,
		"Paged":    groupPaged,
		"Followed": groupFollowsContacts,
		"MemberOf": groupMemberOf,
		"Sample":   groupSample,
		"Facts":    groupFacts,
		"Deleted":  groupDeleted,
		"Foreign":  groupForeign,
		"Segments": segmentsPick,
		"Consents": consentsPick,
		"Enlisted": groupEnlists,
		"Imported": groupImports,
		"Undone":   importUndone,
		"Stopped":  importStopped,
		"Long":     importLong,
		"Back":     importLongUndone,
		"Expired":  importExpires,
	}
}

// Groups are those of the world's store.
func (w *World) Groups() *audience.Groups {
	return audience.NewGroups(w.Store, w.Store, w.Clock.Now)
}

// Group stores a static group.
func (w *World) Group(t tenant.ID, name string, members ...audience.Contact) audience.Group {
	w.t.Helper()
	g, err := w.Groups().Create(w.t.Context(), t, audience.Group{Name: name, Kind: audience.Static}, "usr_1")
	w.must(err)
	w.add(t, g, members...)
	return g
}

func (w *World) add(t tenant.ID, g audience.Group, members ...audience.Contact) int {
	w.t.Helper()
	var list []audience.ContactID
	for _, c := range members {
		list = append(list, c.ID)
	}
	n, err := w.Groups().Add(w.t.Context(), t, g.ID, list, audience.OriginOffice, "usr_1")
	w.must(err)
	return n
}

// counted is how many members a group says it has.
func (w *World) counted(g audience.Group) int64 {
	w.t.Helper()
	found, err := w.Store.Group(w.t.Context(), g.Tenant, g.ID)
	w.must(err)
	return found.Members
}

func groupReadBack(t *testing.T, w *World) {
	ctx, groups := t.Context(), w.Groups()
	made, err := groups.Create(ctx, w.A, audience.Group{Name: "  Käufer  2026 ", Description: "wer kauft", Kind: audience.Static}, "usr_1")
	w.must(err)
	have, err := w.Store.Group(ctx, w.A, made.ID)
	if err != nil || fmt.Sprint(have) != fmt.Sprint(made) || have.Name != "Käufer 2026" || have.Version != 1 {
		t.Errorf("read %+v, %v; want %+v", have, err, made)
	}
	if _, err := groups.Create(ctx, w.A, audience.Group{Name: "KAEUFER 2026", Kind: audience.Static}, "usr_1"); !isField(err, "name", "group_name_taken") {
		t.Errorf("the same name: %v", err)
	}
	made.Name = "Mieter"
	changed, err := groups.Change(ctx, w.A, made)
	if err != nil || changed.Version != 2 {
		t.Fatalf("changed %+v, %v", changed, err)
	}
	if _, err := groups.Change(ctx, w.A, made); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("changed what nobody sees any more: %v", err)
	}
	if err := w.Store.ChangeGroup(ctx, changed); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("a race: %v", err)
	}
	w.Group(w.A, "Ämter")
	list, err := groups.List(ctx, w.A)
	w.must(err)
	equal(t, "by name", list[0].Name+", "+list[1].Name, "Ämter, Mieter")
}

func isField(err error, field, code string) bool {
	f := fault.As(err)
	return f != nil && f.Field == field && f.Code == code
}

func (w *World) members(g audience.Group, f audience.MemberFilter) string {
	w.t.Helper()
	page, err := w.Store.Members(w.t.Context(), g.Tenant, g.ID, f)
	w.must(err)
	var names []string
	for _, m := range page.Members {
		names = append(names, m.Name())
	}
	return strings.Join(names, ", ")
}

func groupMembers(t *testing.T, w *World) {
	eva := w.Contact(w.A, "Eva", "Sommer", "Kranz", "", []string{"eva@x.example"})
	max := w.Contact(w.A, "Max", "Reuter", "", "", []string{"max@y.example"})
	w.Contact(w.A, "Ida", "Reuter", "", "", []string{"ida@y.example"})
	foreign := w.Contact(w.B, "Uwe", "", "", "", []string{"uwe@y.example"})
	g := w.Group(w.A, "g", eva, max)
	equal(t, "added again", w.add(w.A, g, eva, max, foreign), 0)
	equal(t, "count", w.counted(g), 2)
	for _, c := range []struct {
		f    audience.MemberFilter
		want string
	}{
		{audience.MemberFilter{}, "Max Reuter, Eva Sommer"},
		{audience.MemberFilter{ByName: true, Ascending: true}, "Max Reuter, Eva Sommer"},
		{audience.MemberFilter{ByName: true}, "Eva Sommer, Max Reuter"},
		{audience.MemberFilter{Text: "reut"}, "Max Reuter"},
		{audience.MemberFilter{Text: "@x.example"}, "Eva Sommer"},
		{audience.MemberFilter{Text: "ida"}, ""},
	} {
		equal(t, fmt.Sprintf("%+v", c.f), w.members(g, c.f), c.want)
	}
	page, err := w.Store.Members(t.Context(), w.A, g.ID, audience.MemberFilter{})
	if err != nil || page.Members[0].AddedAt != w.Clock.Now() || page.Members[0].Batch.IsZero() {
		t.Errorf("came %+v, %v", page.Members[0], err)
	}
	w.Clock.Advance(time.Second)
	n, err := w.Groups().Remove(t.Context(), w.A, g.ID, []audience.ContactID{eva.ID, foreign.ID}, "usr_2")
	w.must(err)
	equal(t, "removed", n, 1)
	equal(t, "count", w.counted(g), 1)
	acts, err := w.Contacts().Acts(t.Context(), w.A, eva.ID)
	if err != nil || acts[0].Type != audience.ContactLeft || !slices.Equal(acts[0].Fields, []string{g.ID.String()}) || acts[0].Actor != "usr_2" {
		t.Errorf("acts %+v, %v", acts, err)
	}
}

func groupPaged(t *testing.T, w *World) {
	var all []audience.Contact
	for i := range 7 {
		all = append(all, w.Contact(w.A, "", fmt.Sprintf("N%d", i%3), "", "", []string{fmt.Sprintf("p%d@x.example", i)}))
		w.Contact(w.A, "", fmt.Sprintf("N%d", i%3), "", "", []string{fmt.Sprintf("q%d@x.example", i)})
	}
	g := w.Group(w.A, "g", all...)
	filter := audience.Group{Name: "d", Kind: audience.Dynamic, Segment: &audience.Segment{Of: "group", Is: audience.Has, Value: g.ID.String()}}
	d, err := w.Groups().Create(t.Context(), w.A, filter, "usr_1")
	w.must(err)
	for _, g := range []audience.Group{g, d} {
		for _, f := range []audience.MemberFilter{{}, {Ascending: true}, {ByName: true}, {ByName: true, Ascending: true}, {Text: "n"}, {Text: "n", ByName: true}} {
			f.Limit = 2
			seen := map[audience.ContactID]bool{}
			for {
				page, err := w.Store.Members(t.Context(), w.A, g.ID, f)
				w.must(err)
				for _, m := range page.Members {
					if seen[m.ID] {
						t.Fatalf("%s %+v: %s comes twice", g.Name, f, m.Main())
					}
					seen[m.ID], f.After = true, m.ID
				}
				if !page.More {
					break
				}
			}
			equal(t, fmt.Sprintf("%s %+v", g.Name, f), len(seen), 7)
		}
	}
}

// What becomes of contacts shows in their groups.
func groupFollowsContacts(t *testing.T, w *World) {
	ctx, people := t.Context(), w.Contacts()
	kept := w.Contact(w.A, "Eva", "Sommer", "", "", []string{"eva@x.example"})
	other := w.Contact(w.A, "E.", "Sommer", "", "", []string{"eva@y.example"})
	third := w.Contact(w.A, "Max", "", "", "", []string{"max@y.example"})
	both, one := w.Group(w.A, "both", kept, other, third), w.Group(w.A, "one", other)
	_, err := people.Merge(ctx, w.A, kept.ID, other.ID, 1, 1, "usr_1")
	w.must(err)
	equal(t, "both", fmt.Sprint(w.members(both, audience.MemberFilter{}), w.counted(both)), "Max, Eva Sommer2")
	equal(t, "one", fmt.Sprint(w.members(one, audience.MemberFilter{}), w.counted(one)), "Eva Sommer1")
	list, err := w.Store.MembershipsOf(ctx, w.A, kept.ID)
	if err != nil || len(list) != 2 {
		t.Errorf("memberships %+v, %v", list, err)
	}
	w.must(people.Delete(ctx, w.A, kept.ID))
	equal(t, "after deletion", fmt.Sprint(w.counted(both), w.counted(one)), "1 0")
}

func groupMemberOf(t *testing.T, w *World) {
	eva := w.Contact(w.A, "Eva", "", "", "", []string{"eva@x.example", "e@y.example"}, "vip")
	g := w.Group(w.A, "g", eva)
	d, err := w.Groups().Create(t.Context(), w.A, audience.Group{Name: "d", Kind: audience.Dynamic, Segment: &audience.Segment{Of: "tag", Is: audience.Has, Value: "vip"}}, "usr_1")
	w.must(err)
	asked := []message.Address{Address("E@Y.example"), Address("nobody@x.example"), Address("eva@x.example"), Address("EVA@x.example")}
	of, err := w.Store.MemberOf(t.Context(), w.A, asked)
	w.must(err)
	equal(t, "addresses", len(of), 3)
	for _, a := range []int{0, 2, 3} {
		if !slices.Equal(of[asked[a]], []audience.GroupID{g.ID, d.ID}) {
			t.Errorf("%s is in %v", asked[a], of[asked[a]])
		}
	}
	for _, n := range []int{1, 2, 8, 9, 129, 511, 512, 513, 700} { // questions are prepared for some lengths
		of, err := w.Store.MemberOf(t.Context(), w.A, append(strangers(n-1), asked[0]))
		w.must(err)
		if len(of) != 1 || !slices.Equal(of[asked[0]], []audience.GroupID{g.ID, d.ID}) {
			t.Errorf("the last of %d is in %v", n, of)
		}
	}
	of, err = w.Store.MemberOf(t.Context(), w.B, asked)
	if err != nil || len(of) > 0 {
		t.Errorf("another tenant's: %v, %v", of, err)
	}
}

// strangers are addresses of nobody.
func strangers(n int) []message.Address {
	list := make([]message.Address, n)
	for i := range list {
		list[i] = Address(fmt.Sprintf("stranger%d@x.example", i))
	}
	return list
}

func groupSample(t *testing.T, w *World) {
	var all []audience.Contact
	for i := range 30 {
		all = append(all, w.Contact(w.A, "", "", "", "", []string{fmt.Sprintf("p%d@x.example", i)}))
	}
	g := w.Group(w.A, "g", all...)
	drawn := func(seed uint64, n int) string {
		list, err := w.Store.SampleMembers(t.Context(), w.A, g.ID, n, seed)
		w.must(err)
		seen := map[string]bool{}
		for _, c := range list {
			seen[c.Main().String()] = true
		}
		return fmt.Sprint(len(list), seen)
	}
	first := drawn(1, 5)
	equal(t, "the same seed", drawn(1, 5), first)
	if drawn(2, 5) == first || !strings.HasPrefix(first, "5 ") {
		t.Errorf("drawn %s", first)
	}
	if all := drawn(1, 50); strings.Count(all, "true") != 30 {
		t.Errorf("of more than there are: %s", all)
	}
}

func groupFacts(t *testing.T, w *World) {
	eva, max := w.Contact(w.A, "Eva", "", "", "", []string{"eva@x.example"}), w.Contact(w.A, "Max", "", "", "", []string{"max@x.example"})
	g := w.Group(w.A, "g", eva)
	w.Clock.Advance(48 * time.Hour)
	since := w.Clock.Now()
	w.add(w.A, g, max)
	w.Clock.Advance(time.Minute)
	w.add(w.A, g, w.Contact(w.A, "Ida", "", "", "", []string{"ida@x.example"}))
	facts, err := w.Store.GroupFacts(t.Context(), w.A, g.ID, since)
	w.must(err)
	equal(t, "facts", fmt.Sprint(facts.Members, facts.AddedSince, len(facts.Batches)), "3 2 2")
	if b := facts.Batches[0]; b.Added != 2 || b.Origin != audience.OriginOffice || b.Actor != "usr_1" || b.At != since {
		t.Errorf("batch %+v", b)
	}
}

func groupDeleted(t *testing.T, w *World) {
	ctx := t.Context()
	eva := w.Contact(w.A, "Eva", "", "", "", []string{"eva@x.example"})
	g, other := w.Group(w.A, "g", eva), w.Group(w.A, "other", eva)
	w.must(w.Groups().Delete(ctx, w.A, g.ID))
	if _, err := w.Store.Group(ctx, w.A, g.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("a deleted group: %v", err)
	}
	list, err := w.Store.MembershipsOf(ctx, w.A, eva.ID)
	if err != nil || len(list) != 1 || list[0].Group != other.ID {
		t.Errorf("memberships %+v, %v", list, err)
	}
	w.Group(w.A, "G") // the name is free again
	n, err := w.Store.DropGroups(ctx)
	if err != nil || n != 0 {
		t.Errorf("left behind: %d, %v", n, err)
	}
}

func groupForeign(t *testing.T, w *World) {
	ctx := t.Context()
	eva := w.Contact(w.A, "Eva", "", "", "", []string{"eva@x.example"})
	g := w.Group(w.A, "g", eva)
	w.Group(w.B, "g")
	groups := w.Groups()
	_, read := groups.Group(ctx, w.B, g.ID)
	_, change := groups.Change(ctx, w.B, g)
	_, add := groups.Add(ctx, w.B, g.ID, []audience.ContactID{eva.ID}, audience.OriginAPI, "key_1")
	_, remove := groups.Remove(ctx, w.B, g.ID, []audience.ContactID{eva.ID}, "usr_1")
	_, list := groups.Members(ctx, w.B, g.ID, audience.MemberFilter{})
	_, sample := w.Store.SampleMembers(ctx, w.B, g.ID, 1, 1)
	_, facts := groups.Facts(ctx, w.B, g.ID, time.Time{})
	_, count := w.Store.CountGroup(ctx, w.B, g.ID, w.Clock.Now())
	for what, err := range map[string]error{"read": read, "changed": change, "added to": add, "removed from": remove, "listed": list,
		"sampled": sample, "told of": facts, "counted": count, "deleted": groups.Delete(ctx, w.B, g.ID)} {
		if !fault.IsKind(err, fault.NotFound) {
			t.Errorf("foreign group is %s: %v", what, err)
		}
	}
	_, err := groups.Create(ctx, w.B, audience.Group{Name: "d", Kind: audience.Dynamic, Segment: &audience.Segment{Of: "group", Is: audience.Has, Value: g.ID.String()}}, "usr_1")
	if !isField(err, "segment", "segment_group_unknown") {
		t.Errorf("a filter looks at a foreign group: %v", err)
	}
	equal(t, "members", w.members(g, audience.MemberFilter{}), "Eva")
}

func consentsPick(t *testing.T, w *World) {
	ctx := t.Context()
	w.Contact(w.A, "", "A", "", "", []string{"zweit@x.example", "Eva@x.example"})
	w.Contact(w.A, "", "B", "", "", []string{"max@x.example"})
	w.Contact(w.A, "", "C", "", "", []string{"ohne@x.example"})
	given := w.addConsent(w.consent(w.A, "eVa@x.example"))
	given.State, given.ConfirmedAt = consent.Given, w.Clock.Now()
	w.must(w.Store.ChangeConsent(ctx, given, consent.Asked))
	asked := w.consent(w.A, "max@x.example")
	asked.Purpose = tenant.Reminder
	w.addConsent(asked)
	paper := w.consent(w.B, "ohne@x.example") // another tenant's
	paper.State, paper.Basis = consent.Given, consent.Written
	w.addConsent(paper)
	today := w.Clock.Now().UTC()
	for text, want := range map[string]string{
		`{"of":"consent","is":"has","value":"newsletter"}`:                                                   "A",
		`{"of":"consent","is":"lacks","value":"newsletter"}`:                                                 "B, C",
		`{"of":"consent","is":"has","value":"reminder"}`:                                                     "",
		`{"of":"consent_state","is":"has","value":"asked"}`:                                                  "B",
		`{"of":"consent_basis","is":"has","value":"double_opt_in"}`:                                          "A",
		`{"of":"consent_basis","is":"has","value":"written"}`:                                                "",
		`{"of":"confirmed_at","is":"within","value":"2"}`:                                                    "A",
		`{"of":"confirmed_at","is":"before","value":"` + today.Format(time.DateOnly) + `"}`:                  "",
		`{"of":"confirmed_at","is":"after","value":"` + today.AddDate(0, 0, -1).Format(time.DateOnly) + `"}`: "A",
	} {
		seg, err := audience.ParseSegment([]byte(text))
		w.must(err)
		d, err := w.Groups().Create(ctx, w.A, audience.Group{Name: "d", Kind: audience.Dynamic, Segment: &seg}, "usr_1")
		w.must(err)
		equal(t, text, w.members(d, audience.MemberFilter{ByName: true, Ascending: true}), want)
		w.must(w.Groups().Delete(ctx, w.A, d.ID))
	}
	n, err := w.Store.Confirmed(ctx, w.A, []audience.Hash{given.Hash, asked.Hash})
	if err != nil || n != 1 {
		t.Errorf("%d confirmed, %v", n, err)
	}
	if n, err := w.Store.Confirmed(ctx, w.B, []audience.Hash{given.Hash}); err != nil || n != 0 {
		t.Errorf("another tenant: %d, %v", n, err)
	}
}

func segmentsPick(t *testing.T, w *World) {
	people := w.Contacts()
	for _, f := range []audience.Field{{Key: "city", Type: audience.TextField}, {Key: "rooms", Type: audience.NumberField}, {Key: "move", Type: audience.DateField}} {
		w.must(people.SetField(t.Context(), w.A, f))
	}
	put := func(name, address, tag string, fields map[string]string) audience.Contact {
		w.Clock.Advance(time.Millisecond)
		c, err := people.Create(t.Context(), w.A, audience.Contact{FamilyName: name, Addresses: []message.Address{Address(address)}, Tags: strings.Fields(tag), Fields: fields}, audience.OriginAPI, "key_1")
		w.must(err)
		return c
	}
	old := put("A", "a@x.example", "vip", map[string]string{"city": "Bremen", "rooms": "3,5", "move": "2026-01-05"})
	w.Clock.Advance(72 * time.Hour)
	put("B", "b@y.example", "vip neu", map[string]string{"city": "BREMERHAVEN", "rooms": "12"})
	put("C%_'", "c@x.example", "", map[string]string{"move": "30.3.2026"})
	g := w.Group(w.A, "g", old)
	for text, want := range map[string]string{
		`{"of":"tag","is":"has","value":"vip"}`:                     "A, B",
		`{"not":{"of":"tag","is":"has","value":"vip"}}`:             "C%_'",
		`{"of":"tag","is":"lacks","value":"neu"}`:                   "A, C%_'",
		`{"of":"group","is":"has","value":"` + g.ID.String() + `"}`: "A",
		`{"of":"domain","is":"equals","value":"X.example"}`:         "A, C%_'",
		`{"of":"domain","is":"differs","value":"x.example"}`:        "B",
		`{"of":"fields/city","is":"equals","value":"bremen"}`:       "A",
		`{"of":"fields/city","is":"differs","value":"Bremen"}`:      "B, C%_'",
		`{"of":"fields/city","is":"begins","value":"brem"}`:         "A, B",
		`{"of":"fields/city","is":"contains","value":"mer"}`:        "B",
		`{"of":"fields/city","is":"empty"}`:                         "C%_'",
		`{"of":"fields/city","is":"present"}`:                       "A, B",
		`{"of":"fields/rooms","is":"more","value":"4"}`:             "B",
		`{"of":"fields/rooms","is":"less","value":"4,0"}`:           "A",
		`{"of":"fields/move","is":"before","value":"2026-02-01"}`:   "A",
		`{"of":"fields/move","is":"after","value":"2026-01-05"}`:    "C%_'",
		`{"of":"fields/move","is":"within","value":"7"}`:            "C%_'",
		`{"of":"family_name","is":"contains","value":"%_'"}`:        "C%_'",
		`{"of":"family_name","is":"begins","value":"_"}`:            "",
		`{"of":"origin","is":"equals","value":"api"}`:               "A, B, C%_'",
		`{"of":"created_at","is":"within","value":"2"}`:             "B, C%_'",
		`{"of":"created_at","is":"before","value":"2026-03-29"}`:    "A",
		`{"of":"created_at","is":"after","value":"2026-03-28"}`:     "B, C%_'",
		`{"of":"reference","is":"empty"}`:                           "A, B, C%_'",
		`{"any":[{"of":"fields/city","is":"equals","value":"Bremen"},{"all":[{"of":"tag","is":"has","value":"neu"},{"of":"domain","is":"equals","value":"y.example"}]}]}`: "A, B",
	} {
		seg, err := audience.ParseSegment([]byte(text))
		w.must(err)
		n, err := w.Groups().Count(t.Context(), w.A, seg)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		d := audience.Group{Tenant: w.A, Name: "d", Kind: audience.Dynamic, Segment: &seg}
		d, err = w.Groups().Create(t.Context(), w.A, d, "usr_1")
		w.must(err)
		equal(t, text, w.members(d, audience.MemberFilter{ByName: true, Ascending: true}), want)
		if picked := strings.Split(want, ", "); want != "" && int(n) != len(picked) || want == "" && n != 0 {
			t.Errorf("%s: counted %d", text, n)
		}
		sample, err := w.Store.SampleMembers(t.Context(), w.A, d.ID, 9, 1)
		if err != nil || len(sample) != int(n) {
			t.Errorf("%s: sample of %d, %v", text, len(sample), err)
		}
		w.must(w.Groups().Delete(t.Context(), w.A, d.ID))
	}
}
