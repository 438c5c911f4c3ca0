package audience

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"stafette/internal/spreadsheet"
	"stafette/internal/tenant"
)

// ContactRecord is a contact as files and programs read it.
type ContactRecord struct {
	ID         ContactID         `json:"id"`
	Version    int64             `json:"version"`
	Salutation string            `json:"salutation"`
	GivenName  string            `json:"given_name"`
	FamilyName string            `json:"family_name"`
	Company    string            `json:"company"`
	Phone      string            `json:"phone"`
	Locale     string            `json:"locale"`
	Reference  string            `json:"reference"`
	Addresses  []string          `json:"addresses"`
	Fields     map[string]string `json:"fields"`
	Tags       []string          `json:"tags"`
	Origin     Origin            `json:"origin"`
	Actor      string            `json:"actor"`
	CreatedAt  time.Time         `json:"created_at"`
	UpdatedAt  time.Time         `json:"updated_at"`
}

// Record is the contact as files and programs read it; lists are never null.
func (c Contact) Record() ContactRecord {
	r := ContactRecord{
		ID: c.ID, Version: c.Version, Salutation: c.Salutation, GivenName: c.GivenName, FamilyName: c.FamilyName, Company: c.Company,
		Phone: c.Phone, Locale: c.Locale, Reference: c.Reference, Addresses: []string{}, Fields: map[string]string{}, Tags: []string{},
		Origin: c.Origin, Actor: c.Actor, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	}
	for _, a := range c.Addresses {
		r.Addresses = append(r.Addresses, a.String())
	}
	for key, value := range c.Fields {
		r.Fields[key] = value
	}
	r.Tags = append(r.Tags, c.Tags...)
	return r
}

// each reads all contacts that the filter matches, page by page.
func (s *Contacts) each(ctx context.Context, t tenant.ID, f ContactFilter, do func(Contact) error) error {
	f.After, f.Limit = ContactID{}, exportPage
	for {
		page, err := s.store.Contacts(ctx, t, f)
		if err != nil {
			return err
		}
		for _, c := range page.Contacts {
			if err := do(c); err != nil {
				return err
			}
			f.After = c.ID
		}
		if !page.More {
			return nil
		}
	}
}

// ExportCSV writes contacts as CSV, a column for each field of one's own. Spreadsheets
// take none of its cells for a formula (T28).
func (s *Contacts) ExportCSV(ctx context.Context, t tenant.ID, f ContactFilter, w io.Writer, comma rune) error {
	declared, err := s.store.Fields(ctx, t)
	if err != nil {
		return err
	}
	out := spreadsheet.NewWriter(w, comma)
	head := []string{"id", "salutation", "given_name", "family_name", "company", "address", "further_addresses", "phone", "locale", "reference", "tags", "created_at"}
	for _, d := range declared {
		head = append(head, d.Key)
	}
	if err := out.Write(head...); err != nil {
		return err
	}
	err = s.each(ctx, t, f, func(c Contact) error {
		r := c.Record()
		cells := []string{r.ID.String(), r.Salutation, r.GivenName, r.FamilyName, r.Company, r.Addresses[0], strings.Join(r.Addresses[1:], " "),
			r.Phone, r.Locale, r.Reference, strings.Join(r.Tags, ","), stamp(r.CreatedAt)}
		for _, d := range declared {
			cells = append(cells, r.Fields[d.Key])
		}
		return out.Write(cells...)
	})
	return cmp.Or(err, out.Flush())
}

// ExportJSON writes contacts as one JSON list.
func (s *Contacts) ExportJSON(ctx context.Context, t tenant.ID, f ContactFilter, w io.Writer) error {
	if _, err := io.WriteString(w, "["); err != nil {
		return err
	}
	separator := "\n"
	err := s.each(ctx, t, f, func(c Contact) error {
		text, err := json.Marshal(c.Record())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s%s", separator, text)
		separator = ",\n"
		return err
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, "\n]\n")
	return err
}
