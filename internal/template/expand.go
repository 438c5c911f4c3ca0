package template

import "strings"

// blockPart is the name by which a layout says where its content goes.
const blockPart = "@partial-block"

// Expand puts parts into a source: {{> name}} becomes the source that lookup has under
// this name, and {{#> name}}…{{/name}} that source with {{> @partial-block}} replaced by
// what stands between. Parts may use parts, four deep; together they are at most
// MaxSource bytes. What is expanded no longer depends on its parts: a mail that is being
// sent does not change when somebody edits a footer.
func Expand(src string, lookup func(name string) (string, bool)) (string, error) {
	e := expander{lookup: lookup, left: maxInclusions}
	var out strings.Builder
	err := e.expand(&out, src, nil, 0)
	return out.String(), err
}

// maxInclusions is how many parts one source may come to, parts of parts included.
const maxInclusions = 200

type expander struct {
	lookup func(string) (string, bool)
	left   int
}

func (e *expander) expand(out *strings.Builder, src string, content *string, depth int) error {
	list, err := scan(src)
	if err != nil {
		return err
	}
	for i := 0; i < len(list); i++ {
		t := list[i]
		switch {
		case t.kind == part && t.text == blockPart && content != nil:
			out.WriteString(*content)
		case t.kind == part:
			err = e.include(out, t, nil, depth)
		case t.kind == layout:
			end := layoutsEnd(list, i)
			if end < 0 {
				return refuse(t.line, CodeSyntax, "#> "+t.text)
			}
			var between strings.Builder
			if err := e.expand(&between, src[t.end:list[end].at], content, depth); err != nil {
				return err
			}
			inner := between.String()
			err, i = e.include(out, t, &inner, depth), end
		default:
			out.WriteString(src[t.at:t.end])
		}
		if err != nil {
			return err
		}
		if out.Len() > MaxSource {
			return refuse(t.line, CodeSize, "")
		}
	}
	return nil
}

// include writes the part that t names. What is wrong within it is told at t, the line
// that the reader can see.
func (e *expander) include(out *strings.Builder, t token, content *string, depth int) error {
	found, ok := e.lookup(t.text)
	if e.left--; !ok || e.left < 0 || depth >= maxParts {
		return refuse(t.line, CodePart, t.text)
	}
	if err := e.expand(out, found, content, depth+1); err != nil {
		return refuse(t.line, CodePart, t.text)
	}
	return nil
}

// layoutsEnd finds the closing tag of the layout at list[i].
func layoutsEnd(list []token, i int) int {
	depth := 0
	for j := i; j < len(list); j++ {
		switch {
		case list[j].kind == layout && list[j].text == list[i].text:
			depth++
		case list[j].kind == closing && list[j].text == list[i].text:
			if depth--; depth == 0 {
				return j
			}
		}
	}
	return -1
}
