package storetest

import (
	"crypto/sha256"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
)

func templateTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"Versions": templateVersions, "Parts": templateParts, "Brand": templateBrand, "Logos": templateLogos}
}

func (w *World) template(of tenant.ID, name string, part bool) (stationery.Template, stationery.Version) {
	w.t.Helper()
	now := w.Clock.Advance(time.Second)
	document := blocks.New()
	t := stationery.Template{ID: id.New[stationery.Kind](now), Tenant: of, Name: name, Part: part, Version: 1, Langs: []string{"de"}, CreatedAt: now, UpdatedAt: now}
	v := stationery.Version{Number: 1, Lang: "de", HTML: "<p>{{name}} ß", Text: "{{name}}", Variables: []string{"name"}, Actor: "usr_1", At: now,
		Source: stationery.Source{Mode: stationery.Blocks, Subject: "Größe", Blocks: &document}}
	if part {
		v.Source = stationery.Source{Mode: stationery.HTML, Markup: name + " 1"}
	}
	if err := w.Store.CreateTemplate(w.t.Context(), t, v, 9); err != nil {
		w.t.Fatal(err)
	}
	return t, v
}

func templateVersions(t *testing.T, w *World) {
	ctx := t.Context()
	made, first := w.template(w.A, "Willkommen Äh", false)
	got, err := w.Store.Template(ctx, w.A, made.ID)
	same(t, "template", got, made, err)
	got, err = w.Store.TemplateNamed(ctx, w.A, "WILLKOMMEN äh")
	same(t, "by name", got, made, err)
	version, err := w.Store.LatestTemplate(ctx, w.A, made.ID, "de")
	same(t, "latest", version, first, err)

	refused(t, w.Store.CreateTemplate(ctx, stationery.Template{ID: id.New[stationery.Kind](w.Clock.Now()), Tenant: w.A, Name: "willkommen ÄH"}, first, 9), fault.Conflict, stationery.CodeTaken)
	refused(t, w.Store.CreateTemplate(ctx, stationery.Template{ID: id.New[stationery.Kind](w.Clock.Now()), Tenant: w.A, Name: "b"}, first, 1), fault.Conflict, stationery.CodeMany)

	next, second := made, first
	next.Version, next.Langs, next.UpdatedAt, next.Name = 2, []string{"de", "en"}, w.Clock.Advance(time.Second), "Neu"
	second.Number, second.Lang, second.At = 2, "en", next.UpdatedAt
	if err := w.Store.SaveTemplate(ctx, next, second, 9); err != nil {
		t.Fatal(err)
	}
	refused(t, w.Store.SaveTemplate(ctx, next, second, 9), fault.Conflict, stationery.CodeChanged)
	got, err = w.Store.TemplateNamed(ctx, w.A, "neu")
	same(t, "saved", got, next, err)
	version, err = w.Store.LatestTemplate(ctx, w.A, made.ID, "de")
	same(t, "other language", version, first, err)
	for n := int64(3); n <= 6; n++ {
		next.Version, second.Number = n, n
		if err := w.Store.SaveTemplate(ctx, next, second, 2); err != nil {
			t.Fatal(err)
		}
	}
	list, err := w.Store.TemplateVersions(ctx, w.A, made.ID)
	if err != nil || len(list) != 3 || list[0].Number != 6 || list[2].Number != 1 {
		t.Errorf("kept are %v, %v: two and the newest of each language", list, err)
	}

	for name, err := range map[string]error{
		"read":     func() error { _, err := w.Store.Template(ctx, w.B, made.ID); return err }(),
		"find":     func() error { _, err := w.Store.TemplateNamed(ctx, w.B, "neu"); return err }(),
		"version":  func() error { _, err := w.Store.TemplateVersion(ctx, w.B, made.ID, 6); return err }(),
		"versions": func() error { _, err := w.Store.TemplateVersions(ctx, w.B, made.ID); return err }(),
		"drop":     w.Store.DropTemplate(ctx, w.B, made.ID),
	} {
		if !fault.IsKind(err, fault.NotFound) {
			t.Errorf("another tenant may %s it: %v", name, err)
		}
	}
	if err := w.Store.DropTemplate(ctx, w.A, made.ID); err != nil {
		t.Fatal(err)
	}
	if list, err := w.Store.Templates(ctx, w.A); err != nil || len(list) != 0 {
		t.Errorf("left are %v, %v", list, err)
	}
	_, err = w.Store.TemplateVersion(ctx, w.A, made.ID, 6)
	refused(t, err, fault.NotFound, stationery.CodeUnknown)
	refused(t, w.Store.SaveTemplate(ctx, next, second, 9), fault.NotFound, stationery.CodeUnknown)
}

