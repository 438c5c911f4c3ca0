package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// CountSegment implements audience.GroupStore.
func (s *Store) CountSegment(ctx context.Context, t tenant.ID, seg audience.Segment) (n int64, err error) {
	args := []any{t[:]}
	picked := s.picked(seg, &args)
	if err := s.read.QueryRowContext(ctx, "SELECT count(*) FROM contacts c WHERE c.tenant = $1 AND "+picked, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count filter: %w", s.refusal(err))
	}
	return n, nil
}

// segmentQuery is a Segment on its way to a condition of contacts c, whose tenant is $1.
// Nothing of the Segment reaches the text but through maps of constants; values become
// parameters (T29).
type segmentQuery struct {
	dialect dialect
	args    *[]any
	now     time.Time
}

// picked is the condition that a Segment makes. What no Segment can say picks nobody.
func (s *Store) picked(seg audience.Segment, args *[]any) string {
	return segmentQuery{s.dialect, args, s.cfg.Now()}.tree(seg)
}

func (q segmentQuery) arg(v any) string {
	*q.args = append(*q.args, v)
	return "$" + strconv.Itoa(len(*q.args))
}

func (q segmentQuery) tree(seg audience.Segment) string {
	join := func(parts []audience.Segment, word string) string {
		texts := make([]string, len(parts))
		for i, part := range parts {
			texts[i] = q.tree(part)
		}
		return "(" + strings.Join(texts, word) + ")"
	}
	switch {
	case len(seg.All) > 0:
		return join(seg.All, " AND ")
	case len(seg.Any) > 0:
		return join(seg.Any, " OR ")
	case seg.Not != nil:
		return "NOT " + q.tree(*seg.Not)
	}
	return "(" + q.test(seg) + ")"
}

const nobody = "1 = 0"

func (q segmentQuery) test(seg audience.Segment) string {
	switch seg.Of {
	case "tag":
		return q.set(seg, "SELECT 1 FROM contact_tags x WHERE x.tenant = $1 AND x.contact = c.id AND x.tag = ", plain(seg.Value))
	case "group":
		g, err := id.Parse[audience.GroupKind](seg.Value)
		if err != nil {
			return nobody
		}
		return q.set(seg, "SELECT 1 FROM group_members x WHERE x.tenant = $1 AND x.contact = c.id AND x.grp = ", g[:])
	case "domain":
		return q.set(seg, "SELECT 1 FROM "+q.dialect.elements("c.addresses")+" a WHERE lower(a.value ->> 1) = ", strings.ToLower(plain(strings.TrimPrefix(seg.Value, "@"))))
	case "consent", "consent_basis", "consent_state", "confirmed_at":
		return q.consent(seg)
	case "created_at", "updated_at":
		return q.moment(seg, map[string]string{"created_at": "c.created_at", "updated_at": "c.updated_at"}[seg.Of])
	}
	if key := seg.FieldKey(); key != "" {
		return q.text(seg, "COALESCE("+q.dialect.textAt("c.fields", q.arg(plain(key)))+", '')", true)
	}
	column, ok := map[string]string{
		"company": "c.company", "given_name": "c.given_name", "family_name": "c.family_name", "salutation": "c.salutation", "phone": "c.phone",
		"locale": "c.locale", "reference": "COALESCE(c.reference, '')", "origin": "c.origin",
	}[seg.Of]
	if !ok {
		return nobody
	}
	return q.text(seg, column, false)
}

// set is the test whether something is there that contacts have many of.
func (q segmentQuery) set(seg audience.Segment, look string, value any) string {
	exists := "EXISTS (" + look + q.arg(value) + ")"
	if seg.Is == audience.Lacks || seg.Is == audience.Differs {
		return "NOT " + exists
	}
	return exists
}

// consent is a test of what the person behind a contact agreed to, by any of its addresses.
func (q segmentQuery) consent(seg audience.Segment) string {
	condition := map[string]string{"consent": "x.state = 'given' AND x.purpose = ", "consent_basis": "x.state = 'given' AND x.basis = ", "consent_state": "x.state = "}[seg.Of]
	if seg.Of == "confirmed_at" {
		condition = "x.state = 'given' AND " + q.moment(seg, q.dialect.instantAt("x.spec", "confirmed_at"))
	} else {
		condition += q.arg(plain(seg.Value))
	}
	exists := "EXISTS (SELECT 1 FROM " + q.dialect.elements("c.addresses") + " a JOIN consents x ON x.tenant = $1 AND x.address <> '' " +
		"AND lower(x.address) = lower((a.value ->> 0) || '@' || (a.value ->> 1)) WHERE " + condition + ")"
	if seg.Is == audience.Lacks {
		return "NOT " + exists
	}
	return exists
}

// moment compares an instant with days (UTC).
func (q segmentQuery) moment(seg audience.Segment, column string) string {
	day, err := time.Parse(time.DateOnly, seg.Value)
	switch {
	case seg.Is == audience.Within:
		return column + " >= " + q.arg(millis(q.since(seg)))
	case err != nil:
		return nobody
	case seg.Is == audience.Before:
		return column + " < " + q.arg(millis(day))
	case seg.Is == audience.After:
		return column + " >= " + q.arg(millis(day.AddDate(0, 0, 1)))
	}
	return nobody
}

// since is the first of the last so many days.
func (q segmentQuery) since(seg audience.Segment) time.Time {
	n, _ := strconv.Atoi(seg.Value) // 0 is today too
	return q.now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-n)
}

// text compares a text; own says that it is a field of the tenant's own, which may hold
// a number or a day.
func (q segmentQuery) text(seg audience.Segment, x string, own bool) string {
	value := plain(seg.Value)
	pattern := func(before, after string) string {
		return "lower(" + x + ") LIKE " + q.arg(before+likeText(strings.ToLower(value))+after) + " ESCAPE '!'"
	}
	switch seg.Is {
	case audience.Empty:
		return x + " = ''"
	case audience.Present:
		return x + " <> ''"
	case audience.Equals:
		return "lower(" + x + ") = lower(CAST(" + q.arg(value) + " AS TEXT))"
	case audience.Differs:
		return "lower(" + x + ") <> lower(CAST(" + q.arg(value) + " AS TEXT))"
	case audience.Begins:
		return pattern("", "%")
	case audience.Contains:
		return pattern("%", "%")
	case audience.Less, audience.More, audience.Before, audience.After, audience.Within, audience.Has, audience.Lacks:
	}
	if !own {
		return nobody
	}
	return q.ordered(seg, x)
}

// ordered compares numbers, and days written so that their texts have their order.
func (q segmentQuery) ordered(seg audience.Segment, x string) string {
	number, err := strconv.ParseFloat(strings.Replace(seg.Value, ",", ".", 1), 64)
	switch {
	case seg.Is == audience.Before:
		return x + " <> '' AND " + x + " < " + q.arg(plain(seg.Value))
	case seg.Is == audience.After:
		return x + " > " + q.arg(plain(seg.Value))
	case seg.Is == audience.Within:
		return x + " BETWEEN " + q.arg(q.since(seg).Format(time.DateOnly)) + " AND " + q.arg(q.now.UTC().Format(time.DateOnly))
	case err != nil:
		return nobody
	case seg.Is == audience.Less:
		return x + " <> '' AND " + q.dialect.numberIn(x) + " < " + q.arg(number)
	case seg.Is == audience.More:
		return x + " <> '' AND " + q.dialect.numberIn(x) + " > " + q.arg(number)
	}
	return nobody
}
