package storetest

import (
	"testing"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/seal"
	"stafette/internal/stationery/pictures"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
)

func pictureTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"Kept": picturesKept, "Used": picturesUsed}
}

func (w *World) picture(of tenant.ID, hash byte) (pictures.Picture, pictures.Content) {
	w.t.Helper()
	now := w.Clock.Advance(time.Second)
	p := pictures.Picture{ID: id.New[pictures.Kind](now), Tenant: of, Hash: [32]byte{hash}, Name: "Größe", Alt: "Ein Haus <b>", Media: "image/png", Width: 4, Height: 5, Size: 6, Creator: "usr_1",
		CreatedAt: now, UpdatedAt: now}
	c := pictures.Content{Salt: seal.NewSalt(), Sealed: []byte{0, 1, hash}}
	if err := w.Store.AddPicture(w.t.Context(), p, c, pictures.Content{Salt: c.Salt, Sealed: []byte{9}}, 9); err != nil {
		w.t.Fatal(err)
	}
	return p, c
}

func picturesKept(t *testing.T, w *World) {
	ctx := t.Context()
	p, c := w.picture(w.A, 1)
	w.picture(w.B, 1)
	second, _ := w.picture(w.A, 2)
	got, err := w.Store.Picture(ctx, w.A, p.ID)
	same(t, "picture", got, p, err)
	got, err = w.Store.PictureByHash(ctx, w.A, p.Hash)
	same(t, "by hash", got, p, err)
	content, err := w.Store.PictureContent(ctx, w.A, p.ID, false)
	same(t, "content", content, c, err)
	content, err = w.Store.PictureContent(ctx, w.A, p.ID, true)
	same(t, "small content", content.Sealed, []byte{9}, err)
	list, err := w.Store.Pictures(ctx, w.A)
	same(t, "list", list, []pictures.Picture{second, p}, err)

	again := p
	again.ID = id.New[pictures.Kind](w.Clock.Now())
	refused(t, w.Store.AddPicture(ctx, again, c, c, 9), fault.Conflict, pictures.CodeTwice)
	again.Hash = [32]byte{3}
	refused(t, w.Store.AddPicture(ctx, again, c, c, 2), fault.Conflict, pictures.CodeMany)

	p.Name, p.Alt, p.UpdatedAt = "Neu", "Anders", w.Clock.Advance(time.Second)
	if err := w.Store.ChangePicture(ctx, p); err != nil {
		t.Fatal(err)
	}
	got, err = w.Store.Picture(ctx, w.A, p.ID)
	same(t, "changed", got, p, err)

	foreign := p
	foreign.Tenant = w.B
	for name, err := range map[string]error{
		"read":    func() error { _, err := w.Store.Picture(ctx, w.B, p.ID); return err }(),
		"content": func() error { _, err := w.Store.PictureContent(ctx, w.B, p.ID, false); return err }(),
		"hash":    func() error { _, err := w.Store.PictureByHash(ctx, w.B, second.Hash); return err }(),
		"change":  w.Store.ChangePicture(ctx, foreign),
		"drop":    w.Store.DropPicture(ctx, w.B, p.ID, "x"),
	} {
		if !fault.IsKind(err, fault.NotFound) {
			t.Errorf("another tenant may %s it: %v", name, err)
		}
	}
	if err := w.Store.DropPicture(ctx, w.A, p.ID, "nowhere"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Store.PictureContent(ctx, w.A, p.ID, true); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("the bytes remain: %v", err)
	}
}

// A picture stays as long as a mailing of whatever state, a kept version of a template or the
// brand shows it; what another tenant writes keeps nothing.
func picturesUsed(t *testing.T, w *World) {
	ctx := t.Context()
	p, _ := w.picture(w.A, 1)
	const token = "AQx_-y"
	now := w.Clock.Advance(time.Second)
	mailing := func(of tenant.ID, html string) campaign.ID {
		c := campaign.Campaign{ID: id.New[campaign.Kind](w.Clock.Advance(time.Second)), Tenant: of, Revision: 1, Name: "Mai", State: campaign.Draft, Letter: campaign.Letter{HTML: html}, CreatedAt: now, UpdatedAt: now}
		w.must(w.Store.CreateCampaign(ctx, c))
		return c.ID
	}
	mailing(w.B, "https://a.example/"+token)
	mailing(w.A, "https://a.example/AQxx-y")
	if uses, err := w.Store.PictureUses(ctx, w.A, token, 9); err != nil || len(uses) > 0 {
		t.Errorf("uses %v, %v", uses, err)
	}
	c := mailing(w.A, `<img src="https://a.example/`+token+`.png">`)
	made, v := w.template(w.A, "Brief", false)
	made.Version, v.Number, v.HTML = 2, 2, token
	w.must(w.Store.SaveTemplate(ctx, made, v, 9))
	w.must(w.Store.SaveBrand(ctx, w.A, blocks.Brand{Logo: "https://a.example/" + token}, now))
	uses, err := w.Store.PictureUses(ctx, w.A, token, 9)
	same(t, "uses", uses, []pictures.Use{{Kind: "campaign", ID: c.String(), Name: "Mai"}, {Kind: "template", ID: made.ID.String(), Name: "Brief"}, {Kind: "brand"}}, err)
	refused(t, w.Store.DropPicture(ctx, w.A, p.ID, token), fault.Conflict, pictures.CodeUsed)
	w.must(w.Store.DeleteCampaign(ctx, w.A, c))
	w.must(w.Store.DropTemplate(ctx, w.A, made.ID))
	refused(t, w.Store.DropPicture(ctx, w.A, p.ID, token), fault.Conflict, pictures.CodeUsed)
	w.must(w.Store.SaveBrand(ctx, w.A, blocks.Brand{}, now))
	w.must(w.Store.DropPicture(ctx, w.A, p.ID, token))
}