func templateParts(t *testing.T, w *World) {
	ctx := t.Context()
	foot, v := w.template(w.A, "Fuß", true)
	w.template(w.A, "Kein Teil", false)
	w.template(w.B, "Fremd", true)
	foot.Version, v.Number, v.Lang, v.Source.Markup = 2, 2, "en", "foot 2"
	if err := w.Store.SaveTemplate(ctx, foot, v, 9); err != nil {
		t.Fatal(err)
	}
	for lang, want := range map[string]string{"de": "Fuß 1", "en": "foot 2", "fr": "foot 2"} {
		got, err := w.Store.TemplateParts(ctx, w.A, lang)
		same(t, lang, got, map[string]string{"fuß": want}, err)
	}
}

func templateBrand(t *testing.T, w *World) {
	ctx := t.Context()
	got, err := w.Store.Brand(ctx, w.A)
	same(t, "none", got, blocks.Brand{}, err)
	for _, b := range []blocks.Brand{{Name: "Eins", Colour: "#112233"}, {Name: "Zwei", Logo: "https://muster.example/l.png", LogoAlt: "Größe"}} {
		if err := w.Store.SaveBrand(ctx, w.A, b, w.Clock.Now()); err != nil {
			t.Fatal(err)
		}
		got, err = w.Store.Brand(ctx, w.A)
		same(t, "brand", got, b, err)
	}
	got, err = w.Store.Brand(ctx, w.B)
	same(t, "of another", got, blocks.Brand{}, err)
}

// templateLogos: the logo that was shown is the way back of each change, and another
// tenant's is never touched.
func templateLogos(t *testing.T, w *World) {
	ctx := t.Context()
	logo := func(word string) stationery.Logo {
		return stationery.Logo{Data: []byte(word), Media: "image/png", End: ".png", Width: 640, Height: 120, SHA256: sha256.Sum256([]byte(word)), At: w.Clock.Now()}
	}
	one, two, foreign := logo("eins"), logo("zwei"), logo("fremd")
	check := func(step string, of tenant.ID, shown, former stationery.Logo) {
		t.Helper()
		gotShown, gotFormer, err := w.Store.Logos(ctx, of)
		same(t, step, [2]stationery.Logo{gotShown, gotFormer}, [2]stationery.Logo{shown, former}, err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	none := stationery.Logo{}
	check("none", w.A, none, none)
	must(w.Store.DropLogo(ctx, w.A))
	must(w.Store.SwapLogos(ctx, w.A))
	check("nothing to drop or swap", w.A, none, none)
	must(w.Store.PutLogo(ctx, w.B, foreign))
	must(w.Store.PutLogo(ctx, w.A, one))
	check("first", w.A, one, none)
	must(w.Store.PutLogo(ctx, w.A, two))
	check("second", w.A, two, one)
	must(w.Store.SwapLogos(ctx, w.A))
	check("back", w.A, one, two)
	must(w.Store.DropLogo(ctx, w.A))
	check("dropped", w.A, none, one)
	must(w.Store.DropLogo(ctx, w.A))
	check("dropped again", w.A, none, one)
	must(w.Store.SwapLogos(ctx, w.A))
	check("restored", w.A, one, none)
	check("of another", w.B, foreign, none)
}
