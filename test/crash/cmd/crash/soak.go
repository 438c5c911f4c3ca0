package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"stafette/test/soak"
)

// soakChecks is how often the books are checked in a soak, soakLimit the memory it
// must do with.
const (
	soakChecks = 20
	soakLimit  = 512 << 20
)

// soak runs the two long trials: all that a day brings, and a far side that is gone.
func (o options) soak(ctx context.Context) error {
	for _, down := range []bool{false, true} {
		if o.only != "" && (o.only == "down") != down {
			continue
		}
		dir, err := os.MkdirTemp("", "soak")
		if err != nil {
			return err
		}
		r, err := soak.Run(ctx, soak.Config{
			Binary: o.binary, Dir: dir, Messages: o.soakMessages, Every: max(1, o.soakMessages/soakChecks), Size: 2 << 10, Batch: 100,
			Unsigned: o.unsigned, Down: down, Memory: soakLimit, Tell: func(line string) { fmt.Println(line) },
		})
		name := "soak"
		if down {
			name = "soak, nobody there"
		}
		fmt.Printf("%-26s %v\n", name, r)
		if err != nil {
			return fmt.Errorf("%s, left in %s: %w", name, filepath.Base(dir), err)
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}
