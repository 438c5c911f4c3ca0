package bounce

import (
	"fmt"
	"slices"
	"strings"
)

// maxText bounds how much of a reply is read for words. Its sense stands in front,
// and the text of one reply may be 64 KB.
const maxText = 4 << 10

// maxRules bounds the rules of a table.
const maxRules = 256

// phrases finds which rules have a phrase in a text, all in one walk: hundreds of
// searches one after the other would cost more than the rest of an attempt. The
// key is how the first piece of a phrase begins.
type phrases map[[2]byte][]phrase

// phrase is a text of a rule with its "*" taken out: the pieces, in order.
type phrase struct {
	pieces []string
	rule   int
}

// ruleSet is a set of rules by number.
type ruleSet [maxRules / 64]uint64

func (s *ruleSet) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }
func (s *ruleSet) put(i int)      { s[i/64] |= 1 << (i % 64) }

func (p phrases) add(text string, rule int) error {
	if text != fold(text) {
		return fmt.Errorf("text %q is not in lower case with single blanks", text)
	}
	pieces := strings.Split(text, "*")
	for i := range pieces {
		if pieces[i] = strings.TrimSpace(pieces[i]); len(pieces[i]) < 2 {
			return fmt.Errorf("text %q has a piece of less than two bytes", text)
		}
	}
	key := [2]byte{pieces[0][0], pieces[0][1]}
	p[key] = append(p[key], phrase{pieces, rule})
	return nil
}

// in returns the rules that have a phrase in a folded text.
func (p phrases) in(text string) ruleSet {
	var found ruleSet
	for i := 0; i+1 < len(text); i++ {
		if text[i] == ' ' || insideWord(text, i) {
			continue
		}
		for _, ph := range p[[2]byte{text[i], text[i+1]}] {
			if !found.has(ph.rule) && ph.at(text, i) {
				found.put(ph.rule)
			}
		}
	}
	return found
}

// at reports whether the phrase begins at i: its first piece there, the others
// somewhere behind, each where a word begins.
func (p phrase) at(text string, i int) bool {
	if !strings.HasPrefix(text[i:], p.pieces[0]) {
		return false
	}
	i += len(p.pieces[0])
	for _, piece := range p.pieces[1:] {
		if i = wordIndex(text, piece, i); i < 0 {
			return false
		}
		i += len(piece)
	}
	return true
}

// wordIndex finds piece at or behind from, not inside a word: "locked" is not in
// "blocked", while "spam" is in "spamming".
func wordIndex(text, piece string, from int) int {
	for {
		i := strings.Index(text[from:], piece)
		if i < 0 {
			return -1
		}
		if i += from; !insideWord(text, i) {
			return i
		}
		from = i + 1
	}
}

// insideWord reports whether text[i] goes on with the word of text[i-1].
func insideWord(text string, i int) bool {
	return i > 0 && i < len(text) && wordByte(text[i]) && wordByte(text[i-1])
}

// wordByte counts every byte of a letter outside ASCII as part of a word.
func wordByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b >= 0x80
}

// fold makes text comparable: lower case, runs of blanks and line ends one blank,
// and no mail addresses, whose words say nothing of the reason.
func fold(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	fields := strings.Fields(strings.ToLower(text))
	for i, f := range fields {
		if strings.Contains(f, "@") {
			fields[i] = "@"
		}
	}
	return strings.Join(fields, " ")
}

// reach is how far apart what is spoken of and what is said of it may stand, in bytes:
// some ten words.
const reach = 60

// near reports whether one of the things and one of what is said of them stand in one
// sentence of a folded text, in either order and close together.
func near(text string, about, says []string) bool {
	for _, thing := range about {
		for from := 0; ; {
			i := nearIndex(text, thing, from)
			if i < 0 {
				break
			}
			from = i + len(thing)
			around := sentence(text, i, from)
			if slices.ContainsFunc(says, func(word string) bool { return nearIndex(around, word, 0) >= 0 }) {
				return true
			}
		}
	}
	return false
}

// wholeWord is up to which length a word of about or says must end where a word ends:
// "ip" is not in "ipsum".
const wholeWord = 3

// nearIndex is wordIndex for the words of about and says.
func nearIndex(text, word string, from int) int {
	for {
		i := wordIndex(text, word, from)
		if i < 0 || len(word) > wholeWord || !insideWord(text, i+len(word)) {
			return i
		}
		from = i + 1
	}
}

// sentence is the text around text[from:to] as far as reach and the sentence go.
func sentence(text string, from, to int) string {
	start, end := max(from-reach, 0), min(to+reach, len(text))
	if i := strings.LastIndex(text[start:from], ". "); i >= 0 {
		start += i + 2
	} else {
		// Not from inside a word, which would then seem to begin there.
		for start > 0 && start < from && insideWord(text, start) {
			start++
		}
	}
	if i := strings.Index(text[to:end], ". "); i >= 0 {
		end = to + i
	}
	return text[start:end]
}
