package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// migrations holds numbered steps, the same numbers for both databases. A step
// that was released is never changed.
//
//go:embed migrations
var migrations embed.FS

// migrate brings the schema up to date. Several nodes may do so at once.
func migrate(ctx context.Context, d dialect, db *sql.DB) error {
	folder, err := fs.Sub(migrations, "migrations/"+d.name())
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	kind, options := goose.DialectSQLite3, []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if !d.onlyProcess() {
		// Tries every second for five minutes: as long as a large step may take.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		kind, options = goose.DialectPostgres, append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(kind, db, folder, options...)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
