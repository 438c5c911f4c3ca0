package message

import (
	"bytes"

	"stafette/internal/fault"
)

// CheckLines reports whether raw has CRLF line ends only, no NUL and no line longer than
// limit bytes (0: 998; negative: no limit). Doors ask it as soon as they have the bytes,
// since a bare CR or LF is what SMTP smuggling is made of. Errors are *fault.Error
// "line_end_bare", "message_has_nul", "line_too_long".
func CheckLines(raw []byte, limit int) error {
	if f := scanLines(raw, Limits{LineBytes: limit}.withDefaults().LineBytes); f != nil {
		return f
	}
	return nil
}

// scanLines makes sure that CRLF is the only line end in use, that no NUL is there
// and no line too long. A bare CR or LF is what SMTP smuggling is made of.
func scanLines(raw []byte, limit int) *fault.Error {
	for rest := raw; len(rest) > 0; {
		line := rest
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			if end == 0 || rest[end-1] != '\r' {
				return fault.New(fault.Invalid, "line_end_bare", "a line feed stands without carriage return; lines end with CRLF")
			}
			line, rest = rest[:end-1], rest[end+1:]
		} else {
			rest = nil
		}
		if bytes.IndexByte(line, '\r') >= 0 {
			return fault.New(fault.Invalid, "line_end_bare", "a carriage return stands without line feed; lines end with CRLF")
		}
		if bytes.IndexByte(line, 0) >= 0 {
			return fault.New(fault.Invalid, "message_has_nul", "the message holds a NUL byte")
		}
		if limit >= 0 && len(line) > limit {
			return fault.New(fault.Invalid, "line_too_long", "a line is longer than allowed")
		}
	}
	return nil
}

// isSeven reports whether all bytes are below 128.
func isSeven(b []byte) bool {
	for len(b) >= 8 {
		if (b[0]|b[1]|b[2]|b[3]|b[4]|b[5]|b[6]|b[7])&0x80 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
