package preflight

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"stafette/internal/template/blocks"
)

// feature is something that a widely used mail program does not show. The list is short and
// written by hand from what is generally known of these programs; it was not held against a
// collection of tests such as caniemail.com, and tells of few things that matter, not of all.
type feature struct {
	name     string // as the finding says it
	programs string
	found    *regexp.Regexp
}

// features are looked for in the source of the compiled mail.
func features() []feature {
	of := func(name, programs, pattern string) feature {
		return feature{name, programs, regexp.MustCompile(`(?i)` + pattern)}
	}
	return []feature{
		of("<script>", "Gmail, Outlook, Apple Mail", `<script[\s>]`),
		of("<iframe>", "Gmail, Outlook", `<iframe[\s>]`),
		of("<form>", "Gmail, Outlook", `<form[\s>]`),
		of("<video>", "Gmail, Outlook, GMX", `<video[\s>]`),
		of("<audio>", "Gmail, Outlook, GMX", `<audio[\s>]`),
		of("<svg>", "Gmail, Outlook", `<svg[\s>]`),
		of("position", "Gmail, Outlook", `[;"\s{]position\s*:\s*(absolute|fixed|sticky)`),
		of("display: flex", "Outlook (Windows)", `display\s*:\s*(inline-)?flex`),
		of("display: grid", "Gmail, Outlook (Windows)", `display\s*:\s*(inline-)?grid`),
		of("var(--…)", "Gmail, Outlook", `var\(\s*--`),
		of("WebP", "Outlook (Windows)", `src="[^"]+\.webp[?"]`),
	}
}

// maxStyle is the size of a <style> above which Gmail drops it.
const maxStyle = 8192

// conditional are the comments in which only Outlook for Windows reads.
var conditional = regexp.MustCompile(`(?s)<!--\[if.*?<!\[endif\]-->`)

var styles = regexp.MustCompile(`(?is)<style[^>]*>(.*?)</style>`)

// clients finds what mail programs do not show.
func clients(page string) (list []Finding) {
	bare := conditional.ReplaceAllString(page, "")
	for _, f := range features() {
		if n := len(f.found.FindAllStringIndex(bare, 100)); n > 0 {
			list = append(list, Finding{Kind: FindClient, What: f.name + ": " + f.programs, N: n})
		}
	}
	for _, m := range styles.FindAllStringSubmatch(bare, 50) {
		if len(m[1]) > maxStyle {
			list = append(list, Finding{Kind: FindClient, What: "<style> > 8 KB: Gmail", N: 1})
			break
		}
	}
	return list
}

// look is how words look where the tokenizer stands.
type look struct {
	tag            string
	colour, ground string // "#rrggbb"; "": not known
	large          bool
}

// maxContrasts bounds the findings about contrast.
const maxContrasts = 5

// contrasts finds words that are hard to read on their ground (WCAG 2.2, 1.4.3), as far as
// styles within elements tell: six digits or three, and a few names. What a style sheet, a
// picture or a theme changes is not known, and not told.
func contrasts(page string) (list []Finding) {
	stack := []look{{colour: "#000000", ground: "#ffffff"}}
	z := html.NewTokenizer(strings.NewReader(page))
	hidden := 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			return list
		case html.StartTagToken:
			t := z.Token()
			if void(t.Data) || len(stack) > 500 {
				continue
			}
			if hidden > 0 || t.Data == "style" || t.Data == "script" || t.Data == "title" {
				hidden++
			}
			stack = append(stack, stack[len(stack)-1].within(t))
		case html.EndTagToken:
			name, _ := z.TagName()
			at := len(stack) - 1
			for at > 0 && stack[at].tag != string(name) {
				at--
			}
			if at > 0 {
				hidden = max(0, hidden-(len(stack)-at))
				stack = stack[:at]
			}
		case html.TextToken:
			words := strings.TrimSpace(string(z.Text()))
			top := stack[len(stack)-1]
			least := 4.5
			if top.large {
				least = 3
			}
			ratio := blocks.Contrast(top.colour, top.ground)
			if words == "" || hidden > 0 || ratio == 0 || ratio >= least || len(list) >= maxContrasts {
				continue
			}
			f := Finding{Kind: FindContrast, What: top.colour + " / " + top.ground, N: 1}
			if !slices.Contains(list, f) {
				list = append(list, f)
			}
		}
	}
}

// void reports whether an element has no end.
func void(name string) bool {
	switch name {
	case "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr":
		return true
	}
	return false
}

var (
	colourStyle = regexp.MustCompile(`(?i)(?:^|;)\s*color\s*:\s*([^;!]+)`)
	groundStyle = regexp.MustCompile(`(?i)(?:^|;)\s*background(?:-color)?\s*:\s*([^;!]+)`)
	largeStyle  = regexp.MustCompile(`(?i)(?:^|;)\s*font-size\s*:\s*(?:2[4-9]|[3-9]\d)(?:\.\d+)?px`)
	smallStyle  = regexp.MustCompile(`(?i)(?:^|;)\s*font-size\s*:`)
)

func (l look) within(t html.Token) look {
	in := look{tag: t.Data, colour: l.colour, ground: l.ground, large: l.large}
	for _, a := range t.Attr {
		switch a.Key {
		case "bgcolor":
			in.ground = colourOf(a.Val)
		case "background":
			in.ground = ""
		case "style":
			if m := colourStyle.FindStringSubmatch(a.Val); m != nil {
				in.colour = colourOf(m[1])
			}
			if m := groundStyle.FindStringSubmatch(a.Val); m != nil && strings.TrimSpace(m[1]) != "transparent" && strings.TrimSpace(m[1]) != "none" {
				in.ground = colourOf(m[1])
			}
			if smallStyle.MatchString(a.Val) {
				in.large = largeStyle.MatchString(a.Val)
			}
		}
	}
	return in
}

// colourOf is a colour as "#rrggbb", "" for what is none or not known.
func colourOf(text string) string {
	text = strings.ToLower(strings.TrimSpace(text))
	if word, _, several := strings.Cut(text, " "); several {
		text = word
	}
	switch text {
	case "white":
		return "#ffffff"
	case "black":
		return "#000000"
	}
	if len(text) == 4 && text[0] == '#' {
		text = "#" + strings.Repeat(text[1:2], 2) + strings.Repeat(text[2:3], 2) + strings.Repeat(text[3:4], 2)
	}
	if !blocks.Colour(text) {
		return ""
	}
	return text
}
