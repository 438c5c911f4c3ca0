package offerpages

import (
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

// digits is a telephone number as a tel: address has it (RFC 3966, 3).
func digits(phone string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '+' {
			return r
		}
		return -1
	}, phone)
}
