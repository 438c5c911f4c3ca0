package message

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
