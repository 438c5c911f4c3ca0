//go:build !failpoint

package main

// failpoint is for crash tests; this build has none.
func failpoint([]string) func(place string) { return nil }
