package store

import (
	"context"
	"database/sql"
	"fmt"

	"stafette/internal/stationery"
	"stafette/internal/tenant"
)

// The places of logos. aside is one that holds nothing but within a transaction.
const (
	logoShown, logoFormer, logoAside = 0, 1, 2
)

// Logos implements stationery.LogoStore.
func (s *Store) Logos(ctx context.Context, of tenant.ID) (shown, former stationery.Logo, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT place, data, media, ending, width, height, sha256, taken_at FROM brand_logos WHERE tenant = $1", of[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var l stationery.Logo
		var place int
		var sum []byte
		err := row.Scan(&place, &l.Data, &l.Media, &l.End, &l.Width, &l.Height, &sum, instant{&l.At})
		copy(l.SHA256[:], sum)
		if place == logoShown {
			shown = l
		} else {
			former = l
		}
		return err
	})
	if err != nil {
		return stationery.Logo{}, stationery.Logo{}, fmt.Errorf("read logos: %w", s.refusal(err))
	}
	return shown, former, nil
}

// PutLogo implements stationery.LogoStore.
func (s *Store) PutLogo(ctx context.Context, of tenant.ID, l stationery.Logo) error {
	return s.changeLogos(ctx, "put logo", func(tx *sql.Tx) error {
		if err := retireLogo(ctx, tx, of); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO brand_logos (tenant, place, data, media, ending, width, height, sha256, taken_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
			of[:], logoShown, l.Data, l.Media, l.End, l.Width, l.Height, l.SHA256[:], millis(l.At))
		return err
	})
}

// DropLogo implements stationery.LogoStore.
func (s *Store) DropLogo(ctx context.Context, of tenant.ID) error {
	return s.changeLogos(ctx, "drop logo", func(tx *sql.Tx) error { return retireLogo(ctx, tx, of) })
}

// SwapLogos implements stationery.LogoStore.
func (s *Store) SwapLogos(ctx context.Context, of tenant.ID) error {
	return s.changeLogos(ctx, "swap logos", func(tx *sql.Tx) error {
		for _, move := range [][2]int{{logoShown, logoAside}, {logoFormer, logoShown}, {logoAside, logoFormer}} {
			if _, err := tx.ExecContext(ctx, "UPDATE brand_logos SET place = $3 WHERE tenant = $1 AND place = $2", of[:], move[0], move[1]); err != nil {
				return err
			}
		}
		return nil
	})
}

// retireLogo makes the logo that is shown the former one, if there is one.
func retireLogo(ctx context.Context, tx *sql.Tx, of tenant.ID) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM brand_logos WHERE tenant = $1 AND place = $2
		AND EXISTS (SELECT 1 FROM brand_logos l WHERE l.tenant = $1 AND l.place = $3)`, of[:], logoFormer, logoShown)
	if err == nil {
		_, err = tx.ExecContext(ctx, "UPDATE brand_logos SET place = $3 WHERE tenant = $1 AND place = $2", of[:], logoShown, logoFormer)
	}
	return err
}

func (s *Store) changeLogos(ctx context.Context, what string, change func(*sql.Tx) error) error {
	if err := s.transact(ctx, change); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
