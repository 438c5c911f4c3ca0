package blocks_test

import (
	"encoding/json"
	"html"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/dop251/goja"
	xhtml "golang.org/x/net/html"

	"stafette/internal/template/blocks"
)

// node is a part of a text as the editor of the office holds it.
type node struct {
	Type    string `json:"type"`
	Text    string `json:"text"`
	Content []node `json:"content"`
	Attrs   struct {
		Level  int    `json:"level"`
		Href   string `json:"href"`
		Source string `json:"source"`
	} `json:"attrs"`
	Marks []node `json:"marks"`
}

// reading is what the office's script makes of a text.
type reading struct {
	Unsure string // why the text is not shown formatted; the rest is empty then
	Nodes  []node
	Same   string // written again, nothing changed
	Anew   string // written again as if everything had been changed
	Stable bool   // reading Anew gives the same nodes
}

// readings runs the script that reads and writes markup in the office. worded writes a text
// without tags whose signs are all words.
func readings(t *testing.T) (read func(text string) reading, worded func(text string) string) {
	t.Helper()
	script, err := os.ReadFile("../../web/frame/rich/markup.js")
	if err != nil {
		t.Fatal(err)
	}
	vm := goja.New()
	_, err = vm.RunString(strings.ReplaceAll(string(script), "\nexport ", "\n") + `
function reading(text) {
  let list;
  try { list = parse(text); } catch (e) {
    if (!(e instanceof Unsure)) throw e;
    return JSON.stringify({ Unsure: e.message || "?" });
  }
  const nodes = list.map((one) => one.node);
  const anew = write(nodes.map((node) => ({ node: tidy(node) })).filter((one) => one.node));
  let stable = false;
  try { stable = JSON.stringify(parse(anew).map((one) => one.node)) === JSON.stringify(nodes); } catch { stable = false; }
  return JSON.stringify({ Nodes: nodes, Same: write(list), Anew: anew, Stable: stable });
}
function worded(text) {
  const content = text.split("\n").flatMap((line, n) => {
    const signs = signsIn(line);
    const pieces = [...line].map((text, i) => ({ type: "text", text, marks: signs.includes(i) ? [{ type: "literal" }] : [] }));
    return n ? [{ type: "hard_break" }, ...pieces] : pieces;
  });
  return writeBlock({ type: "paragraph", content });
}`)
	if err != nil {
		t.Fatal(err)
	}
	var run func(string) (string, error)
	if err := vm.ExportTo(vm.Get("reading"), &run); err != nil {
		t.Fatal(err)
	}
	if err := vm.ExportTo(vm.Get("worded"), &worded); err != nil {
		t.Fatal(err)
	}
	return func(text string) (r reading) {
		t.Helper()
		answer, err := run(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if err := json.Unmarshal([]byte(answer), &r); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		return r
	}, worded
}

// mailed is what the server makes of a text.
func mailed(text string) string {
	d := blocks.New()
	d.Blocks[1].Text = text
	mjml := d.MJML(blocks.Brand{Name: "x"}, blocks.Words{}, "")
	_, rest, _ := strings.Cut(mjml, "\n")
	_, rest, _ = strings.Cut(rest, "\n")
	rest, _, _ = strings.Cut(rest, "\n")
	rest = strings.TrimPrefix(rest, `<mj-section css-class="sheet"><mj-column><mj-text>`)
	return strings.TrimPrefix(strings.TrimSuffix(strings.TrimSuffix(rest, `</mj-column></mj-section>`), `</mj-text>`), `<mj-section css-class="sheet"><mj-column>`)
}

// shown is what the editor shows, as HTML.
func shown(list []node) string {
	var out strings.Builder
	elements := map[string]string{"paragraph": "p", "bullet_list": "ul", "ordered_list": "ol", "list_item": "li", "bold": "b", "italic": "i"}
	for _, n := range list {
		switch n.Type {
		case "text", "chip":
			words := html.EscapeString(n.Text + strings.NewReplacer("<", "", ">", "").Replace(n.Attrs.Source))
			for i := len(n.Marks) - 1; i >= 0; i-- {
				if m := n.Marks[i]; m.Type == "literal" {
					continue
				} else if m.Type == "link" {
					words = `<a href="` + html.EscapeString(m.Attrs.Href) + `">` + words + "</a>"
				} else {
					words = "<" + elements[m.Type] + ">" + words + "</" + elements[m.Type] + ">"
				}
			}
			out.WriteString(words)
		case "hard_break":
			out.WriteString("<br>")
		case "heading":
			level := strconv.Itoa(n.Attrs.Level)
			out.WriteString("<h" + level + ">" + shown(n.Content) + "</h" + level + ">")
		default:
			out.WriteString("<" + elements[n.Type] + ">" + shown(n.Content) + "</" + elements[n.Type] + ">")
		}
	}
	return out.String()
}

var tagOf = regexp.MustCompile(`\{\{[^{}]*\}\}`)

// said is HTML by what each of its words is: neighbours that are the same count as one.
func said(t *testing.T, source string) string {
	t.Helper()
	var out strings.Builder
	marks, was := map[string]string{}, ""
	for z := xhtml.NewTokenizer(strings.NewReader(source)); ; {
		kind := z.Next()
		if kind == xhtml.ErrorToken {
			return out.String()
		}
		switch token := z.Token(); {
		case kind == xhtml.TextToken:
			look := marks["a"] + marks["i"] + marks["b"]
			if look != was {
				out.WriteString("⟨" + look + "⟩")
				was = look
			}
			out.WriteString(token.Data)
		case token.Data == "a" && kind == xhtml.StartTagToken:
			// Quotes of tags in addresses are written as the mail needs them.
			marks["a"] = tagOf.ReplaceAllStringFunc(token.Attr[0].Val, func(s string) string { return strings.NewReplacer(`"`, "'", "<", "", ">", "").Replace(s) })
		case token.Data == "a" || token.Data == "b" || token.Data == "i":
			marks[token.Data] = ""
			if kind == xhtml.StartTagToken {
				marks[token.Data] = "|" + token.Data
			}
		default:
			out.WriteString(token.String())
			was = ""
			if len(marks["a"]+marks["i"]+marks["b"]) > 0 {
				t.Fatalf("a mark over the end of a line in %s", source)
			}
		}
	}
}

// TestEditorReadsAsTheMail holds the server and the script of the editor to the same cases:
// what a text becomes, and that it is written again as it stood.
func TestEditorReadsAsTheMail(t *testing.T) {
	data, err := os.ReadFile("testdata/markup.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct{ Name, Text, HTML, Unsure string }
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	read, _ := readings(t)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if got := mailed(c.Text); c.HTML != got {
				t.Errorf("the mail has\n%s, not\n%s", got, c.HTML)
			}
			r := read(c.Text)
			if r.Unsure != c.Unsure {
				t.Fatalf("unsure %q, not %q", r.Unsure, c.Unsure)
			}
			if c.Unsure != "" {
				return
			}
			if got, want := said(t, shown(r.Nodes)), said(t, c.HTML); got != want {
				t.Errorf("the editor shows\n%s, not\n%s", got, want)
			}
			if r.Same != c.Text && len(r.Nodes) > 0 {
				t.Errorf("written again as %q", r.Same)
			}
			if !r.Stable {
				t.Errorf("written anew as %q, which says something else", r.Anew)
			}
		})
	}
}

