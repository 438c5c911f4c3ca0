package tracking_test

import (
	"html"
	"strings"
	"testing"

	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// The links of a form are those of each mail made of it, whatever values come; where that
// would not be certain, they are not told.
func TestCommonLinksAreThoseOfEachMail(t *testing.T) {
	const mark, leave = "zqmark", "https://zqmark.invalid/leave"
	values := []string{"Eva", "", "a b=c", `"><a href="https://evil.example/">x</a>`, "</style><a href='https://evil.example/'>", "--><a href=https://evil.example>", "https://evil.example/", "javascript:x"}
	for name, c := range map[string]struct {
		form  string
		known bool
	}{
		"text":              {`<p>Hallo {v}</p><a href="https://a.example/">A</a> {v} <a href="https://b.example/?x=1&amp;y=2"><b>B</b></a>`, true},
		"own page":          {`<a href="https://a.example/">A</a><a href="{leave}">weg</a>`, true},
		"attribute":         {`<img alt="{v}" src="https://a.example/x.png"><a href="https://a.example/">A</a>`, true},
		"unquoted":          {`<td title={v}><a href="https://a.example/">A</a></td>`, true},
		"style and comment": {`<style>p{color:{v}}</style><!-- {v} --><a href="https://a.example/">A</a>`, true},
		"none":              {`<p>{v}</p>`, true},
		"in the address":    {`<a href="https://a.example/{v}">A</a>`, false},
		"is the address":    {`<a href="{v}">A</a>`, false},
		"in the label":      {`<a href="https://a.example/">Hallo {v}</a>`, false},
		"beside own page":   {`<a href="{leave}?x=1">A</a>`, false},
		"in a link's title": {`<a title="{v}" href="https://a.example/">A</a>`, false},
		"in a map":          {`<area href="{v}">`, false},
		"tag":               {`<{v} href="https://a.example/">A</a>`, false},
		"end of a tag":      {`<a href="https://a.example/">A</{v}><a href="https://b.example/">B</a>`, false},
		"name of attribute": {`<p {v}>x</p><a href="https://a.example/">A</a>`, false},
		"broken tag":        {`<a href="https://a.example/" {v}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.allow(tracking.Individual, tracking.BasisContract)
			form := strings.NewReplacer("{v}", mark+"1", "{leave}", leave).Replace(c.form)
			links, known := w.weaver.Common(tracking.Individual, tracking.Markup{HTML: form, Keep: []string{leave}}, mark)
			if known != c.known {
				t.Fatalf("known: %t, %+v", known, links)
			}
			if !known {
				return
			}
			for _, v := range values {
				page := strings.NewReplacer("{v}", html.EscapeString(v), "{leave}", "https://post.example/leave").Replace(c.form)
				_, kept, err := w.weaver.Weave(t.Context(), tracking.Mail{Tenant: w.tenant, Message: message.NewID(w.now), Stream: tenant.Transactional,
					Recipients: mails("eva@x.example"), Wish: tracking.Individual, Page: func() (tracking.Markup, error) {
						return tracking.Markup{HTML: page, Keep: []string{"https://post.example/leave"}}, nil
					}})
				if err != nil {
					t.Fatal(err)
				}
				if kept.Decision.Level != tracking.Individual || len(kept.Links) != len(links) {
					t.Fatalf("%q: %+v, want links %+v", v, kept, links)
				}
				for i, l := range kept.Links {
					if l != links[i] {
						t.Errorf("%q: link %d is %+v, want %+v", v, i, l, links[i])
					}
				}
			}
		})
	}
}
