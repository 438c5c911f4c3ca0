package approval

import (
	"crypto/sha256"
	"encoding/binary"
	"html"
	"math"
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"

	"stafette/internal/message"
)

// Shape is what mail has in common that looks alike: see Shapes.
type Shape = [16]byte

// Body is the content of a mail as its door took it: the texts of a draft, or a message as
// it stands (RFC 5322).
type Body struct {
	Text, HTML string
	Raw        []byte
}

const (
	// bodyRead is how much of a text is compared, in bytes: who hides behind more has written
	// as much that is the same.
	bodyRead = 16 << 10
	// rawRead is how much of a message is looked at for its text.
	rawRead = 64 << 10
	// fewWords is from how many words on a text says something by itself.
	fewWords = 12
	// shingle is how many words that follow each other are compared as one.
	shingle = 3
	// bands and rows are how the sketch of a text is compared: texts of which a share s of all
	// shingles is common agree in a band with a probability of s to the power of rows.
	bands = 6
	rows  = 4
)

// kept is a copy of as much of the body as is compared, so that the rest can be forgotten.
func (b Body) kept() Body {
	clip := func(s string) string { return strings.Clone(s[:min(len(s), bodyRead)]) }
	if b.Text != "" {
		return Body{Text: clip(b.Text)}
	}
	if b.HTML != "" {
		return Body{HTML: clip(b.HTML)}
	}
	return Body{Raw: append([]byte(nil), b.Raw[:min(len(b.Raw), rawRead)]...)}
}

// text is what people read of the body, "" if there is nothing.
func (b Body) text() string {
	switch {
	case b.Text != "":
		return b.Text
	case b.HTML != "":
		return withoutMarkup(b.HTML)
	case len(b.Raw) == 0:
		return ""
	}
	list, err := message.Contents(b.Raw)
	if err != nil {
		return "" // cut off within its structure, or none
	}
	for _, media := range []string{"text/plain", "text/html"} {
		for _, c := range list {
			if c.ContentType != media || c.Filename != "" || len(c.Bytes) == 0 {
				continue
			}
			text := strings.ToValidUTF8(string(c.Bytes[:min(len(c.Bytes), bodyRead)]), " ")
			if media == "text/html" {
				text = withoutMarkup(text)
			}
			return text
		}
	}
	return ""
}

// withoutMarkup leaves what stands between the tags of HTML.
func withoutMarkup(s string) string {
	var b strings.Builder
	for s != "" {
		text, rest, found := strings.Cut(s, "<")
		b.WriteString(text)
		b.WriteByte(' ')
		if !found {
			break
		}
		for _, name := range []string{"style", "script", "head"} {
			if len(rest) > len(name) && strings.EqualFold(rest[:len(name)], name) && !isWord(rest[len(name)]) {
				if at := strings.Index(strings.ToLower(rest), "</"+name); at >= 0 {
					rest = rest[at:]
				}
			}
		}
		_, s, _ = strings.Cut(rest, ">")
	}
	return html.UnescapeString(b.String())
}

func isWord(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' }

// Shapes are what a mail can be recognised by among others like it: one shape of its subject,
// and of its body, if it has enough words, one for each part of a sketch that names and
// numbers do not change. Mail that looks alike has at least one in common, on all nodes. The
// work is bounded whatever the body holds.
func Shapes(subject string, b Body) []Shape {
	return append(shapesOf(b), SubjectShape(subject))
}

// SubjectShape is what subjects have in common that differ in signs and numbers only: words
// are kept, runs of digits are one.
func SubjectShape(subject string) Shape {
	var b []rune
	digits := false
	for _, r := range subject {
		switch {
		case unicode.IsDigit(r):
			if !digits {
				b = append(b, '0')
			}
			digits = true
			continue
		case unicode.IsLetter(r):
			b = append(b, unicode.ToLower(r))
		}
		digits = false
	}
	sum := sha256.Sum256([]byte(string(b)))
	return Shape(sum[:16])
}

// shapesOf are the bands of the body's sketch (one permutation hashing: the least hash of a
// shingle in each of as many bins, empty bins filled up from the next).
func shapesOf(b Body) []Shape {
	list := wordsIn(b.text())
	if len(list) < fewWords {
		return nil
	}
	var bins [bands * rows]uint64
	for i := range bins {
		bins[i] = math.MaxUint64
	}
	for i := 0; i+shingle <= len(list); i++ {
		h := uint64(0)
		for _, w := range list[i : i+shingle] {
			h = mix(h*31 + w)
		}
		bin, value := bits.Mul64(h, uint64(len(bins)))
		bins[bin] = min(bins[bin], value)
	}
	full := bins
	for i := range full {
		for step := uint64(1); full[i] == math.MaxUint64 && step < uint64(len(bins)); step++ {
			if v := bins[(i+int(step))%len(bins)]; v != math.MaxUint64 {
				full[i] = mix(v + step)
			}
		}
	}
	shapes := make([]Shape, 0, bands+1)
	for band := range bands {
		text := []byte{'b', byte(band)}
		for _, v := range full[band*rows : (band+1)*rows] {
			text = binary.BigEndian.AppendUint64(text, v)
		}
		sum := sha256.Sum256(text)
		shapes = append(shapes, Shape(sum[:16]))
	}
	return shapes
}

// mix spreads the bits of a number over all of them.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// isSalutation reports whether a name may follow a word, in lower case.
func isSalutation(w string) bool {
	switch w {
	case "herr", "herrn", "frau", "hallo", "hi", "hey", "moin", "servus", "liebe", "lieber", "geehrte", "geehrter", "familie",
		"dear", "hello", "mr", "mrs", "ms", "miss", "sir", "madam":
		return true
	}
	return false
}

// namesFollow is how many words with a capital letter may stand after a salutation: titles
// and names.
const namesFollow = 5

// wordsIn are hashes of the words of a text, without what personalisation puts in: addresses,
// links, what stands after a salutation; all numbers are one.
func wordsIn(text string) (list []uint64) {
	names := 0 // how many more words may belong to a name
	for field := range strings.FieldsSeq(text[:min(len(text), bodyRead)]) {
		if strings.Contains(field, "://") || strings.HasPrefix(field, "www.") || strings.Contains(field, "@") {
			names = 0
			continue
		}
		for w := range strings.FieldsFuncSeq(field, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			lower := strings.ToLower(w)
			first, _ := utf8.DecodeRuneInString(w)
			switch {
			case isSalutation(lower):
				names = namesFollow
			case names > 0 && unicode.IsUpper(first):
				names--
			case strings.ContainsFunc(w, unicode.IsDigit):
				list, names = append(list, wordHash("0")), 0
			default:
				list, names = append(list, wordHash(lower)), 0
			}
		}
		if strings.ContainsAny(field[len(field)-1:], ",!:;?") {
			names = 0
		}
	}
	return list
}

// wordHash is FNV-1a, the same on all nodes.
func wordHash(w string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(w) {
		h = (h ^ uint64(w[i])) * 0x100000001b3
	}
	return h
}
