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
	// ErrFailed: a flush failed. What the disk holds is unknown, and asking again
	// would report success for pages the kernel has already thrown away, so the
	// archive accepts nothing more until the process starts anew.
	ErrFailed = errors.New("flush of bodies failed")
	// ErrTooLarge: the body is longer than MaxSealed.
	ErrTooLarge = errors.New("body is too large for the archive")
)
