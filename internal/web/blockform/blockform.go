// Package blockform is the editor of blocks as a form: a list of fieldsets whose buttons add,
// move, copy and remove blocks, and take the last such step back. It works by keyboard alone
// and without a script: what is not saved lives in the form, and so do the steps that can be
// taken back.
//
// It is a part of the door web (floor 4), used by the editors of templates and of mailings.
// Package blocks says what a document is; this package reads it from forms and draws it. It
// keeps nothing.
package blockform

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/web/frame"
)

// Editor is a document in a form.
type Editor struct {
	Document *blocks.Document
	Form     frame.Form // with the values that Fill wrote
	// Chosen is the block that was just added or moved, to be found again; -1: none.
	Chosen int
	// Undo is what Do returned; "": nothing can be taken back.
	Undo string
	// Pictures are those of the library, to choose from.
	Pictures []Picture
	// Brand is how texts look while they are written; the zero value is plain.
	Brand blocks.Brand
}

// Picture is one of the library.
type Picture struct{ ID, Name, Alt, Address string }

// maxOffered is how many pictures, the newest, a list to choose from has.
const maxOffered = 100

// Limits of what can be taken back.
const (
	maxSteps = 20
	maxUndo  = 256 << 10 // bytes
)

// At is the name of a field of a block, as refusals have it.
func At(block int, field string) string { return "blocks/" + strconv.Itoa(block) + "/" + field }

// cellAt is the name of a field of a cell.
func cellAt(block, cell int, field string) string {
	return At(block, "cells/"+strconv.Itoa(cell)+"/"+field)
}

// cellsShown is how many cells the form has for a block: those that are filled and one
// more, as far as there may be.
func cellsShown(b blocks.Block) int {
	switch b.Kind {
	case blocks.Columns:
		return min(max(len(b.Cells)+1, 2), 3)
	case blocks.Social:
		return min(len(b.Cells)+1, blocks.MaxCells)
	}
	return 0
}

// Read reads the document of a form.
func Read(form url.Values) blocks.Document {
	d := blocks.Document{Version: blocks.Current}
	get := func(name string) string {
		return strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(form.Get(name), ""), "\r\n", "\n"))
	}
	for i := range blocks.MaxBlocks {
		kind := form.Get(At(i, "kind"))
		if kind == "" {
			break
		}
		cell := func(name func(field string) string) blocks.Cell {
			return blocks.Cell{Title: get(name("title")), Text: get(name("text")), Picture: get(name("picture")), Alt: get(name("alt")), Label: get(name("label")), URL: get(name("url"))}
		}
		b := blocks.Block{Kind: blocks.Kind(kind), Cell: cell(func(f string) string { return At(i, f) }), Price: get(At(i, "price"))}
		for j := range blocks.MaxCells {
			if c := cell(func(f string) string { return cellAt(i, j, f) }); c != (blocks.Cell{}) {
				b.Cells = append(b.Cells, c)
			}
		}
		d.Blocks = append(d.Blocks, b)
	}
	return d
}

// Begin puts into the values of a form what a letter of a way of writing begins with (a
// stationery.Mode; nothing for others), and returns its document.
func Begin(p frame.Page, mode string, v map[string]string) (d blocks.Document) {
	name, leave := "{{name}}", "{{unsubscribe_url}}"
	switch stationery.Mode(mode) {
	case stationery.Blocks:
		d = blocks.New()
		d.Blocks[1].Text = p.T("campaigns.start.block", "name", name)
		Fill(v, &d)
	case stationery.MJML:
		v["html"] = p.T("campaigns.start.mjml", "name", name, "unsubscribe", leave)
	case stationery.HTML:
		v["html"] = p.T("campaigns.start.html", "name", name, "unsubscribe", leave)
		v["text"] = p.T("campaigns.start.text", "name", name, "unsubscribe", leave)
	}
	return d
}

// Fill writes a document to the values of a form.
func Fill(v map[string]string, d *blocks.Document) {
	if d == nil {
		return
	}
	put := func(c blocks.Cell, name func(string) string) {
		for field, s := range map[string]string{"title": c.Title, "text": c.Text, "picture": c.Picture, "alt": c.Alt, "label": c.Label, "url": c.URL} {
			v[name(field)] = s
		}
	}
	for i, b := range d.Blocks {
		put(b.Cell, func(f string) string { return At(i, f) })
		v[At(i, "price")] = b.Price
		for j, c := range b.Cells {
			put(c, func(f string) string { return cellAt(i, j, f) })
		}
	}
}

// Pick puts the pictures of the library into a document that a form chose in it. The
// description of the library comes with it, unless somebody wrote another one.
func Pick(form url.Values, d *blocks.Document, library []Picture) {
	take := func(c *blocks.Cell, name string) {
		i := slices.IndexFunc(library, func(p Picture) bool { return p.ID == form.Get(name) })
		if i < 0 {
			return
		}
		// Words that came with another picture of the library go with it.
		if c.Alt == "" || slices.ContainsFunc(library, func(p Picture) bool { return p.Address == c.Picture && p.Alt == c.Alt }) {
			c.Alt = library[i].Alt
		}
		c.Picture = library[i].Address
	}
	for i := range d.Blocks {
		b := &d.Blocks[i]
		if slices.Contains(fieldsOf(b.Kind), "picture") {
			take(&b.Cell, At(i, "pick"))
		}
		for j := range cellsShown(*b) {
			if b.Kind != blocks.Columns || form.Get(cellAt(i, j, "pick")) == "" {
				continue
			}
			for len(b.Cells) <= j {
				b.Cells = append(b.Cells, blocks.Cell{})
			}
			take(&b.Cells[j], cellAt(i, j, "pick"))
		}
	}
}

