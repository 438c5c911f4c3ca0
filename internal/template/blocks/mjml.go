package blocks

import (
	"fmt"
	"html"
	"regexp"
	"strings"
)

// Brand is how the mails of a sender look. The zero value is plain.
type Brand struct {
	// Name is the sender's; it stands in the head where there is no logo.
	Name string `json:"name"`
	// Logo is the address of a picture; LogoAlt says in words what it shows.
	Logo    string `json:"logo"`
	LogoAlt string `json:"logo_alt"`
	// Colour is that of buttons and links, Ground that behind the mail: "#123f70".
	Colour string `json:"colour"`
	Ground string `json:"ground"`
	// Font is one of Fonts.
	Font string `json:"font"`
}

// Fonts are those that every mail program has.
func Fonts() []string { return []string{"sans", "serif", "mono"} }

func (b Brand) font() string {
	switch b.Font {
	case "serif":
		return "Georgia, 'Times New Roman', serif"
	case "mono":
		return "'Courier New', Courier, monospace"
	}
	return "Arial, Helvetica, sans-serif"
}

// colour is a colour of the brand, or another where it has none that can be read.
func colour(value, otherwise string) string {
	if Colour(value) {
		return strings.ToLower(value)
	}
	return otherwise
}

// Colour tells whether s is a colour as brands have them: "#" and six digits.
func Colour(s string) bool { return colours.MatchString(s) }

var colours = regexp.MustCompile(`^#[0-9A-Fa-f]{6}$`)

// Words are those that a document does not bring itself, in the language of the mail.
type Words struct {
	// Lang is the language, "de".
	Lang string
	// Unsubscribe are the words of the link.
	Unsubscribe string
}

// Colours of the mail itself. Contrast of ink and ground is above 12, of quiet above 5.
const (
	ink, paper, quiet, line  = "#1d2733", "#ffffff", "#5a6673", "#d5dbe1"
	plainColour, plainGround = "#123f70", "#f2f4f6"
)

// MJML writes the document. It must have passed Check. preview is what mail programs
// show behind the subject; "" for none.
func (d Document) MJML(b Brand, w Words, preview string) string {
	var out strings.Builder
	main := colour(b.Colour, plainColour)
	fmt.Fprintf(&out, `<mjml lang="%s"><mj-head>`, html.EscapeString(w.Lang))
	if preview != "" {
		fmt.Fprintf(&out, "<mj-preview>%s</mj-preview>", words(preview))
	}
	fmt.Fprintf(&out, `<mj-attributes><mj-all font-family="%s" color="%s"/><mj-text font-size="16px" line-height="1.5"/>`, b.font(), ink)
	fmt.Fprintf(&out, `<mj-button background-color="%s" color="%s" border-radius="6px" font-size="16px" inner-padding="14px 24px"/>`, main, On(main))
	fmt.Fprintf(&out, `<mj-section background-color="%s" padding="8px 0"/></mj-attributes>`, paper)
	out.WriteString(`<mj-raw><meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark"></mj-raw>`)
	fmt.Fprintf(&out, `<mj-style>a{color:%s}h1,h2{margin:0;font-size:22px;line-height:1.3}h3{margin:0;font-size:18px;line-height:1.3}p{margin:0 0 12px}ul,ol{margin:0 0 12px;padding-left:22px}</mj-style>`, main)
	out.WriteString(darkStyle)
	fmt.Fprintf(&out, `</mj-head><mj-body background-color="%s" css-class="ground">`, colour(b.Ground, plainGround))
	for _, block := range d.Blocks {
		out.WriteString("\n")
		block.mjml(&out, b, w)
	}
	out.WriteString("\n</mj-body></mjml>\n")
	return out.String()
}

// darkStyle turns paper and ink round where the reader's device is dark.
const darkStyle = `<mj-style>@media (prefers-color-scheme:dark){body,.ground,.ground>div{background-color:#11161c !important}.sheet,.sheet>table,.sheet td{background-color:#1b232c !important}.sheet td div,.sheet h1,.sheet h2,.sheet h3,.sheet p,.sheet li{color:#e9edf1 !important}.sheet td div a{color:#9cc4f0 !important}}</mj-style>`

