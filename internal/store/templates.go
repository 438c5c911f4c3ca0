package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
)

var _ stationery.Store = (*Store)(nil)

const templateColumns = "tenant, id, name, part, version, langs, created_at, updated_at"

func readTemplate(row scanner) (t stationery.Template, err error) {
	err = row.Scan(&t.Tenant, &t.ID, &t.Name, truth{&t.Part}, &t.Version, document{&t.Langs}, instant{&t.CreatedAt}, instant{&t.UpdatedAt})
	return t, err
}

func (s *Store) templateTaken(err error) error {
	if err != nil && s.failureOf(err) == failConflict {
		return &fault.Error{Kind: fault.Conflict, Code: stationery.CodeTaken, Field: "name", Detail: "Another template has this name.", Err: err}
	}
	return err
}

func addTemplateVersion(ctx context.Context, tx *sql.Tx, t stationery.Template, v stationery.Version) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO template_versions (tenant, template, number, lang, source, html, text, variables, actor, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		t.Tenant[:], t.ID[:], v.Number, v.Lang, plain(asJSON(v.Source)), plain(v.HTML), plain(v.Text), plain(asJSON(v.Variables)), plain(v.Actor), millis(v.At))
	return err
}

// CreateTemplate implements stationery.Store. Two that are made at the same moment may
// pass the limit together by one.
func (s *Store) CreateTemplate(ctx context.Context, t stationery.Template, v stationery.Version, most int) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM templates WHERE tenant = $1", t.Tenant[:]).Scan(&n); err != nil {
			return err
		}
		if n >= most {
			return fault.New(fault.Conflict, stationery.CodeMany, "There are as many templates as there can be.")
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO templates (tenant, id, name, fold, part, version, langs, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, t.Tenant[:], t.ID[:], plain(t.Name), plain(strings.ToLower(t.Name)), flag(t.Part), t.Version,
			plain(asJSON(t.Langs)), millis(t.CreatedAt), millis(t.UpdatedAt))
		if err != nil {
			return s.templateTaken(err)
		}
		return addTemplateVersion(ctx, tx, t, v)
	})
	if err != nil {
		return fmt.Errorf("create template: %w", err)
	}
	return nil
}

// SaveTemplate implements stationery.Store.
func (s *Store) SaveTemplate(ctx context.Context, t stationery.Template, v stationery.Version, keep int) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE templates SET name = $3, fold = $4, version = $5, langs = $6, updated_at = $7 WHERE tenant = $1 AND id = $2 AND version = $5 - 1",
			t.Tenant[:], t.ID[:], plain(t.Name), plain(strings.ToLower(t.Name)), t.Version, plain(asJSON(t.Langs)), millis(t.UpdatedAt))
		if err != nil {
			return s.templateTaken(err)
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return s.whyNotSaved(ctx, tx, t)
		}
		if err := addTemplateVersion(ctx, tx, t, v); err != nil {
			return err
		}
		// The newest of each language stays, however old it is.
		_, err = tx.ExecContext(ctx, `DELETE FROM template_versions WHERE tenant = $1 AND template = $2 AND number <= $3 AND number NOT IN
			(SELECT max(l.number) FROM template_versions l WHERE l.tenant = $1 AND l.template = $2 GROUP BY l.lang)`, t.Tenant[:], t.ID[:], t.Version-int64(keep))
		return err
	})
	if err != nil {
		return fmt.Errorf("save template: %w", err)
	}
	return nil
}

// whyNotSaved tells a template that is gone from one that somebody else has saved.
func (s *Store) whyNotSaved(ctx context.Context, tx *sql.Tx, t stationery.Template) error {
	var version int64
	err := tx.QueryRowContext(ctx, "SELECT version FROM templates WHERE tenant = $1 AND id = $2", t.Tenant[:], t.ID[:]).Scan(&version)
	if err != nil {
		return missing(err, stationery.CodeUnknown)
	}
	return fault.New(fault.Conflict, stationery.CodeChanged, "Somebody else has saved the template meanwhile.")
}

// Template implements stationery.Store.
func (s *Store) Template(ctx context.Context, of tenant.ID, which stationery.ID) (stationery.Template, error) {
	t, err := readTemplate(s.read.QueryRowContext(ctx, "SELECT "+templateColumns+" FROM templates WHERE tenant = $1 AND id = $2", of[:], which[:]))
	if err != nil {
		return stationery.Template{}, fmt.Errorf("read template: %w", s.refusal(missing(err, stationery.CodeUnknown)))
	}
	return t, nil
}

// TemplateNamed implements stationery.Store.
func (s *Store) TemplateNamed(ctx context.Context, of tenant.ID, name string) (stationery.Template, error) {
	t, err := readTemplate(s.read.QueryRowContext(ctx, "SELECT "+templateColumns+" FROM templates WHERE tenant = $1 AND fold = $2", of[:], plain(strings.ToLower(name))))
	if err != nil {
		return stationery.Template{}, fmt.Errorf("find template: %w", s.refusal(missing(err, stationery.CodeUnknown)))
	}
	return t, nil
}

