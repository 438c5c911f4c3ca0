package diagnosis

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxProof bounds a proof that is read: one has a few attempts with 4 KB of reply each.
	maxProof = 1 << 20
	// maxNesting bounds how deep its JSON may be nested; ours is four deep.
	maxNesting = 8
)

// ErrProofMalformed is wrapped by the errors about files that are no proof.
var ErrProofMalformed = errors.New("not a delivery proof")

// canonical JSON (RFC 8785) of the part of JSON that proofs are made of: objects with
// plain ASCII names, arrays, strings, whole numbers, true, false and null. It is what
// gets signed, so that white space and the order of names do not matter.
func writeCanonical(b *bytes.Buffer, v any) error {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			return fmt.Errorf("%w: a number that is not whole", ErrProofMalformed)
		}
		b.WriteString(strconv.FormatInt(n, 10))
	case string:
		writeString(b, v)
	case []any:
		b.WriteByte('[')
		for i, one := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeCanonical(b, one); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case map[string]any:
		return writeObject(b, v)
	default:
		return fmt.Errorf("%w: unexpected %T", ErrProofMalformed, v)
	}
	return nil
}

func writeObject(b *bytes.Buffer, object map[string]any) error {
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	// RFC 8785 sorts by UTF-16 code units; of ASCII, bytes are the same.
	slices.Sort(names)
	b.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		writeString(b, name)
		b.WriteByte(':')
		if err := writeCanonical(b, object[name]); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

// writeString escapes what RFC 8785, 3.2.2.2 says and nothing else.
func writeString(b *bytes.Buffer, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= 0x20:
			b.WriteRune(r)
		case strings.ContainsRune("\b\t\n\f\r", r):
			b.WriteByte('\\')
			b.WriteByte("btn?fr"[r-'\b'])
		default:
			fmt.Fprintf(b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
}

// readStrict reads one JSON value of bounded size and depth, and refuses what readers
// could understand differently: names that come twice or are not plain ASCII, invalid
// UTF-8, and anything behind the value.
func readStrict(data []byte) (any, error) {
	if len(data) > maxProof {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrProofMalformed, maxProof)
	}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%w: not UTF-8", ErrProofMalformed)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := readValue(d, 0)
	if err != nil {
		if !errors.Is(err, ErrProofMalformed) {
			err = fmt.Errorf("%w: %w", ErrProofMalformed, err)
		}
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows it", ErrProofMalformed)
	}
	return v, nil
}

func readValue(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxNesting {
		return nil, fmt.Errorf("%w: nested too deep", ErrProofMalformed)
	}
	switch token {
	case json.Delim('{'):
		return readObject(d, depth)
	case json.Delim('['):
		list := []any{}
		for d.More() {
			one, err := readValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, one)
		}
		_, err = d.Token()
		return list, err
	}
	return token, nil
}

func readObject(d *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if _, twice := object[name]; !ok || twice || strings.IndexFunc(name, func(r rune) bool { return r <= 0x20 || r >= 0x7f }) >= 0 {
			return nil, fmt.Errorf("%w: a name that is repeated or not plain", ErrProofMalformed)
		}
		if object[name], err = readValue(d, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return object, err
}
