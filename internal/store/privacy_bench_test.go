package store

import (
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// manyContacts is how many contacts the lists are measured with.
const manyContacts = 1_000_000

// fillContacts stores contacts as CreateContact would, without a transaction for each.
func fillContacts(b *testing.B, s *Store, t tenant.ID) {
	b.Helper()
	const numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2) "
	const key = "CAST(unhex(printf('%032x', i)) AS BLOB)"
	const family, given = "'familie' || (i * 7919 % 50021)", "'vorname' || (i % 997)"
	for _, text := range []string{
		numbers + `INSERT INTO contacts (tenant, id, version, salutation, given_name, family_name, company, phone, locale, addresses, sort_name, origin, actor,
			created_at, updated_at) SELECT $1, ` + key + `, 1, '', ` + given + `, ` + family + `, '', '', 'de', '[["p' || i || '","x.example"]]',
			` + family + ` || ' ' || ` + given + `, 'api', 'key_1', i, i FROM n`,
		numbers + "INSERT INTO contact_addresses SELECT $1, 'p' || i || '@x.example', " + key + " FROM n",
		numbers + "INSERT INTO contact_words SELECT $1, " + family + ", " + key + " FROM n",
		numbers + "INSERT INTO contact_words SELECT $1, " + given + ", " + key + " FROM n",
		numbers + "INSERT INTO contact_words SELECT $1, '@x.example', " + key + " FROM n",
		numbers + "INSERT INTO contact_tags SELECT $1, 'tag' || (i % 10), " + key + ", " + family + " || ' ' || " + given + " FROM n",
	} {
		if _, err := s.write.ExecContext(b.Context(), text, t[:], manyContacts); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkContacts measures pages of a tenant with a million contacts, deep in the list.
func BenchmarkContacts(b *testing.B) {
	s, err := Open(b.Context(), Config{DataDir: b.TempDir(), Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}()
	t := id.New[tenant.Kind](time.Now())
	fillContacts(b, s, t)
	page, err := s.Contacts(b.Context(), t, audience.ContactFilter{Text: "p500000@"})
	if err != nil || len(page.Contacts) != 1 {
		b.Fatalf("%v, %v", page, err)
	}
	middle := page.Contacts[0].ID
	for name, f := range map[string]audience.ContactFilter{
		"newest":        {},
		"name-deep":     {ByName: true, Ascending: true, After: middle},
		"tag-name-deep": {Tag: "tag0", ByName: true, Ascending: true, After: middle},
		"tag-deep":      {Tag: "tag0", After: middle},
		"word":          {Text: "familie77", ByName: true},
		"one-letter":    {Text: "f", ByName: true, Ascending: true},
		"two-words":     {Text: "familie1 vorname2"},
		"word-and-tag":  {Text: "vorname12", Tag: "tag3"},
		"address":       {Text: "p77"},
		"domain":        {Text: "@x.example", ByName: true},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				page, err := s.Contacts(b.Context(), t, f)
				if err != nil || len(page.Contacts) == 0 {
					b.Fatalf("%d found, %v", len(page.Contacts), err)
				}
			}
		})
	}
}
