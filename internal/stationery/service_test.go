package stationery_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"image"
	"image/png"
	"strings"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/stationery"
	"stafette/internal/stationery/stationerytest"
	"stafette/internal/template"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
)

var start = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)

type tenants struct{}

func (tenants) Tenant(_ context.Context, t tenant.ID) (tenant.Tenant, error) {
	return tenant.Tenant{ID: t, Name: "Muster GmbH", Locale: "de"}, nil
}

func (tenants) Profile(context.Context, tenant.ID) (tenant.Profile, error) {
	return tenant.Profile{Imprint: "Muster GmbH\nWeg 1"}, nil
}

func newService(t *testing.T) (*stationery.Service, tenant.ID) {
	t.Helper()
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	return stationery.New(stationery.Config{Store: &stationerytest.Store{}, Tenants: tenants{}, Catalog: catalog, Now: func() time.Time { return start }}), id.New[tenant.Kind](start)
}

func refused(t *testing.T, err error, want string) {
	t.Helper()
	e := fault.As(err)
	if e == nil {
		t.Errorf("%v, want %s", err, want)
		return
	}
	var list []string
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		list = append(list, one.Code+" "+one.Field)
	}
	if got := strings.Join(list, ", "); got != want {
		t.Errorf("refused as %q, want %q", got, want)
	}
}

// A template in blocks, with a part in another one, fills with data, and says before
// anything is sent what the data lack.
func TestFromDraftToMail(t *testing.T) {
	s, of := newService(t)
	ctx := context.Background()
	document := blocks.New()
	document.Blocks[1].Text = "Guten Tag {{name}}, Ihr Auftrag {{order.number}}"
	made, v, err := s.Create(ctx, of, "usr_1", stationery.Draft{Name: " Auftrag ", Source: stationery.Source{Mode: stationery.Blocks, Subject: "Auftrag {{order.number}}", Blocks: &document}})
	if err != nil {
		t.Fatal(err)
	}
	if made.Name != "Auftrag" || strings.Join(v.Variables, " ") != "imprint name order.number unsubscribe_url" {
		t.Errorf("made %+v with %v", made, v.Variables)
	}
	data := map[string]any{"name": "Eva <b>", "order": map[string]any{"number": 7.0}}
	mail, err := s.Render(ctx, of, "auftrag", "", data)
	if err != nil {
		t.Fatal(err)
	}
	if mail.Subject != "Auftrag 7" || !strings.Contains(mail.HTML, "Guten Tag Eva &lt;b&gt;, Ihr Auftrag 7") || !strings.Contains(mail.HTML, "Muster GmbH, Weg 1") || !strings.Contains(mail.Text, "Guten Tag Eva <b>") || strings.Contains(mail.HTML, "Abmelden") {
		t.Errorf("mail %+v", mail)
	}
	_, err = s.Render(ctx, of, made.ID.String(), "", map[string]any{"order": map[string]any{}, "nmae": "Eva"})
	refused(t, err, "template_data_missing data/name, template_data_missing data/order/number, template_data_unknown data/nmae")
	_, err = s.Render(ctx, of, "auftrag", "", map[string]any{"name": "Eva", "order": map[string]any{"number": "7\r\nBcc: x@example.org"}})
	refused(t, err, "header_has_line_break data/order/number")
	_, err = s.Render(ctx, id.New[tenant.Kind](start.Add(1)), made.ID.String(), "", data)
	refused(t, err, "template_not_found template")

	if _, _, err := s.Create(ctx, of, "usr_1", stationery.Draft{Name: "Fuß", Part: true, Source: stationery.Source{Mode: stationery.HTML, Markup: "<i>{{firma}}</i>"}}); err != nil {
		t.Fatal(err)
	}
	in := func(lang, html string) stationery.Draft {
		return stationery.Draft{Lang: lang, Source: stationery.Source{Mode: stationery.HTML, Subject: "x", Markup: html}}
	}
	if _, _, err := s.Save(ctx, of, made.ID, 1, "usr_1", in("en", "Hello {{> fuß}}")); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Save(ctx, of, made.ID, 1, "usr_1", in("en", "late"))
	refused(t, err, "template_changed ")
	if mail, err = s.Render(ctx, of, "auftrag", "en", map[string]any{"firma": "M"}); err != nil || mail.HTML != "Hello <i>M</i>" {
		t.Errorf("%+v, %v", mail, err)
	}
	if mail, err = s.Render(ctx, of, "auftrag", "fr", data); err != nil || mail.Subject != "Auftrag 7" {
		t.Errorf("without the language asked for: %+v, %v", mail, err)
	}
	_, err = s.Render(ctx, of, "Fuß", "", nil)
	refused(t, err, "template_not_found template")
	if known, v, err := s.Restore(ctx, of, made.ID, 1, "usr_2"); err != nil || known.Version != 3 || v.Source.Mode != stationery.Blocks {
		t.Errorf("restored %+v %+v, %v", known, v, err)
	}
}