func (b Block) mjml(out *strings.Builder, brand Brand, w Words) {
	column := func(inner string) {
		fmt.Fprintf(out, `<mj-section css-class="sheet"><mj-column>%s</mj-column></mj-section>`, inner)
	}
	switch b.Kind {
	case Head:
		if brand.Logo != "" && brand.LogoAlt != "" && usable(brand.Logo, "https", "http") {
			column(picture(brand.Logo, brand.LogoAlt, "", "180px"))
		} else {
			column(fmt.Sprintf(`<mj-text font-size="20px" font-weight="bold">%s</mj-text>`, words(brand.Name)))
		}
	case Text:
		column(b.words("h1"))
	case Picture:
		column(picture(b.Picture, b.Alt, b.URL, ""))
	case Button:
		column(button(b.Cell))
	case Offer, Product:
		inner := ""
		if b.Picture != "" {
			inner = picture(b.Picture, b.Alt, b.URL, "")
		}
		inner += Cell{Title: b.Title}.words("h2")
		if b.Price != "" {
			inner += fmt.Sprintf(`<mj-text font-size="18px" font-weight="bold" padding-top="0">%s</mj-text>`, words(b.Price))
		}
		column(inner + Cell{Text: b.Text}.words("h2") + button(b.Cell))
	case Columns:
		out.WriteString(`<mj-section css-class="sheet">`)
		for _, c := range b.Cells {
			inner := ""
			if c.Picture != "" {
				inner = picture(c.Picture, c.Alt, c.URL, "")
			}
			fmt.Fprintf(out, `<mj-column>%s</mj-column>`, inner+c.words("h2")+button(c))
		}
		out.WriteString(`</mj-section>`)
	case Social:
		var list []string
		for _, c := range b.Cells {
			list = append(list, anchor(c.URL, words(c.Label)))
		}
		column(fmt.Sprintf(`<mj-text align="center">%s</mj-text>`, strings.Join(list, " &#183; ")))
	case Divider:
		column(fmt.Sprintf(`<mj-divider border-width="1px" border-color="%s"/>`, line))
	case Footer:
		inner := ""
		if b.Text != "" {
			inner = fmt.Sprintf(`<mj-text font-size="13px" color="%s">%s</mj-text>`, quiet, rich(b.Text))
		}
		column(inner + fmt.Sprintf(`<mj-text font-size="13px" color="%[1]s">{{#if %[2]s}}<p>{{%[2]s}}</p>{{/if}}{{#if %[3]s}}<p><a href="{{%[3]s}}">%[4]s</a></p>{{/if}}</mj-text>`,
			quiet, ImprintVariable, UnsubscribeVariable, words(w.Unsubscribe)))
	}
}

// words are the title and the text of a cell.
func (c Cell) words(heading string) string {
	out := ""
	if c.Title != "" {
		out += fmt.Sprintf(`<mj-text><%s>%s</%[1]s></mj-text>`, heading, words(c.Title))
	}
	if c.Text != "" {
		out += fmt.Sprintf(`<mj-text>%s</mj-text>`, rich(c.Text))
	}
	return out
}

func picture(src, alt, href, width string) string {
	more := ""
	if href != "" {
		more += fmt.Sprintf(` href="%s"`, attribute(href))
	}
	if width != "" {
		more += fmt.Sprintf(` width="%s" align="left"`, width)
	}
	return fmt.Sprintf(`<mj-image src="%s" alt="%s"%s/>`, attribute(src), attribute(alt), more)
}

func button(c Cell) string {
	if c.Label == "" || c.URL == "" {
		return ""
	}
	return fmt.Sprintf(`<mj-button href="%s">%s</mj-button>`, attribute(c.URL), words(c.Label))
}