// Templates implements stationery.Store.
func (s *Store) Templates(ctx context.Context, of tenant.ID) (list []stationery.Template, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+templateColumns+" FROM templates WHERE tenant = $1 ORDER BY fold LIMIT $2", of[:], stationery.MaxTemplates+100)
	err = scan(rows, err, func(row *sql.Rows) error {
		t, err := readTemplate(row)
		list = append(list, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", s.refusal(err))
	}
	return list, nil
}

const templateVersionColumns = "number, lang, source, html, text, variables, actor, at"

func (s *Store) templateVersion(row scanner) (v stationery.Version, err error) {
	err = row.Scan(&v.Number, &v.Lang, document{&v.Source}, &v.HTML, &v.Text, document{&v.Variables}, &v.Actor, instant{&v.At})
	if err != nil {
		return stationery.Version{}, fmt.Errorf("read version of template: %w", s.refusal(missing(err, stationery.CodeUnknown)))
	}
	return v, nil
}

// TemplateVersion implements stationery.Store.
func (s *Store) TemplateVersion(ctx context.Context, of tenant.ID, which stationery.ID, number int64) (stationery.Version, error) {
	return s.templateVersion(s.read.QueryRowContext(ctx, "SELECT "+templateVersionColumns+" FROM template_versions WHERE tenant = $1 AND template = $2 AND number = $3",
		of[:], which[:], number))
}

// LatestTemplate implements stationery.Store.
func (s *Store) LatestTemplate(ctx context.Context, of tenant.ID, which stationery.ID, lang string) (stationery.Version, error) {
	return s.templateVersion(s.read.QueryRowContext(ctx, "SELECT "+templateVersionColumns+` FROM template_versions WHERE tenant = $1 AND template = $2 AND lang = $3
		ORDER BY number DESC LIMIT 1`, of[:], which[:], lang))
}

// TemplateVersions implements stationery.Store.
func (s *Store) TemplateVersions(ctx context.Context, of tenant.ID, which stationery.ID) (list []stationery.Version, err error) {
	if _, err := s.Template(ctx, of, which); err != nil {
		return nil, err
	}
	rows, err := s.read.QueryContext(ctx, "SELECT number, lang, actor, at FROM template_versions WHERE tenant = $1 AND template = $2 ORDER BY number DESC LIMIT $3",
		of[:], which[:], 2*stationery.MaxVersions)
	err = scan(rows, err, func(row *sql.Rows) error {
		var v stationery.Version
		err := row.Scan(&v.Number, &v.Lang, &v.Actor, instant{&v.At})
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list versions of template: %w", s.refusal(err))
	}
	return list, nil
}

// TemplateParts implements stationery.Store.
func (s *Store) TemplateParts(ctx context.Context, of tenant.ID, lang string) (map[string]string, error) {
	parts, own := map[string]string{}, map[string]bool{}
	rows, err := s.read.QueryContext(ctx, `SELECT t.fold, v.lang, v.source FROM templates t JOIN template_versions v ON v.tenant = $1 AND v.template = t.id
		WHERE t.tenant = $1 AND t.part = 1 AND v.number IN
		(SELECT max(l.number) FROM template_versions l WHERE l.tenant = $1 AND l.template = t.id GROUP BY l.lang)
		ORDER BY t.fold, v.number`, of[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var name, in string
		var source stationery.Source
		if err := row.Scan(&name, &in, document{&source}); err != nil {
			return err
		}
		if in == lang || !own[name] {
			parts[name], own[name] = source.Markup, in == lang
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read parts of templates: %w", s.refusal(err))
	}
	return parts, nil
}

// DropTemplate implements stationery.Store.
func (s *Store) DropTemplate(ctx context.Context, of tenant.ID, which stationery.ID) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM template_versions WHERE tenant = $1 AND template = $2", of[:], which[:]); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, "DELETE FROM templates WHERE tenant = $1 AND id = $2", of[:], which[:])
		return touched(res, err, stationery.CodeUnknown)
	})
	if err != nil {
		return fmt.Errorf("drop template: %w", err)
	}
	return nil
}

// Brand implements stationery.Store.
func (s *Store) Brand(ctx context.Context, of tenant.ID) (b blocks.Brand, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT spec FROM brands WHERE tenant = $1", of[:]).Scan(document{&b})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return blocks.Brand{}, fmt.Errorf("read brand: %w", s.refusal(err))
	}
	return b, nil
}

// SaveBrand implements stationery.Store.
func (s *Store) SaveBrand(ctx context.Context, of tenant.ID, b blocks.Brand, now time.Time) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO brands (tenant, spec, updated_at) VALUES ($1, $2, $3) ON CONFLICT (tenant) DO UPDATE SET spec = excluded.spec, updated_at = excluded.updated_at",
			of[:], plain(asJSON(b)), millis(now))
		return err
	})
	if err != nil {
		return fmt.Errorf("save brand: %w", err)
	}
	return nil
}
