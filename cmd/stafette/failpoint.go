//go:build failpoint

package main

import (
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// failpoint returns a function to be called with the name of a place that was
// passed: the process kills itself with SIGKILL when it passes the one that
// STAFETTE_TEST_FAILPOINT=name:n names for the n-th time. It is nil without one.
// Only crash tests build with the tag "failpoint".
func failpoint(environ []string) func(place string) {
	for _, entry := range environ {
		value, ok := strings.CutPrefix(entry, "STAFETTE_TEST_FAILPOINT=")
		if !ok {
			continue
		}
		name, count, _ := strings.Cut(value, ":")
		n, err := strconv.ParseInt(count, 10, 64)
		if err != nil || n < 1 {
			n = 1
		}
		var passed atomic.Int64
		return func(place string) {
			if place == name && passed.Add(1) == n {
				_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
				select {} // nothing may happen between the signal and the death
			}
		}
	}
	return nil
}
