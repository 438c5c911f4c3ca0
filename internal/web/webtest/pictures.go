package webtest

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"sync"

	"stafette/internal/seal"
	"stafette/internal/stationery/pictures"
	"stafette/internal/stationery/pictures/picturestest"
	"stafette/internal/tenant"
	"stafette/internal/web"
	webpictures "stafette/internal/web/pictures"
)

// pictured is the library of the world, made when it is first asked for.
type pictured struct {
	once         sync.Once
	service      *pictures.Service
	own, foreign pictures.ID
}

// Picture is a PNG of w by h pixels in one colour.
func Picture(w, h int, c color.Color) []byte {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err) // into memory
	}
	return b.Bytes()
}

// Library is the real library on a store in memory: two pictures of the world's tenant, the
// first of which a mailing shows, and one of World.Other.
func (w *World) Library() *pictures.Service {
	w.pictured.once.Do(func() { w.makeLibrary() })
	return w.pictured.service
}

func (w *World) makeLibrary() {
	keeper, err := seal.New(bytes.Repeat([]byte{9}, seal.KeySize))
	if err != nil {
		panic(err) // the size is right
	}
	shown := ""
	store := &picturestest.Store{Used: func(t tenant.ID, text string) []pictures.Use {
		if t == w.Tenant.ID && text == shown {
			return []pictures.Use{{Kind: "campaign", ID: "cmp_x", Name: "Mai <b>"}, {Kind: "template", ID: "tpl_x", Name: "Brief"}, {Kind: "brand"}}
		}
		if t == w.Tenant.ID && shown == "" {
			shown = text // whichever is asked for first
		}
		return nil
	}}
	s := pictures.New(pictures.Config{Store: store, Keeper: keeper, PublicURL: "https://post.example", Now: w.Now})
	add := func(t tenant.ID, name string, c color.Color) pictures.ID {
		p, err := s.Add(context.Background(), t, "usr_1", pictures.Upload{Name: name, Alt: "Ein Haus am Wasser <svg>", Data: Picture(30, 20, c)})
		if err != nil {
			panic(err) // it is right
		}
		return p.ID
	}
	w.pictured.service = s
	w.pictured.foreign = add(w.Other.ID, "Fremd", color.Black)
	used := add(w.Tenant.ID, "Hafen <script>alert(1)", color.Gray{Y: 90})
	w.pictured.own = add(w.Tenant.ID, "Fleet", color.White)
	p, err := s.Picture(context.Background(), w.Tenant.ID, used)
	if err == nil {
		_, err = s.Uses(context.Background(), p)
	}
	if err != nil {
		panic(err) // it was just made
	}
}

func picturesSubject() Subject {
	of := func(which func(*World) pictures.ID) func(*World) map[string]string {
		return func(w *World) map[string]string {
			w.Library()
			return map[string]string{"/pictures/{id}": "/pictures/" + which(w).String()}
		}
	}
	return Subject{
		Wire:    func(w *World, c *web.Config) { c.Pictures = webpictures.Config{Library: w.Library()} },
		Own:     of(func(w *World) pictures.ID { return w.pictured.own }),
		Foreign: of(func(w *World) pictures.ID { return w.pictured.foreign }),
		Pages: func(w *World) []string {
			list := []string{"/pictures?q=gibtsnicht", "/pictures?done=dropped", "/pictures?sort=size", "/pictures/pic_unknown"}
			all, err := w.Library().Pictures(context.Background(), w.Tenant.ID)
			if err != nil {
				return list
			}
			for _, p := range all {
				list = append(list, "/pictures/"+p.ID.String()+"?done=added")
			}
			return list
		},
	}
}
