package blocks_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"stafette/internal/fault"
	"stafette/internal/template"
	"stafette/internal/template/blocks"
	"stafette/internal/template/mjml"
)

func full() blocks.Document {
	return blocks.Document{Version: 1, Blocks: []blocks.Block{
		{Kind: blocks.Head},
		{Kind: blocks.Text, Cell: blocks.Cell{Title: "Guten Tag {{name}}", Text: "Eins **fett** *schräg* <script>alert(1)</script>\nzwei [Los](https://kunde.example/?a=1&b={{id}}) [nein](javascript:alert)\n\n- a\n- b {{default x \"y\"}}"}},
		{Kind: blocks.Picture, Cell: blocks.Cell{Picture: "https://bild.example/a.jpg", Alt: `Ein "Haus" <b>`, URL: "https://kunde.example/"}},
		{Kind: blocks.Button, Cell: blocks.Cell{Label: "Ansehen & mehr", URL: `{{default link "https://kunde.example/"}}`}},
		{Kind: blocks.Columns, Cells: []blocks.Cell{{Title: "Links", Text: "l"}, {Title: "Rechts", Label: "Hin", URL: "https://kunde.example/r"}}},
		{Kind: blocks.Offer, Price: "412.000 €", Cell: blocks.Cell{Title: "Wohnung 4.2", Text: "61 m²", Label: "Zum Angebot", URL: "https://kunde.example/o"}},
		{Kind: blocks.Social, Cells: []blocks.Cell{{Label: "Fediverse", URL: "https://sozial.example/@m"}}},
		{Kind: blocks.Divider},
		{Kind: blocks.Footer, Cell: blocks.Cell{Text: "Bis bald"}},
	}}
}

// What people put together becomes a mail whose words are words, and whose tags work.
func TestDocumentBecomesMail(t *testing.T) {
	d := full()
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
	w := blocks.Words{Lang: "de", Unsubscribe: "Abmelden"}
	brand := blocks.Brand{Name: "Muster <GmbH>", Colour: "#ffe100", Font: "serif"}
	var c mjml.Compiler
	html, err := c.Compile(context.Background(), d.MJML(brand, w, "Vorab {{name}}"))
	if err != nil {
		t.Fatal(err)
	}
	data := map[string]any{"name": "Eva <b>", "id": "7", "unsubscribe_url": "https://post.example/a", "imprint": "Muster GmbH, Weg 1"}
	got := render(t, html, (*template.Template).Render, data)
	for _, want := range []string{
		"<h1>Guten Tag Eva &lt;b&gt;</h1>", "<b>fett</b> <i>schräg</i> &lt;script&gt;", `<a href="https://kunde.example/?a=1&amp;b=7">Los</a>`, "[nein](javascript:alert)", "<li>b y</li>",
		`alt="Ein &#34;Haus&#34; &lt;b&gt;"`, `href="https://kunde.example/"`, "Ansehen &amp; mehr", "Muster &lt;GmbH&gt;", "412.000 €", "Muster GmbH, Weg 1", `<a href="https://post.example/a">Abmelden</a>`,
		"prefers-color-scheme", "Georgia", `lang="de"`, "#ffe100", "Vorab Eva",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in the HTML", want)
		}
	}
	if strings.Contains(got, "<script") || strings.Contains(got, `href="javascript`) {
		t.Error("words became HTML")
	}
	if t.Failed() {
		t.Log(got)
	}
	text := render(t, d.Text(brand, w), (*template.Template).RenderText, data)
	for _, want := range []string{"Guten Tag Eva <b>\n", "fett schräg", "Los (https://kunde.example/?a=1&b=7)", "[Ein \"Haus\" <b>]", "Wohnung 4.2\n\n412.000 €\n\n61 m²", "Fediverse: https://sozial.example/@m", "Abmelden: https://post.example/a\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the text\n%s", want, text)
		}
	}
}

func render(t *testing.T, src string, how func(*template.Template, map[string]any) (string, error), data map[string]any) string {
	t.Helper()
	tpl, err := template.Parse(src)
	if err != nil {
		t.Fatalf("%v in\n%s", err, src)
	}
	out, err := how(tpl, data)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change func(d *blocks.Document)
		want   string
	}{
		"version":        {func(d *blocks.Document) { d.Version = 2 }, "blocks_version blocks"},
		"kind":           {func(d *blocks.Document) { d.Blocks[1].Kind = "script" }, "block_kind_unknown blocks/1/kind"},
		"many":           {func(d *blocks.Document) { d.Blocks = make([]blocks.Block, 61) }, "blocks_too_many blocks"},
		"long":           {func(d *blocks.Document) { d.Blocks[1].Text = strings.Repeat("x", blocks.MaxText+1) }, "block_text_long blocks/1/text"},
		"alt":            {func(d *blocks.Document) { d.Blocks[2].Alt = " " }, "block_alt_missing blocks/2/alt"},
		"a part":         {func(d *blocks.Document) { d.Blocks[1].Text = "Hallo {{> gruss}}" }, "block_tag_unfit blocks/1/text"},
		"script":         {func(d *blocks.Document) { d.Blocks[3].URL = "javascript:alert(1)" }, "block_url_malformed blocks/3/url"},
		"data":           {func(d *blocks.Document) { d.Blocks[2].Picture = "data:image/svg+xml,x" }, "block_url_malformed blocks/2/picture"},
		"raw tag":        {func(d *blocks.Document) { d.Blocks[3].URL = "{{{x}}}" }, "block_url_malformed blocks/3/url"},
		"cell":           {func(d *blocks.Document) { d.Blocks[4].Cells[1].URL = "/r" }, "block_url_malformed blocks/4/cells/1/url"},
		"empty button":   {func(d *blocks.Document) { d.Blocks[3].URL = "" }, "block_empty blocks/3/url"},
		"no footer":      {func(d *blocks.Document) { d.Blocks = d.Blocks[:8] }, "footer_missing blocks"},
		"footer earlier": {func(d *blocks.Document) { d.Blocks = append(d.Blocks, blocks.Block{Kind: blocks.Text}) }, "footer_missing blocks"},
		"nothing":        {func(d *blocks.Document) { d.Blocks = nil }, "footer_missing blocks"},
	} {
		d := full()
		c.change(&d)
		e := fault.As(d.Check())
		if e == nil || fmt.Sprintf("%s %s", e.Code, e.Field) != c.want {
			t.Errorf("%s: %v, want %s", name, e, c.want)
		}
	}
}

