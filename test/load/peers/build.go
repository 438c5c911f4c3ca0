package peers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// BuildStafette compiles the product of this module into the directory and returns
// the program's path. Tags are build tags; openssl lets C in for that alone.
func BuildStafette(ctx context.Context, dir string, tags ...string) (string, error) {
	binary := filepath.Join(dir, "stafette")
	cgo := "CGO_ENABLED=0"
	if slices.Contains(tags, "openssl") {
		cgo, tags = "CGO_ENABLED=1", append(slices.Clone(tags), "netgo", "osusergo")
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", strings.Join(tags, ","), "-o", binary, "stafette/cmd/stafette")
	cmd.Env = append(os.Environ(), cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build stafette: %w: %s", err, lastLine(out))
	}
	return binary, nil
}
