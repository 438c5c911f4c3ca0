package message

import (
	"encoding/base64"
	"mime"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// part is a node of the MIME tree. write puts its header fields, an empty line and
// its content, ended by a CRLF that belongs to the boundary behind it if there is one.
type part interface {
	write(w *headerWriter, b *boundaries)
}

// text is a leaf of prose.
type text struct {
	subtype, content string
}

func (t text) write(w *headerWriter, _ *boundaries) {
	w.WriteString("Content-Type: text/" + t.subtype + "; charset=utf-8\r\n" +
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n")
	// A byte order mark in the middle of a message is shown as a stray character.
	content := strings.TrimPrefix(t.content, "\ufeff")
	w.quoted(content)
	if !strings.HasSuffix(content, "\n") {
		w.WriteString("\r\n")
	}
}

// file is a leaf of bytes.
type file struct {
	Attachment
	disposition string
}

func (f file) write(w *headerWriter, _ *boundaries) {
	media, params := mediaType(f.Attachment)
	w.name("Content-Type")
	w.WriteString(" " + media)
	w.column += 1 + len(media)
	for _, key := range sortedKeys(params) {
		formatted := mime.FormatMediaType("x/x", map[string]string{key: params[key]})
		w.param(strings.TrimPrefix(formatted, "x/x; "))
	}
	w.fileParam("name", f.Filename)
	w.end()
	w.name("Content-Disposition")
	w.WriteString(" " + f.disposition)
	w.column += 1 + len(f.disposition)
	w.fileParam("filename", f.Filename)
	w.end()
	if f.ContentID != "" {
		w.name("Content-ID")
		w.token("<" + f.ContentID + ">")
		w.end()
	}
	if isMessage(media) {
		w.WriteString("Content-Transfer-Encoding: 7bit\r\n\r\n")
		w.Write(f.Content)
		w.WriteString("\r\n")
		return
	}
	w.WriteString("Content-Transfer-Encoding: base64\r\n\r\n")
	w.base64(f.Content)
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// base64 writes lines of 76 characters.
func (w *headerWriter) base64(content []byte) {
	const lineBytes = 57
	if len(content) == 0 {
		w.WriteString("\r\n")
	}
	var line [76]byte
	for len(content) > 0 {
		n := min(lineBytes, len(content))
		base64.StdEncoding.Encode(line[:], content[:n])
		w.Write(line[:base64.StdEncoding.EncodedLen(n)])
		w.WriteString("\r\n")
		content = content[n:]
	}
}

// param writes one parameter of a structured field.
func (w *headerWriter) param(s string) {
	w.WriteByte(';')
	w.column++
	w.token(s)
}

// fileParam writes a file name: as RFC 2231 has it where ASCII is not the whole truth,
// and then in ASCII for old readers. This order, because readers that know both take
// the first (Python's email package does). Encoded words inside quotes, as many
// libraries write them, are forbidden (RFC 2047, 5).
func (w *headerWriter) fileParam(key, name string) {
	if name == "" {
		return
	}
	fallback := asciiName(name)
	if fallback != name {
		w.extendedParam(key, name)
	}
	w.param(key + `="` + fallback + `"`)
}

// extendedParam writes a parameter in UTF-8, in pieces where it is long (RFC 2231, 4.1).
func (w *headerWriter) extendedParam(key, name string) {
	const room = foldColumn - len(" filename*99*=;")
	value := "utf-8''" + percentEncode(name)
	if len(value) <= room {
		w.param(key + "*=" + value)
		return
	}
	for n := 0; value != ""; n++ {
		end := min(room, len(value))
		// An encoded byte is not torn apart.
		if i := strings.LastIndexByte(value[:end], '%'); end < len(value) && i > end-3 {
			end = i
		}
		w.param(key + "*" + decimal(n) + "*=" + value[:end])
		value = value[end:]
	}
}

func decimal(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return decimal(n/10) + string(rune('0'+n%10))
}

func percentEncode(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if isQSafe(c) || c == '.' || c == '-' || c == '_' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// asciiName spells a file name in ASCII: umlauts the German way, other letters
// without their marks, anything else as an underscore.
func asciiName(name string) string {
	if isASCII(name) && !strings.ContainsAny(name, `"\`) && !strings.Contains(name, "=?") &&
		name == strings.TrimSpace(name) && !strings.Contains(name, "  ") && len(name) <= maxPlainWord {
		return name
	}
	german := strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "Ä", "Ae", "Ö", "Oe", "Ü", "Ue",
		"ß", "ss", "ẞ", "SS", `"`, "_", `\`, "_", "=?", "_?")
	var b strings.Builder
	for _, r := range norm.NFD.String(german.Replace(norm.NFC.String(name))) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
	}
	return shorten(strings.TrimSpace(strings.ReplaceAll(b.String(), "  ", " _")))
}

// shorten cuts an ASCII name to a length that fits on a line, keeping its extension.
func shorten(name string) string {
	if len(name) <= maxPlainWord {
		return name
	}
	ext := ""
	if i := strings.LastIndexByte(name, '.'); i > 0 && len(name)-i <= 10 {
		ext = name[i:]
	}
	return strings.TrimRight(name[:maxPlainWord-len(ext)], " ") + ext
}

// container is a multipart of two or more parts.
type container struct {
	subtype string
	parts   []part
}

// many returns the only part itself, or a container of all.
func many(subtype string, parts []part) part {
	if len(parts) == 1 {
		return parts[0]
	}
	return container{subtype, parts}
}

func (c container) write(w *headerWriter, b *boundaries) {
	boundary := b.next()
	w.name("Content-Type")
	w.WriteString(" multipart/" + c.subtype)
	w.column += len(" multipart/") + len(c.subtype)
	if c.subtype == "related" {
		// RFC 2387, 3.1: the type of the root.
		w.param(`type="` + rootType(c.parts[0]) + `"`)
	}
	w.param(`boundary="` + boundary + `"`)
	w.end()
	w.end()
	for _, p := range c.parts {
		w.WriteString("--" + boundary + "\r\n")
		p.write(w, b)
	}
	w.WriteString("--" + boundary + "--\r\n")
}

func rootType(p part) string {
	switch p := p.(type) {
	case container:
		return "multipart/" + p.subtype
	case text:
		return "text/" + p.subtype
	}
	return "application/octet-stream"
}

func validUTF8(s string) bool { return utf8.ValidString(s) }

// isSevenBit reports whether content may stand in a message unencoded.
func isSevenBit(content []byte) bool {
	return isSeven(content) && scanLines(content, maxLine) == nil
}
