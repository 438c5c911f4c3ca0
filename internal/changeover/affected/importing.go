package affected

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"stafette/internal/changeover"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Limits of a list of customers.
const (
	MaxList      = 1 << 20 // bytes
	maxListLines = 10_000
	maxKey       = 200 // characters
	maxNote      = 300
)

// Listed is a line of a list of customers who are known to admit senders by address.
type Listed struct{ Key, Note string }

// ParseList reads such a list: a customer's number or domain, and where that is known
// from, separated by semicolons, commas or tabs. A first line of headings is left out.
// What is no list is Invalid with the field "list".
func ParseList(raw []byte) ([]Listed, error) {
	refuse := func(code, detail string) error { return fault.Field("list", code, detail) }
	if len(raw) > MaxList {
		return nil, refuse("customers_too_large", "A list has at most 1 MB.")
	}
	if !utf8.Valid(raw) {
		return nil, refuse("customers_encoding", "The list is not UTF-8.")
	}
	text := strings.TrimPrefix(string(raw), "\ufeff")
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.TrimLeadingSpace, r.LazyQuotes = -1, true, true
	r.Comma = separator(text)
	var list []Listed
	for n := 0; ; n++ {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || n > maxListLines {
			return nil, refuse("customers_malformed", "The list cannot be read as CSV of at most 10,000 lines.")
		}
		one := Listed{Key: strings.TrimSpace(row[0])}
		if len(row) > 1 {
			one.Note = Line(row[1], maxNote)
		}
		if one.Key == "" || n == 0 && heading(one.Key) {
			continue
		}
		if utf8.RuneCountInString(one.Key) > maxKey || Line(one.Key, maxKey) != one.Key {
			return nil, refuse("customers_malformed", fmt.Sprintf("Line %d names no customer.", n+1))
		}
		list = append(list, one)
	}
	if len(list) == 0 {
		return nil, refuse("customers_empty", "The list names nobody.")
	}
	return list, nil
}

// separator is the one that the first line has most of.
func separator(text string) rune {
	line, _, _ := strings.Cut(text, "\n")
	best, most := ';', 0
	for _, c := range []rune{';', '\t', ','} {
		if n := strings.Count(line, string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

func heading(cell string) bool {
	switch strings.ToLower(cell) {
	case "nummer", "number", "kunde", "customer", "anbieter", "advertiser", "domain":
		return true
	}
	return false
}

// Line is foreign text on one line, without control characters, cut to so many
// characters.
func Line(s string, most int) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == utf8.RuneError
	}), " ")
	s = strings.TrimSpace(s)
	if n := utf8.RuneCountInString(s); n > most {
		s = strings.TrimSpace(string([]rune(s)[:most]))
	}
	return s
}

// Import notes of the customers of a list that they admit senders by address. A number
// must be an advertiser's that is known; a domain need not have been seen before.
// unknown are the keys that fit nobody.
func (s *Surveyor) Import(ctx context.Context, t tenant.ID, c changeover.ID, list []Listed) (marked int, unknown []string, err error) {
	for _, one := range list {
		customer, err := s.listed(ctx, t, c, one.Key)
		if fault.IsKind(err, fault.NotFound) {
			unknown = append(unknown, one.Key)
			continue
		}
		if err != nil {
			return marked, unknown, fmt.Errorf("import customers: %w", err)
		}
		customer.Lists = true
		if one.Note != "" {
			customer.Note = one.Note
		}
		if err := s.c.Store.PutCustomer(ctx, customer); err != nil {
			return marked, unknown, fmt.Errorf("import customers: %w", err)
		}
		marked++
	}
	return marked, unknown, nil
}

func (s *Surveyor) listed(ctx context.Context, t tenant.ID, c changeover.ID, key string) (Customer, error) {
	customer, err := s.c.Store.CustomerOf(ctx, t, c, Advertiser, key)
	if !fault.IsKind(err, fault.NotFound) {
		return customer, err
	}
	domain, bad := message.ParseDomain(key)
	if bad != nil || !strings.Contains(domain, ".") {
		return customer, err
	}
	customer, err = s.c.Store.CustomerOf(ctx, t, c, Domain, domain)
	if !fault.IsKind(err, fault.NotFound) {
		return customer, err
	}
	if err := s.c.Store.PutFound(ctx, t, c, []Found{{Kind: Domain, Key: domain}}, s.c.Now()); err != nil {
		return customer, err
	}
	return s.c.Store.CustomerOf(ctx, t, c, Domain, domain)
}
