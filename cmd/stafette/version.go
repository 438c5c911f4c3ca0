package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"stafette/internal/dkim"
)

// version is set by the build (-X main.version=…); a plain build says what the
// module knows of itself.
var version string

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(con *console) error {
	fmt.Fprintf(con.stdout, "stafette %s %s %s/%s, RSA by %s\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH, dkim.RSALibrary())
	return nil
}

func versionText() string {
	if version != "" {
		return version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "unknown"
}