func TestContrast(t *testing.T) {
	if c := blocks.Contrast("#000000", "#ffffff"); c < 20.9 || c > 21.1 {
		t.Errorf("black on white: %v", c)
	}
	for _, ground := range []string{"#ffe100", "#123f70", "#808080", "#ffffff", "#000000"} {
		if on := blocks.On(ground); blocks.Contrast(on, ground) < 3.9 {
			t.Errorf("%s on %s", on, ground)
		}
	}
	if blocks.Contrast("red", "#fff") != 0 {
		t.Error("no colours have a contrast")
	}
}

// Markup becomes the few elements it stands for; whatever else is typed stays words (T15).
func TestMarkup(t *testing.T) {
	for name, c := range map[string]struct{ text, html, plain string }{
		"inline":            {"**fett** *schräg* [Los](https://a.example/?a=1&b=2)", `<p><b>fett</b> <i>schräg</i> <a href="https://a.example/?a=1&amp;b=2">Los</a></p>`, "fett schräg Los (https://a.example/?a=1&b=2)"},
		"headings":          {"## Zwei\n### Drei **x**\nText", "<h2>Zwei</h2><h3>Drei <b>x</b></h3><p>Text</p>", "Zwei\nDrei x\nText"},
		"heading alone":     {"## Zwei", "<h2>Zwei</h2>", "Zwei"},
		"no heading":        {"# Eins\n##Zwei\n#### Vier\n## ", "<p># Eins<br>##Zwei<br>#### Vier<br>##</p>", "# Eins\n##Zwei\n#### Vier\n##"},
		"lists":             {"- eins\n- **zwei**\n\n1. drei\n2. vier", "<ul><li>eins</li><li><b>zwei</b></li></ul><ol><li>drei</li><li>vier</li></ol>", "- eins\n- zwei\n\n1. drei\n2. vier"},
		"heading and list":  {"## Neu\n- eins", "<h2>Neu</h2><ul><li>eins</li></ul>", "Neu\n- eins"},
		"half a list":       {"- eins\nzwei", "<p>- eins<br>zwei</p>", "- eins\nzwei"},
		"variables":         {"## Guten Tag {{given_name}}\n\n**{{company}}** [x](https://a.example/{{reference}})", `<h2>Guten Tag {{given_name}}</h2><p><b>{{company}}</b> <a href="https://a.example/{{reference}}">x</a></p>`, "Guten Tag {{given_name}}\n\n{{company}} x (https://a.example/{{reference}})"},
		"elements":          {"<script>alert(1)</script><img src=x onerror=alert(1)>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;</p>", "<script>alert(1)</script><img src=x onerror=alert(1)>"},
		"element in a head": {"## <svg/onload=alert(1)>", "<h2>&lt;svg/onload=alert(1)&gt;</h2>", "<svg/onload=alert(1)>"},
		"script as a link":  {"[x](javascript:alert(1)) [y](data:text/html,z)", "<p>[x](javascript:alert(1)) [y](data:text/html,z)</p>", "[x](javascript:alert(1)) y (data:text/html,z)"},
		"out of the link":   {`[x](https://a.example/"onmouseover="alert(1))`, `<p>[x](https://a.example/&#34;onmouseover=&#34;alert(1))</p>`, `[x](https://a.example/"onmouseover="alert(1))`},
		"escapes":           {"2 \\* 3 \\* 4\n\\- **a\\*b** \\[x](https://a.example/)\n\\## C:\\x", "<p>2 * 3 * 4<br>- <b>a*b</b> [x](https://a.example/)<br>## C:\\x</p>", "2 * 3 * 4\n- a*b [x](https://a.example/)\n## C:\\x"},
		"entity":            {"&lt;b&gt;", "<p>&amp;lt;b&amp;gt;</p>", "&lt;b&gt;"},
	} {
		d := blocks.New()
		d.Blocks[1].Text = c.text
		if html := d.MJML(blocks.Brand{}, blocks.Words{}, ""); !strings.Contains(html, "<mj-text>"+c.html+"</mj-text>") {
			t.Errorf("%s: want %s in\n%s", name, c.html, html)
		}
		if text := d.Text(blocks.Brand{}, blocks.Words{}); !strings.HasPrefix(text, c.plain+"\n") {
			t.Errorf("%s: want %q, have %q", name, c.plain, text)
		}
	}
}
