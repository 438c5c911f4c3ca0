package store

import (
	"context"
	"database/sql"
	"fmt"

	"stafette/internal/fault"
	"stafette/internal/seal"
	"stafette/internal/stationery/pictures"
	"stafette/internal/tenant"
)

var _ pictures.Store = (*Store)(nil)

const pictureColumns = "tenant, id, hash, name, alt, media, width, height, size, creator, created_at, updated_at"

func readPicture(row scanner) (p pictures.Picture, err error) {
	err = row.Scan(&p.Tenant, &p.ID, bytes32{&p.Hash}, &p.Name, &p.Alt, &p.Media, &p.Width, &p.Height, &p.Size, &p.Creator, instant{&p.CreatedAt}, instant{&p.UpdatedAt})
	return p, err
}

// AddPicture implements pictures.Store. Two that are added at the same moment may pass the
// limit together by one.
func (s *Store) AddPicture(ctx context.Context, p pictures.Picture, full, small pictures.Content, most int) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		var n, same int
		err := tx.QueryRowContext(ctx, "SELECT count(*), coalesce(sum(CASE WHEN hash = $2 THEN 1 ELSE 0 END), 0) FROM pictures WHERE tenant = $1", p.Tenant[:], p.Hash[:]).Scan(&n, &same)
		switch {
		case err != nil:
			return err
		case same > 0:
			return fault.New(fault.Conflict, pictures.CodeTwice, "The picture is there already.")
		case n >= most:
			return fault.New(fault.Conflict, pictures.CodeMany, "There are as many pictures as there can be.")
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO pictures ("+pictureColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
			p.Tenant[:], p.ID[:], p.Hash[:], plain(p.Name), plain(p.Alt), p.Media, p.Width, p.Height, p.Size, plain(p.Creator), millis(p.CreatedAt), millis(p.UpdatedAt))
		if err != nil {
			return s.taken(err, pictures.CodeTwice, "The picture is there already.")
		}
		for n, c := range []pictures.Content{full, small} {
			if _, err = tx.ExecContext(ctx, "INSERT INTO picture_contents (tenant, picture, small, salt, sealed) VALUES ($1, $2, $3, $4, $5)", p.Tenant[:], p.ID[:], n, c.Salt[:], c.Sealed); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("add picture: %w", err)
	}
	return nil
}

// ChangePicture implements pictures.Store.
func (s *Store) ChangePicture(ctx context.Context, p pictures.Picture) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE pictures SET name = $3, alt = $4, updated_at = $5 WHERE tenant = $1 AND id = $2", p.Tenant[:], p.ID[:], plain(p.Name), plain(p.Alt), millis(p.UpdatedAt))
		return touched(res, err, pictures.CodeUnknown)
	})
	if err != nil {
		return fmt.Errorf("change picture: %w", err)
	}
	return nil
}

// Picture implements pictures.Store.
func (s *Store) Picture(ctx context.Context, t tenant.ID, which pictures.ID) (pictures.Picture, error) {
	return s.picture(s.read.QueryRowContext(ctx, "SELECT "+pictureColumns+" FROM pictures WHERE tenant = $1 AND id = $2", t[:], which[:]))
}

// PictureByHash implements pictures.Store.
func (s *Store) PictureByHash(ctx context.Context, t tenant.ID, hash [32]byte) (pictures.Picture, error) {
	return s.picture(s.read.QueryRowContext(ctx, "SELECT "+pictureColumns+" FROM pictures WHERE tenant = $1 AND hash = $2", t[:], hash[:]))
}

func (s *Store) picture(row *sql.Row) (pictures.Picture, error) {
	p, err := readPicture(row)
	if err != nil {
		return pictures.Picture{}, fmt.Errorf("read picture: %w", s.refusal(missing(err, pictures.CodeUnknown)))
	}
	return p, nil
}

// Pictures implements pictures.Store.
func (s *Store) Pictures(ctx context.Context, t tenant.ID) (list []pictures.Picture, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+pictureColumns+" FROM pictures WHERE tenant = $1 ORDER BY id DESC", t[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		p, err := readPicture(row)
		list = append(list, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list pictures: %w", s.refusal(err))
	}
	return list, nil
}

// PictureContent implements pictures.Store.
func (s *Store) PictureContent(ctx context.Context, t tenant.ID, which pictures.ID, small bool) (c pictures.Content, err error) {
	var salt [32]byte
	err = s.read.QueryRowContext(ctx, "SELECT salt, sealed FROM picture_contents WHERE tenant = $1 AND picture = $2 AND small = $3", t[:], which[:], flag(small)).Scan(bytes32{&salt}, &c.Sealed)
	if err != nil {
		return pictures.Content{}, fmt.Errorf("read picture: %w", s.refusal(missing(err, pictures.CodeUnknown)))
	}
	c.Salt = seal.Salt(salt)
	return c, nil
}

// PictureUses implements pictures.Store. It reads the letters and templates of one tenant;
// people ask when they open a picture or delete it.
func (s *Store) PictureUses(ctx context.Context, t tenant.ID, text string, limit int) ([]pictures.Use, error) {
	list, err := pictureUses(ctx, s.read, t, text, limit)
	if err != nil {
		return nil, fmt.Errorf("find uses of picture: %w", s.refusal(err))
	}
	return list, nil
}

func pictureUses(ctx context.Context, q querier, t tenant.ID, text string, limit int) (list []pictures.Use, err error) {
	for _, of := range []struct{ kind, prefix, text string }{
		{"campaign", "cmp", `SELECT c.id, c.name FROM campaigns c JOIN campaign_letters l ON l.tenant = c.tenant AND l.campaign = c.id
			WHERE c.tenant = $1 AND replace(l.letter, $2, '') <> l.letter ORDER BY c.id DESC LIMIT $3`},
		{"template", "tpl", `SELECT t.id, t.name FROM templates t WHERE t.tenant = $1 AND EXISTS (SELECT 1 FROM template_versions v
			WHERE v.tenant = $1 AND v.template = t.id AND (replace(v.source, $2, '') <> v.source OR replace(v.html, $2, '') <> v.html)) ORDER BY t.id DESC LIMIT $3`},
	} {
		rows, err := q.QueryContext(ctx, of.text, t[:], text, limit)
		err = scan(rows, err, func(row *sql.Rows) error {
			u, number := pictures.Use{Kind: of.kind}, pictures.ID{}
			err := row.Scan(&number, &u.Name)
			u.ID = of.prefix + number.String()[len("pic"):]
			list = append(list, u)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	var n int
	if err := q.QueryRowContext(ctx, "SELECT count(*) FROM brands WHERE tenant = $1 AND replace(spec, $2, '') <> spec", t[:], text).Scan(&n); err != nil {
		return nil, err
	}
	if n > 0 {
		list = append(list, pictures.Use{Kind: "brand"})
	}
	return list, nil
}

// DropPicture implements pictures.Store.
func (s *Store) DropPicture(ctx context.Context, t tenant.ID, which pictures.ID, text string) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		used, err := pictureUses(ctx, tx, t, text, 1)
		if err != nil {
			return err
		}
		if len(used) > 0 {
			return fault.New(fault.Conflict, pictures.CodeUsed, "A mailing, a template or the brand shows the picture.")
		}
		res, err := tx.ExecContext(ctx, "DELETE FROM pictures WHERE tenant = $1 AND id = $2", t[:], which[:])
		if err := touched(res, err, pictures.CodeUnknown); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM picture_contents WHERE tenant = $1 AND picture = $2", t[:], which[:])
		return err
	})
	if err != nil {
		return fmt.Errorf("delete picture: %w", err)
	}
	return nil
}
