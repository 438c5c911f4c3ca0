package tenant

import (
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"stafette/internal/fault"
)

// Cost of argon2id: the second recommendation of OWASP's password storage sheet,
// 19 MiB, two passes, one lane. With two hashes at a time sign-in never takes more
// than 38 MiB.
const (
	argonMemory = 19 * 1024 // KiB
	argonPasses = 2
	argonLanes  = 1
	argonKey    = 32
	argonSalt   = 16
)

// Lengths of passwords in characters. The upper bound keeps hashing cheap.
const (
	MinPassword = 12
	MaxPassword = 128
)

//go:embed common-passwords.txt
var commonPasswords string

var errHashMalformed = errors.New("password hash is malformed")

// HashPassword returns the argon2id hash in PHC form ("$argon2id$v=19$m=…"). It
// does not judge the password; see PasswordAllowed.
func HashPassword(password string) string {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt)
	key := argon2.IDKey([]byte(password), salt, argonPasses, argonMemory, argonLanes, argonKey)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonPasses, argonLanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// passwordMatches compares in constant time. The cost is read from the hash, so
// that older hashes stay valid when the constants rise; it is bounded, because a
// planted hash must not be able to exhaust memory.
func passwordMatches(hash, password string) (bool, error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return false, errHashMalformed
	}
	var version int
	var memory, passes uint32
	var lanes uint8
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false, errHashMalformed
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes); err != nil {
		return false, errHashMalformed
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil || len(salt) < 8 {
		return false, errHashMalformed
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) < 16 || len(want) > 64 {
		return false, errHashMalformed
	}
	if memory > 64*1024 || passes == 0 || passes > 8 || lanes == 0 || lanes > 4 {
		return false, errHashMalformed
	}
	have := argon2.IDKey([]byte(password), salt, passes, memory, lanes, uint32(len(want)))
	return subtle.ConstantTimeCompare(have, want) == 1, nil
}

// PasswordMatches reports whether a password is the one of a hash of HashPassword. It takes
// 19 MiB and some ten milliseconds; callers bound how often and how many at once.
func PasswordMatches(hash, password string) (bool, error) { return passwordMatches(hash, password) }

// passwordLetters leaves out what people mistake for each other: 0 o 1 l i.
const passwordLetters = "abcdefghjkmnpqrstuvwxyz23456789"

// NewPassword returns a random password of four groups of five characters that can
// be read out over the telephone, with 99 bits of chance.
func NewPassword() string {
	var b strings.Builder
	for i := range 20 {
		if i > 0 && i%5 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(passwordLetters[fairIndex(len(passwordLetters))])
	}
	return b.String()
}

// fairIndex returns a random number below n ≤ 128 without modulo bias.
func fairIndex(n int) int {
	limit := 256 - 256%n
	for {
		var one [1]byte
		_, _ = rand.Read(one[:])
		if int(one[0]) < limit {
			return int(one[0]) % n
		}
	}
}

// PasswordAllowed returns nil or why the password may not be chosen, an Invalid
// refusal of the field "password": password_too_short, password_too_long,
// password_is_email, password_too_common.
func PasswordAllowed(password, email string) error {
	lower := strings.ToLower(password)
	local, _, _ := strings.Cut(strings.ToLower(email), "@")
	switch n := utf8.RuneCountInString(password); {
	case n < MinPassword:
		return fault.Field("password", "password_too_short", fmt.Sprintf("A password has at least %d characters.", MinPassword))
	case n > MaxPassword:
		return fault.Field("password", "password_too_long", fmt.Sprintf("A password has at most %d characters.", MaxPassword))
	case email != "" && (lower == strings.ToLower(email) || lower == local):
		return fault.Field("password", "password_is_email", "The password is the e-mail address.")
	case common(lower):
		return fault.Field("password", "password_too_common", "The password is on the lists that attackers try first.")
	}
	return nil
}

// common reports whether the password is a well-known one, or one with nothing but
// digits and punctuation around it, or a single character repeated.
func common(lower string) bool {
	core := strings.TrimFunc(lower, func(r rune) bool { return r < 'a' && r < 0x80 || r > 'z' && r < 0x80 })
	if strings.Count(lower, lower[:1]) == len(lower) {
		return true
	}
	for line := range strings.Lines(commonPasswords) {
		word := strings.TrimSpace(line)
		if word == lower || word == core && core != "" {
			return true
		}
	}
	return false
}