// TestEditorReadsWhateverIsTyped holds both to texts that chance makes of signs.
func TestEditorReadsWhateverIsTyped(t *testing.T) {
	read, _ := readings(t)
	chance := rand.New(rand.NewPCG(1, 9))
	pieces := []string{"*", "*", "**", "***", "a", "b c", " ", "\n", "\n\n", "\n- ", "- ", "\n2. ", "## ", "\n### ", "[", "](", ")", "[x](https://muster.example/?a=*1&b=2)", "[*y*](mailto:a@b.example)", "[z](x)", `\`, `\`, `\*`, `\\`, `\[`, `\]`, `\(`, "\n\\- ", "\n1\\. ", "\\## ", `{{x "\["}}`, "{{name}}", "{{{raw}}}", "{{! * }}", "{{> part}}", `{{default a "b"}}`, "{", "}}", "<b>", "&amp;", "ß", "[u]({{link}})", "\t", "\u00a0"}
	sure, stable := 0, 0
	const texts = 1000
	for range texts {
		var text strings.Builder
		for range chance.IntN(14) {
			text.WriteString(pieces[chance.IntN(len(pieces))])
		}
		r := read(text.String())
		if r.Unsure != "" {
			continue
		}
		sure++
		if got, want := said(t, shown(r.Nodes)), said(t, mailed(text.String())); got != want {
			t.Fatalf("%q: the editor shows\n%s, the mail\n%s", text.String(), got, want)
		}
		if r.Same != text.String() && len(r.Nodes) > 0 {
			t.Fatalf("%q is written again as %q", text.String(), r.Same)
		}
		if r.Stable {
			stable++
		}
	}
	t.Logf("of %d texts %d are read, %d of them say the same when written anew", texts, sure, stable)
	if sure < texts*9/10 || stable < sure*8/10 {
		t.Errorf("of %d texts only %d are read, only %d say the same when written anew", texts, sure, stable)
	}
}

// TestSignsAsWords holds that whatever is typed can be said: signs that the editor holds for words
// are words in the mail, and in its plain text.
func TestSignsAsWords(t *testing.T) {
	_, worded := readings(t)
	chance := rand.New(rand.NewPCG(2, 7))
	pieces := []string{"*", "**", "a", " ", " b ", "\nc", "\n- ", "- ", "\n2. ", "1.", "#", "## ", "\n### ", "[", "]", "(", ")", "[x](https://muster.example/)", "{", "}", `\`, `\\`, "\n\\"}
	for range 400 {
		var typed strings.Builder
		for range 1 + chance.IntN(12) {
			typed.WriteString(pieces[chance.IntN(len(pieces))])
		}
		words := strings.Trim(typed.String(), "\n ")
		if words == "" || tagOf.MatchString(words) {
			continue
		}
		kept := worded(words)
		if got, want := mailed(kept), "<p>"+strings.ReplaceAll(html.EscapeString(words), "\n", "<br>")+"</p>"; got != want {
			t.Fatalf("%q is kept as %q, of which the mail makes\n%s, not\n%s", words, kept, got, want)
		}
		d := blocks.New()
		d.Blocks[1].Text = kept
		if got := d.Text(blocks.Brand{}, blocks.Words{}); !strings.HasPrefix(got, words+"\n\n-- \n") && !strings.HasPrefix(got, words+"\n\n--\n") {
			t.Fatalf("%q is kept as %q, of which the plain text makes %q", words, kept, got)
		}
	}
}

// TestTextsWithoutBackslashes holds that the escape sign changed nothing for the texts that have
// none: the cases that were there before it keep their HTML, and here is their plain text.
func TestTextsWithoutBackslashes(t *testing.T) {
	data, err := os.ReadFile("testdata/markup.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct{ Text string }
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	link, head := regexp.MustCompile(`\[([^\[\]\n]+)\]\(([^()\s]+)\)`), regexp.MustCompile(`(?m)^#{2,3} (\S)`)
	bold, italic := regexp.MustCompile(`\*\*([^*\n]+)\*\*`), regexp.MustCompile(`\*([^*\n]+)\*`)
	held := 0
	for _, c := range cases {
		if strings.Contains(c.Text, `\`) || strings.TrimSpace(c.Text) == "" {
			continue
		}
		held++
		want := head.ReplaceAllString(link.ReplaceAllString(c.Text, "$1 ($2)"), "$1")
		want = strings.TrimSpace(italic.ReplaceAllString(bold.ReplaceAllString(want, "$1"), "$1"))
		d := blocks.New()
		d.Blocks[1].Text = c.Text
		if got := d.Text(blocks.Brand{}, blocks.Words{}); !strings.HasPrefix(got, want+"\n\n--") {
			t.Errorf("%q: %q, not %q", c.Text, got, want)
		}
	}
	if held < 40 {
		t.Errorf("only %d cases without a backslash", held)
	}
}