func anchor(href, shown string) string {
	if href == "" {
		return shown
	}
	return fmt.Sprintf(`<a href="%s">%s</a>`, attribute(href), shown)
}

// words escapes a text for HTML but for its tags of Handlebars.
func words(s string) string {
	var out strings.Builder
	at := 0
	for _, span := range tags.FindAllStringIndex(s, -1) {
		out.WriteString(html.EscapeString(s[at:span[0]]))
		out.WriteString(strings.NewReplacer("<", "", ">", "").Replace(s[span[0]:span[1]]))
		at = span[1]
	}
	out.WriteString(html.EscapeString(s[at:]))
	return out.String()
}

// attribute is words for a value in double quotes.
func attribute(s string) string {
	return tags.ReplaceAllStringFunc(words(s), func(tag string) string { return strings.ReplaceAll(tag, `"`, "'") })
}

var (
	link   = regexp.MustCompile(`\[([^\[\]\n]+)\]\(([^()\s]+)\)`)
	bold   = regexp.MustCompile(`\*\*([^*\n]+)\*\*`)
	italic = regexp.MustCompile(`\*([^*\n]+)\*`)
)

// rich makes HTML of a text with its little markup.
func rich(s string) string {
	var out strings.Builder
	for _, paragraph := range paragraphs(shield(s)) {
		lines := strings.Split(paragraph, "\n")
		for len(lines) > 0 && headed.MatchString(lines[0]) {
			sign, words, _ := strings.Cut(lines[0], " ")
			fmt.Fprintf(&out, "<h%[1]d>%[2]s</h%[1]d>", len(sign), inline(words))
			lines = lines[1:]
		}
		if kind := listOf(lines); kind != "" {
			out.WriteString("<" + kind + ">")
			for _, item := range lines {
				_, words, _ := strings.Cut(item, " ")
				out.WriteString("<li>" + inline(words) + "</li>")
			}
			out.WriteString("</" + kind + ">")
			continue
		}
		if len(lines) == 0 {
			continue
		}
		for i := range lines {
			lines[i] = inline(lines[i])
		}
		out.WriteString("<p>" + strings.Join(lines, "<br>") + "</p>")
	}
	return unshield.Replace(out.String())
}

// inline marks up one line. Addresses are taken out first, so that stars in them stay; one with
// an escaped sign is none, as backslashes are in no address.
func inline(s string) string {
	var out strings.Builder
	at := 0
	for _, m := range link.FindAllStringSubmatchIndex(s, -1) {
		out.WriteString(stars(s[at:m[0]]))
		if href := s[m[4]:m[5]]; !strings.Contains(href, shielded) && usable(href, "https", "http", "mailto", "tel") {
			out.WriteString(anchor(href, stars(s[m[2]:m[3]])))
		} else {
			out.WriteString(stars(s[m[0]:m[1]]))
		}
		at = m[1]
	}
	out.WriteString(stars(s[at:]))
	return out.String()
}

func stars(s string) string {
	return italic.ReplaceAllString(bold.ReplaceAllString(words(s), "<b>$1</b>"), "<i>$1</i>")
}

func paragraphs(s string) (list []string) {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	for _, p := range strings.Split(s, "\n\n") {
		if p = strings.Trim(p, "\n "); p != "" {
			list = append(list, p)
		}
	}
	return list
}

// headed is a line that is a heading, of the second or third level: the first is the title of
// the block.
var headed = regexp.MustCompile(`^#{2,3} \S`)

var numbered = regexp.MustCompile(`^\d{1,3}\. `)

// listOf is the element for lines that are all items of a list, "ul" or "ol"; "" for others.
func listOf(lines []string) string {
	all := func(is func(string) bool) bool {
		for _, l := range lines {
			if !is(l) {
				return false
			}
		}
		return len(lines) > 0
	}
	switch {
	case all(func(l string) bool { return strings.HasPrefix(l, "- ") }):
		return "ul"
	case all(numbered.MatchString):
		return "ol"
	}
	return ""
}
