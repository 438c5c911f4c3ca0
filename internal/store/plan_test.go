package store

import (
	"database/sql"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/queue"
	"stafette/internal/series"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// plans returns the steps by which SQLite would answer a query.
func plans(t *testing.T, s *Store, text string, args ...any) []string {
	t.Helper()
	var steps []string
	rows, err := s.read.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		var a, b, c int
		var step string
		err := row.Scan(&a, &b, &c, &step)
		steps = append(steps, step)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return steps
}

// TestHotQueriesUseTheirIndexes keeps a planner's change of mind from reading
// millions of rows. A step that walks a big table without an index, or sorts
// what it found there, fails.
func TestHotQueriesUseTheirIndexes(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	s, err := Open(t.Context(), Config{DataDir: t.TempDir(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	d, zero := s.dialect, new(tenant.ID)[:]
	join := " FROM deliveries d JOIN messages m ON m.tenant = d.tenant AND m.id = " + d.messageOf("d.id")
	queued, queuedOrder := waitingRange(event.Queued)
	held, heldOrder := waitingRange(event.Held)
	rare := s.tagged(tenant.ID{}, queue.Selection{Tag: "rare"}, event.Queued, 5)
	heldCount, heldOldest := s.heldTexts()
	behind := narrowed(tenant.ID{}, queue.Selection{Domain: "example.net"}, event.Queued, 5)
	behind.from = "deliveries d JOIN messages m ON m.tenant = d.tenant AND m.id = " + d.messageOf("d.id")
	behind.and(fromPlace, 1, 2)
	for name, c := range map[string]struct {
		text string
		args []any
		want string
	}{
		"count held":  {heldCount, []any{zero, "", 1}, "deliveries_waiting (tenant=? AND state=?)"},
		"oldest held": {heldOldest, []any{zero, ""}, "deliveries_waiting (tenant=? AND state=?)"},
		"next part":   {behind.text(""), behind.args, "deliveries_due (tenant=? AND owner=? AND (urgency,due_at)>(?,?))"},
		"due tenants": {dueTenantsText([]queue.Epoch{0, 7}), []any{zero, 1, 10}, "deliveries_due (tenant=? AND owner=? AND urgency=? AND due_at<?)"},
		"next due":    {nextDueText([]queue.Epoch{0, 7}), []any{1, 2}, "deliveries_due (tenant=? AND owner=? AND urgency=? AND due_at>? AND due_at<?)"},
		"dead holds":  {holdsText, []any{1}, "deliveries_due (tenant=? AND owner=?)"},
		"waiting":     {waitingText, nil, "deliveries_waiting (tenant=? AND state=?)"},
		"claim": {"SELECT " + entryColumns + join + ` WHERE d.tenant = $1 AND d.owner = 0 AND d.urgency = 1 AND d.due_at <= $2
			AND d.state IN ('queued', 'deferred') ORDER BY d.due_at LIMIT 5`, []any{zero, 1}, "deliveries_due (tenant=? AND owner=? AND urgency=? AND due_at<?)"},
		"list queued":      {"SELECT d.id" + join + " WHERE d.tenant = $1 AND " + queued + " ORDER BY " + queuedOrder + " LIMIT 5", []any{zero}, "deliveries_due (tenant=?)"},
		"list held":        {"SELECT d.id" + join + " WHERE d.tenant = $1 AND " + held + " ORDER BY " + heldOrder + " LIMIT 5", []any{zero}, "deliveries_waiting (tenant=? AND state=?)"},
		"depth":            {"SELECT count(*) FROM deliveries WHERE state IN ('queued', 'deferred')", nil, "COVERING INDEX deliveries_due"},
		"recipient":        {"SELECT id FROM deliveries WHERE tenant = $1 AND recipient = $5 AND id >= $2 AND id < $3 ORDER BY id DESC LIMIT $4", []any{zero, zero, zero, 1, "x"}, "deliveries_recipient (tenant=? AND recipient=? AND id>? AND id<?)"},
		"state":            {"SELECT id FROM deliveries WHERE tenant = $1 AND " + indexedState(event.Bounced) + " AND id >= $2 AND id < $3 ORDER BY id DESC LIMIT $4", []any{zero, zero, zero, 1}, "deliveries_ended (tenant=? AND state=? AND id>? AND id<?)"},
		"count queued":     {s.stateCounts()[0], []any{zero, zero, zero}, "COVERING INDEX deliveries_due (tenant=?)"},
		"count waiting":    {s.stateCounts()[1], []any{zero, zero, zero}, "COVERING INDEX deliveries_waiting (tenant=? AND state=?"},
		"count ended":      {s.stateCounts()[2], []any{zero, zero, zero}, "COVERING INDEX deliveries_ended (tenant=? AND state=?"},
		"few with tag":     {rare.text(""), rare.args, "SEARCH d USING PRIMARY KEY (tenant=? AND id>? AND id<?)"},
		"foreign id":       {"SELECT 1 FROM messages WHERE tenant = $1 AND message_id = $2 LIMIT 1", []any{zero, "x"}, "messages_foreign (tenant=? AND message_id=?)"},
		"addressees":       {nextRecipientText, []any{zero, "eva@", "evaA"}, "deliveries_recipient (tenant=? AND recipient>? AND recipient<?)"},
		"deliveries to":    {deliveriesToText, []any{zero, "x", 1}, "deliveries_recipient (tenant=? AND recipient=?)"},
		"opened by nobody": {openedFrom(tracking.OpenedByNobody, "DESC") + " ORDER BY id DESC LIMIT $4", []any{zero, zero, zero, 1}, "COVERING INDEX tracked_unopened (tenant=? AND message>? AND message<?)"},
		"reports due":      {anyReportDue, []any{1}, "COVERING INDEX reports_due_at (due_at<?)"},
		"deliveries of messages": {"SELECT " + deliveryColumns + " FROM messages m JOIN deliveries d ON d.tenant = $1 AND d.id > m.id AND d.id <= " +
			d.deliveryAt("m.id", listedDeliveries) + " WHERE m.tenant = $1 AND m.id IN (?, ?) ORDER BY d.id", []any{zero, zero, zero}, "PRIMARY KEY (tenant=? AND id>? AND id<?)"},
	} {
		steps := plans(t, s, c.text, c.args...)
		all := strings.Join(steps, "\n")
		if !strings.Contains(all, c.want) {
			t.Errorf("%s: want %q in\n%s", name, c.want, all)
		}
		if slices.ContainsFunc(steps, func(step string) bool {
			return step == "SCAN d" || step == "SCAN m" || step == "SCAN deliveries" || step == "SCAN messages"
		}) {
			t.Errorf("%s reads a whole table:\n%s", name, all)
		}
		if name != "deliveries of messages" && strings.Contains(all, "TEMP B-TREE FOR ORDER BY") {
			t.Errorf("%s sorts:\n%s", name, all)
		}
	}
}

// TestGroupPagesUseTheirIndexes: a page of a group of a million is a range of an index in each
// order, and a text is looked for in ranges.
func TestGroupPagesUseTheirIndexes(t *testing.T) {
	s, err := Open(t.Context(), Config{DataDir: t.TempDir(), Now: func() time.Time { return time.UnixMilli(1_700_000_000_000) }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	large := audience.Group{Kind: audience.Static, Members: 1_000_000}
	for _, c := range []struct {
		f    audience.MemberFilter
		want string
	}{
		{audience.MemberFilter{}, "SEARCH m USING PRIMARY KEY (tenant=? AND grp=?"},
		{audience.MemberFilter{Ascending: true, After: audience.ContactID{1}}, "SEARCH m USING PRIMARY KEY (tenant=? AND grp=? AND contact>?)"},
		{audience.MemberFilter{ByName: true}, "contacts_name (tenant=?"},
		{audience.MemberFilter{ByName: true, Ascending: true, After: audience.ContactID{1}}, "contacts_name (tenant=?"},
		{audience.MemberFilter{Text: "mue"}, "SEARCH r USING PRIMARY KEY (tenant=? AND word>? AND word<?)"},
		{audience.MemberFilter{Text: "anna mue", ByName: true}, "contact_words USING PRIMARY KEY (tenant=? AND word>? AND word<?)"},
	} {
		q := contactQuery{dialect: s.dialect, args: []any{new(tenant.ID)[:], 51}}
		text := q.members(large, c.f, s)
		steps := plans(t, s, text, q.args...)
		all := strings.Join(steps, "\n")
		if !strings.Contains(all, c.want) {
			t.Errorf("%+v: want %q in\n%s", c.f, c.want, all)
		}
		for _, table := range []string{"SCAN c", "SCAN m", "SCAN r", "SCAN contact_words", "SCAN contact_addresses"} {
			if slices.Contains(steps, table) || c.f.Text == "" && strings.Contains(all, "TEMP B-TREE FOR ORDER BY") {
				t.Errorf("%+v reads a whole table or sorts:\n%s", c.f, all)
			}
		}
	}
}

// TestSeriesUseTheirIndexes: the worker of series and its pages read ranges, whatever number
// of contacts went through.
func TestSeriesUseTheirIndexes(t *testing.T) {
	s, err := Open(t.Context(), Config{DataDir: t.TempDir(), Now: func() time.Time { return time.UnixMilli(1_700_000_000_000) }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	zero := new(tenant.ID)[:]
	page, pageArgs := runsOfText(tenant.ID{}, series.ID{}, series.RunFilter{Limit: 50, After: audience.ContactID{1}})
	for name, c := range map[string]struct {
		text string
		args []any
		want string
	}{
		"open":          {openSeries, []any{1, 2}, "series_next (next_at>? AND next_at<?)"},
		"due":           {dueRuns, []any{zero, zero, 1, 2}, "series_runs_due (tenant=? AND series=? AND due_at>? AND due_at<?)"},
		"next due":      {"SELECT min(r.due_at) FROM series_runs r WHERE r.tenant = $1 AND r.series = $2 AND r.due_at IS NOT NULL", []any{zero, zero}, "COVERING INDEX series_runs_due (tenant=? AND series=?"},
		"begun before":  {"SELECT max(r.entry) FROM series_runs r WHERE r.tenant = $1 AND r.series = $2 AND r.contact = $3", []any{zero, zero, zero}, "series_runs_contact (tenant=? AND contact=? AND series=?)"},
		"who replied":   {repliedText(s.dialect) + "IN ($3)", []any{zero, zero, zero}, "SEARCH d USING PRIMARY KEY (tenant=? AND series=? AND contact=?)"},
		"who acted":     {actedText(s.dialect) + "IN ($5)", []any{zero, zero, "a", "opened", zero}, "SEARCH d USING PRIMARY KEY (tenant=? AND series=? AND contact=?)"},
		"a page":        {page, pageArgs, "SEARCH r USING PRIMARY KEY (tenant=? AND series=? AND contact>?)"},
		"how many wait": {"SELECT r.step, count(*) FROM series_runs r WHERE r.tenant = $1 AND r.series = $2 AND r.due_at IS NOT NULL GROUP BY r.step", []any{zero, zero}, "series_runs_step (tenant=? AND series=?)"},
		"signals":       {"SELECT id, contact, data, at FROM series_signals WHERE tenant = $1 AND series = $2 ORDER BY id LIMIT $3", []any{zero, zero, 5}, "PRIMARY KEY (tenant=? AND series=?)"},
	} {
		steps := plans(t, s, c.text, c.args...)
		all := strings.Join(steps, "\n")
		if !strings.Contains(all, c.want) {
			t.Errorf("%s: want %q in\n%s", name, c.want, all)
		}
		if strings.Contains(all, "SCAN ") || strings.Contains(all, "TEMP B-TREE FOR ORDER BY") {
			t.Errorf("%s walks or sorts:\n%s", name, all)
		}
	}
}

// TestContactsGoByTheirIndexes: what is kept of a contact in tables of millions is found by the
// contact when it is deleted or merged, and nothing is walked.
func TestContactsGoByTheirIndexes(t *testing.T) {
	s, err := Open(t.Context(), Config{DataDir: t.TempDir(), Now: func() time.Time { return time.UnixMilli(1_700_000_000_000) }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	zero := new(tenant.ID)[:]
	texts := append(rowsOfContacts("= $2", "= $2"), ofContact("group_members", "grp", "= $2", "= $2"), ofContact("group_members", "grp", "IN ($2)", "IN ($2)"))
	for _, text := range append(texts, rowsOfContacts("IN ($2)", "IN ($2)")...) {
		all := strings.Join(plans(t, s, text, zero, zero), "\n")
		if !strings.Contains(all, "_contact (tenant=? AND contact=?") || strings.Count(all, "(tenant=?)") > 0 {
			t.Errorf("%s walks the rows of an account:\n%s", text, all)
		}
	}
	all := strings.Join(plans(t, s, "UPDATE group_members SET contact = $3"+whose("group_members", "grp", "= $2", "= $2"), zero, zero, zero), "\n")
	if strings.Contains(all, "(tenant=?)") {
		t.Errorf("merging walks the members of an account:\n%s", all)
	}
}
