package help

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

const (
	// maxQuestion bounds what is read of a question, in words.
	maxQuestion = 12
	// searchFound bounds what a search returns.
	searchFound = 10
)

// index finds articles by their words. It is small enough to be asked word by word.
type index struct {
	words []indexed
	size  int // articles
}

// indexed is a stem with what it weighs in each article that has it.
type indexed struct {
	stem   string
	weight map[int]float64 // by article
}

// Where a word stands tells how much the article is about it.
const (
	inTitle   = 8.0
	inWords   = 6.0
	inSummary = 3.0
	inHeading = 2.0
	inText    = 1.0
)

func newIndex(list []Article) *index {
	weights := map[string]map[int]float64{}
	add := func(article int, text string, weight float64) {
		for _, w := range wordsOf(text) {
			if weights[w] == nil {
				weights[w] = map[int]float64{}
			}
			// Once is what counts: a long article is not a better one.
			weights[w][article] = max(weights[w][article], weight)
		}
	}
	for i, a := range list {
		add(i, a.Title, inTitle)
		add(i, strings.Join(a.Words, " "), inWords)
		add(i, a.Summary, inSummary)
		for _, b := range a.Blocks {
			weight := inText
			if b.Kind == Heading {
				weight = inHeading
			}
			add(i, Plain(b.Text), weight)
			for _, item := range b.Items {
				add(i, Plain(item), inText)
			}
		}
	}
	x := &index{size: len(list)}
	for stem, weight := range weights {
		x.words = append(x.words, indexed{stem, weight})
	}
	slices.SortFunc(x.words, func(a, b indexed) int { return strings.Compare(a.stem, b.stem) })
	return x
}

// search returns the articles that have words of the question, best first. An article
// must have at least half of the words that are known at all.
func (x *index) search(question string) []int {
	asked := wordsOf(question)
	asked = asked[:min(len(asked), maxQuestion)]
	score, hits := map[int]float64{}, map[int]int{}
	known := 0
	for _, word := range asked {
		best := x.matches(word)
		if len(best) > 0 {
			known++
		}
		for article, weight := range best {
			score[article] += weight
			hits[article]++
		}
	}
	var list []int
	for article := range score {
		if 2*hits[article] >= known {
			list = append(list, article)
		}
	}
	slices.SortFunc(list, func(a, b int) int {
		return cmp.Or(-cmp.Compare(score[a]*float64(hits[a]), score[b]*float64(hits[b])), cmp.Compare(a, b))
	})
	return list[:min(len(list), searchFound)]
}

// How much a match counts that is not the word itself.
const (
	asBeginning = 0.7
	asPart      = 0.5
	asTypo      = 0.4
)

// matches weighs the articles for one word: by the word itself, a word it begins or is
// part of (German joins them), or one that differs by a typing error. Rare words count
// for more.
func (x *index) matches(word string) map[int]float64 {
	best := map[int]float64{}
	for i := range x.words {
		w := &x.words[i]
		var factor float64
		switch {
		case w.stem == word:
			factor = 1
		case len(word) >= 3 && strings.HasPrefix(w.stem, word):
			factor = asBeginning
		case len(word) >= 4 && strings.Contains(w.stem, word), len(w.stem) >= 5 && strings.Contains(word, w.stem),
			len(w.stem) >= 4 && len(word) >= 8 && (strings.HasPrefix(word, w.stem) || strings.HasSuffix(word, w.stem)):
			factor = asPart
		case len(word) >= 5 && near(word, w.stem, 1+len(word)/9):
			factor = asTypo
		default:
			continue
		}
		rare := 1 + float64(x.size)/float64(4*len(w.weight))
		for article, weight := range w.weight {
			best[article] = max(best[article], factor*weight*min(rare, 4))
		}
	}
	return best
}

// near reports whether two words differ by at most k letters that are missing, too many,
// wrong, or exchanged with their neighbour (optimal string alignment).
func near(a, b string, k int) bool {
	if len(a)-len(b) > k || len(b)-len(a) > k {
		return false
	}
	before, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(b)] <= k
}

// wordsOf takes a text apart into stems, each once, without those that say nothing.
func wordsOf(text string) []string {
	var list []string
	for _, w := range strings.FieldsFunc(fold(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if len(w) < 2 || empty(w) {
			continue
		}
		if w = stem(w); !slices.Contains(list, w) {
			list = append(list, w)
		}
	}
	return list
}

// fold makes words comparable: lower case, umlauts as two letters, however they were typed.
func fold(text string) string {
	return strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "a\u0308", "ae", "o\u0308", "oe", "u\u0308", "ue",
		"e-mail", "email", "double-opt-in", "doubleoptin", "é", "e").Replace(strings.ToLower(text))
}

// stem takes off the endings of German and English inflection, as far as a word of at
// least four letters is left. It need not be right, only the same for both sides.
func stem(w string) string {
	for _, end := range []string{"ungen", "ung", "ern", "est", "ing", "em", "en", "er", "es", "et", "ed", "st", "e", "n", "s", "t"} {
		if rest, ok := strings.CutSuffix(w, end); ok && len(rest) >= 4 {
			return rest
		}
	}
	return w
}

// empty reports whether a word says nothing about what is asked.
func empty(w string) bool {
	return slices.Contains([]string{
		"der", "die", "das", "den", "dem", "des", "ein", "eine", "einen", "einem", "einer", "und", "oder", "aber", "ich", "sie", "er", "es", "wir", "ihr", "mein", "meine", "meiner",
		"ist", "sind", "war", "wird", "werden", "hat", "haben", "kann", "was", "wie", "wo", "wer", "wann", "warum", "wieso", "nicht", "nichts", "kein", "keine", "zu", "zum", "zur", "in", "im", "an",
		"am", "ab", "auf", "fuer", "von", "vom", "mit", "bei", "aus", "nach", "sich", "auch", "noch", "nur", "als", "so", "man", "mir", "mich", "uns", "ihnen", "ihre", "ihren", "ihrem", "doch",
		"the", "and", "or", "but", "you", "your", "we", "our", "it", "is", "are", "was", "be", "been", "has", "have", "can", "what", "how", "where", "who", "when", "why", "not", "no", "to",
		"of", "on", "for", "by", "with", "from", "at", "as", "do", "does", "my", "me", "this", "that", "there", "an", "if",
	}, w)
}