// choices are the pictures to choose from at a field that has an address already, or none.
func choices(p frame.Page, e Editor) []frame.Option {
	list := []frame.Option{{Text: p.T("templates.field.pick.none")}}
	for _, one := range e.Pictures[:min(len(e.Pictures), maxOffered)] {
		list = append(list, frame.Option{Value: one.ID, Text: one.Name})
	}
	return list
}

// Do does to a document of a form what the button says that was pressed. It returns where the
// block is that it was about, or -1, and the steps that can be taken back after it.
func Do(form url.Values, d *blocks.Document) (chosen int, undo string) {
	steps := stepsOf(form.Get("undo"))
	do := form.Get("do")
	if do == "undo" {
		if n := len(steps); n > 0 {
			*d, steps = steps[n-1], steps[:n-1]
		}
		return -1, packed(steps)
	}
	before := blocks.Document{Version: d.Version, Blocks: slices.Clone(d.Blocks)}
	if chosen = arrange(d, do, form.Get("add")); chosen >= 0 || len(d.Blocks) != len(before.Blocks) {
		steps = append(steps, before)
	}
	return chosen, packed(steps)
}

// stepsOf reads what packed wrote; of what somebody else made of it nothing.
func stepsOf(text string) (steps []blocks.Document) {
	if len(text) > maxUndo || json.Unmarshal([]byte(text), &steps) != nil || len(steps) > maxSteps {
		return nil
	}
	for _, d := range steps {
		if d.Version != blocks.Current || len(d.Blocks) > blocks.MaxBlocks {
			return nil
		}
	}
	return steps
}

// packed is the youngest of the steps, as far as a form may bear them.
func packed(steps []blocks.Document) string {
	for steps = steps[max(0, len(steps)-maxSteps):]; len(steps) > 0; steps = steps[1:] {
		text, err := json.Marshal(steps)
		if err != nil {
			return ""
		}
		if len(text) <= maxUndo {
			return string(text)
		}
	}
	return ""
}

// arrange does what a button says to a list of blocks, and returns where the block is
// that it was about.
func arrange(d *blocks.Document, do, add string) int {
	verb, number, _ := strings.Cut(do, "/")
	i, err := strconv.Atoi(number)
	last := len(d.Blocks) - 1
	if verb == "add" && slices.Contains(blocks.Kinds(), blocks.Kind(add)) && len(d.Blocks) < blocks.MaxBlocks {
		at := len(d.Blocks)
		// The footer stays the last.
		if last >= 0 && d.Blocks[last].Kind == blocks.Footer && blocks.Kind(add) != blocks.Footer {
			at = last
		}
		d.Blocks = slices.Insert(d.Blocks, at, blocks.Block{Kind: blocks.Kind(add)})
		return at
	}
	if err != nil || i < 0 || i > last {
		return -1
	}
	switch {
	case verb == "up" && i > 0:
		d.Blocks[i-1], d.Blocks[i] = d.Blocks[i], d.Blocks[i-1]
		return i - 1
	case verb == "down" && i < last:
		d.Blocks[i+1], d.Blocks[i] = d.Blocks[i], d.Blocks[i+1]
		return i + 1
	case verb == "copy" && len(d.Blocks) < blocks.MaxBlocks:
		d.Blocks = slices.Insert(d.Blocks, i+1, d.Blocks[i])
		return i + 1
	case verb == "drop":
		d.Blocks = slices.Delete(d.Blocks, i, i+1)
		return min(i, len(d.Blocks)-1)
	}
	return -1
}

// fieldsOf are the fields of a kind of block beside its cells.
func fieldsOf(k blocks.Kind) []string {
	switch k {
	case blocks.Text:
		return []string{"title", "text"}
	case blocks.Picture:
		return []string{"picture", "alt", "url"}
	case blocks.Button:
		return []string{"label", "url"}
	case blocks.Offer, blocks.Product:
		return []string{"title", "price", "text", "picture", "alt", "label", "url"}
	case blocks.Footer:
		return []string{"text"}
	}
	return nil
}

func cellFields(k blocks.Kind) []string {
	if k == blocks.Social {
		return []string{"label", "url"}
	}
	return []string{"title", "text", "picture", "alt", "label", "url"}
}

// nameOf is what a block is called in the list.
func nameOf(p frame.Page, i int, b blocks.Block) string {
	return p.T("templates.block.nth", "n", i+1, "kind", p.T("templates.block."+string(b.Kind)))
}

func kinds(p frame.Page) (list []frame.Option) {
	for _, k := range blocks.Kinds() {
		list = append(list, frame.Option{Value: string(k), Text: p.T("templates.block." + string(k))})
	}
	return list
}
