package spool

import "errors"

// What can become of a body.
var (
	// ErrGone: the body was dropped after its retention time, or erased.
	ErrGone = errors.New("body is gone")
	// ErrCorrupt: what lies there is not what was written.
	ErrCorrupt = errors.New("body is corrupt")
	// ErrFull: there is no room; nothing was written. It heals by itself.
	ErrFull = errors.New("no space for bodies")
)
