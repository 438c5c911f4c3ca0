package help

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Block is a paragraph, heading or list of an article. There is no more Markdown than the
// articles use: ## headings, paragraphs, - and 1. lists of one level, and within them
// **strong**, `code` and [links](/path). Nothing in an article is taken for HTML, so
// nothing needs to be taken out of it.
type Block struct {
	Kind  BlockKind
	Text  []Inline   // of a paragraph or heading
	Items [][]Inline // of a list
}

// BlockKind says what a block is.
type BlockKind int

// The kinds of blocks.
const (
	Paragraph BlockKind = iota
	Heading
	Bullets
	Steps
)

// Inline is a run of text.
type Inline struct {
	Text   string
	Strong bool
	Code   bool
	Href   string // a path of this site, or an https address; "" for none
}

var (
	stepMark = regexp.MustCompile(`^\d+\. `)
	inline   = regexp.MustCompile("\\*\\*[^*]+\\*\\*|`[^`]+`|\\[[^\\]]+\\]\\([^)\\s]+\\)")
)

func parseBlocks(text string) ([]Block, error) {
	var blocks []Block
	for part := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		b, err := parseBlock(part)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, b)
	}
	if len(blocks) == 0 {
		return nil, errors.New("the article is empty")
	}
	return blocks, nil
}

func parseBlock(part string) (b Block, err error) {
	switch {
	case strings.HasPrefix(part, "## "):
		b.Kind = Heading
		b.Text, err = parseInline(strings.TrimPrefix(part, "## "))
	case strings.HasPrefix(part, "- "):
		b.Kind = Bullets
		b.Items, err = parseItems(part, func(line string) (string, bool) { return strings.CutPrefix(line, "- ") })
	case stepMark.MatchString(part):
		b.Kind = Steps
		b.Items, err = parseItems(part, func(line string) (string, bool) {
			mark := stepMark.FindString(line)
			return line[len(mark):], mark != ""
		})
	default:
		b.Text, err = parseInline(strings.Join(strings.Fields(part), " "))
	}
	return b, err
}

// parseItems reads a list; a line that begins no item goes on with the one before.
func parseItems(part string, begins func(line string) (string, bool)) (items [][]Inline, err error) {
	var texts []string
	for line := range strings.SplitSeq(part, "\n") {
		if rest, ok := begins(line); ok {
			texts = append(texts, rest)
		} else if n := len(texts); n > 0 {
			texts[n-1] += " " + strings.TrimSpace(line)
		}
	}
	for _, text := range texts {
		item, err := parseInline(text)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

func parseInline(text string) ([]Inline, error) {
	var runs []Inline
	for text != "" {
		at := inline.FindStringIndex(text)
		if at == nil {
			runs = append(runs, Inline{Text: text})
			break
		}
		if at[0] > 0 {
			runs = append(runs, Inline{Text: text[:at[0]]})
		}
		mark := text[at[0]:at[1]]
		text = text[at[1]:]
		switch mark[0] {
		case '*':
			runs = append(runs, Inline{Text: strings.Trim(mark, "*"), Strong: true})
		case '`':
			runs = append(runs, Inline{Text: strings.Trim(mark, "`"), Code: true})
		default:
			words, href, _ := strings.Cut(mark[1:len(mark)-1], "](")
			if !strings.HasPrefix(href, "/") && !strings.HasPrefix(href, "https://") && !strings.HasPrefix(href, "#") || strings.HasPrefix(href, "//") {
				return nil, fmt.Errorf("link to %q", href)
			}
			runs = append(runs, Inline{Text: words, Href: href})
		}
	}
	for _, r := range runs {
		if !r.Code && (strings.Contains(r.Text, "**") || strings.Contains(r.Text, "](")) {
			return nil, fmt.Errorf("markup is not closed: %q", r.Text)
		}
	}
	return runs, nil
}

// Plain is the text of runs.
func Plain(runs []Inline) string {
	var b strings.Builder
	for _, r := range runs {
		b.WriteString(r.Text)
	}
	return b.String()
}