func TestRefusedDrafts(t *testing.T) {
	s, of := newService(t)
	ctx := context.Background()
	bad := blocks.Document{Version: 1, Blocks: []blocks.Block{{Kind: blocks.Picture}}}
	for want, d := range map[string]stationery.Draft{
		"template_name name":                                  {Name: "a\r\nb", Source: stationery.Source{Mode: stationery.HTML, Subject: "x"}},
		"template_mode mode":                                  {Name: "a", Source: stationery.Source{Mode: stationery.Blocks, Subject: "x"}},
		"template_subject subject":                            {Name: "a", Source: stationery.Source{Mode: stationery.HTML}},
		"template_syntax subject":                             {Name: "a", Source: stationery.Source{Mode: stationery.HTML, Subject: "{{"}},
		"template_helper html":                                {Name: "a", Source: stationery.Source{Mode: stationery.HTML, Subject: "x", Markup: "{{env \"HOME\"}}"}},
		"template_part html":                                  {Name: "a", Source: stationery.Source{Mode: stationery.HTML, Subject: "x", Markup: "{{> a}}"}},
		"template_depth text":                                 {Name: "a", Source: stationery.Source{Mode: stationery.HTML, Subject: "x", Text: "{{#each a}}{{#each b}}{{#each c}}{{/each}}{{/each}}{{/each}}"}},
		"mjml_invalid mjml":                                   {Name: "a", Source: stationery.Source{Mode: stationery.MJML, Subject: "x", Markup: "<mjml><mj-body><mj-bogus/></mj-body></mjml>"}},
		"template_language language":                          {Name: "a", Lang: "d", Source: stationery.Source{Mode: stationery.HTML, Subject: "x"}},
		"block_empty blocks/0/picture, footer_missing blocks": {Name: "a", Source: stationery.Source{Mode: stationery.Blocks, Subject: "x", Blocks: &bad}},
	} {
		_, _, err := s.Create(ctx, of, "usr_1", d)
		refused(t, err, want)
	}
	refused(t, s.SaveBrand(ctx, of, blocks.Brand{Logo: "https://muster.example/l.png"}), blocks.CodeAlt+" logo_alt")
	refused(t, s.SaveBrand(ctx, of, blocks.Brand{Colour: "red;}"}), stationery.CodeBrand+" colour")
	if b, err := s.Brand(ctx, of); err != nil || b.Name != "Muster GmbH" {
		t.Errorf("%+v, %v", b, err)
	}
	if _, err := template.Parse("{{x}}"); err != nil {
		t.Fatal(err)
	}
}

func TestCheckAndSample(t *testing.T) {
	v := stationery.Version{Source: stationery.Source{Mode: stationery.HTML}, HTML: "{{{x}}}", Variables: []string{"a.b", "l", "l[].x", "l[].y.z"}}
	kinds := func(mail stationery.Rendered) string {
		var list []string
		for _, f := range stationery.Check(v, mail, blocks.Brand{}) {
			list = append(list, f.Kind)
		}
		return strings.Join(list, " ")
	}
	got := kinds(stationery.Rendered{Subject: strings.Repeat("x", 61), HTML: `<img src="a"><img src="b" alt=""><a href="http://a">` + strings.Repeat("x", stationery.Clip)})
	if want := "leave imprint size subject raw text alt link"; got != want {
		t.Errorf("found %q, want %q", got, want)
	}
	v.HTML, v.Variables = "", append(v.Variables, "unsubscribe_url", "imprint")
	if got := kinds(stationery.Rendered{Text: "x", HTML: `<img src="a" alt="A"><a href="https://a.example/">x</a><a href="mailto:a@b.example">x</a>`}); got != "" {
		t.Errorf("complains about %q", got)
	}
	tpl, err := template.Parse("{{a.b}}{{#each l}}{{x}}{{y.z}}{{/each}}")
	if err != nil {
		t.Fatal(err)
	}
	if missing, err := tpl.Missing(stationery.Sample(tpl.Variables())); err != nil || len(missing) > 0 {
		t.Errorf("the sample lacks %v, %v", missing, err)
	}
}

// A logo is drawn anew, at most so large; what was shown comes back; what is no picture
// changes nothing (T30).
func TestLogo(t *testing.T) {
	s, of := newService(t)
	ctx := t.Context()
	var wide bytes.Buffer
	if err := png.Encode(&wide, image.NewNRGBA(image.Rect(0, 0, 1280, 200))); err != nil {
		t.Fatal(err)
	}
	first, err := s.SetLogo(ctx, of, append(wide.Bytes(), "<script>behind"...))
	if err != nil || first.Width != 640 || first.Height != 100 || first.Media != "image/png" || bytes.Contains(first.Data, []byte("script")) || first.SHA256 != sha256.Sum256(first.Data) {
		t.Fatalf("%d × %d %s, %v", first.Width, first.Height, first.Media, err)
	}
	for want, data := range map[string][]byte{
		stationery.CodeLogoMedia + " file": []byte("<svg onload=alert(1)>"),
		stationery.CodeLogoBroke + " file": wide.Bytes()[:100],
		stationery.CodeLogoLarge + " file": make([]byte, stationery.MaxLogo+1),
	} {
		_, err := s.SetLogo(ctx, of, data)
		refused(t, err, want)
	}
	if l, err := s.Logo(ctx, of); err != nil || l.Tag() != first.Tag() {
		t.Errorf("a refused logo changed it: %v", err)
	}
	for _, step := range []struct {
		do            func(context.Context, tenant.ID) error
		shown, former bool
	}{{s.DropLogo, false, true}, {s.DropLogo, false, true}, {s.RestoreLogo, true, false}} {
		if err := step.do(ctx, of); err != nil {
			t.Fatal(err)
		}
		shown, former, err := s.Logos(ctx, of)
		if err != nil || shown.None() == step.shown || former.None() == step.former {
			t.Errorf("shown %t, former %t, %v", !shown.None(), !former.None(), err)
		}
	}
}
