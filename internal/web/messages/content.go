package messages

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/jhillyerd/enmime/v2"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/web/frame"
)

const (
	// sourceShown bounds the raw source on a page; the file holds all of it.
	sourceShown = 256 << 10
	// textShown bounds the plain text on a page.
	textShown = 512 << 10
	// htmlShown bounds the HTML of a preview, and with it the time to rewrite it.
	htmlShown = 2 << 20
	// picturesShown bounds the bytes of pictures put into a preview.
	picturesShown = 8 << 20
)

// content is what a message says, in one of four views.
type content struct {
	id      string
	subject string
	view    string
	hasHTML bool
	gone    bool
	text    string // of the views text and source
	cut     bool   // text was shortened
	preview string // address of the HTML part
	fields  []headerField
}

type headerField struct{ name, value string }

func (o *office) showContent(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	m, err := o.messageOf(r, p)
	if err != nil {
		return err
	}
	body, gone, err := o.bodyOf(r, m)
	if err != nil {
		return err
	}
	p.Room, p.Title = "messages", Subject(p, m.Subject)
	c := content{preview: "/messages/" + m.ID.String() + "/preview", id: m.ID.String(), subject: Subject(p, m.Subject), gone: gone, view: r.URL.Query().Get("view")}
	if o.Preview != nil {
		c.preview = o.Preview.Address(p.Tenant(), m.ID)
	}
	if !gone {
		if err := c.fill(body); err != nil {
			return err
		}
	}
	return p.Render(w, r, http.StatusOK, contentPage(p, c))
}

// fill reads the message for the chosen view; an unknown view is the best one.
func (c *content) fill(body []byte) error {
	if c.view == "source" {
		c.text, c.cut = cutText(string(body), sourceShown)
		env, err := parseMIME(body)
		c.hasHTML = err == nil && env.HTML != ""
		return nil
	}
	env, err := parseMIME(body)
	if errors.Is(err, errNested) {
		c.view = "source"
		c.text, c.cut = cutText(string(body), sourceShown)
		return nil
	}
	if err != nil {
		return err
	}
	c.hasHTML = env.HTML != ""
	switch {
	case c.view == "headers":
		c.fields = headerFields(body)
	case c.view == "text" || !c.hasHTML:
		c.view = "text"
		c.text, c.cut = cutText(env.Text, textShown)
	default:
		c.view = "html"
	}
	return nil
}

// shownDepth bounds the nesting of messages that are taken apart for a page; mail
// that people write has three levels. The library's time doubles with each level,
// and twenty would hold the page for seconds (T6).
const shownDepth = 10

// errNested: the message is nested deeper than shownDepth; its source can be shown.
var errNested = errors.New("message is nested too deep to be shown")

// parseMIME reads the parts of a message that was checked at acceptance. Text is
// not made up from HTML: what is shown was sent.
func parseMIME(body []byte) (*enmime.Envelope, error) {
	if _, err := message.Inspect(body, message.Limits{Depth: shownDepth, LineBytes: -1}); err != nil {
		return nil, fmt.Errorf("%w: %w", errNested, err)
	}
	env, err := enmime.NewParser(enmime.DisableTextConversion(true)).ReadEnvelope(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("read parts: %w", err)
	}
	return env, nil
}

func cutText(s string, limit int) (string, bool) {
	s = strings.ToValidUTF8(s, "\ufffd")
	if len(s) <= limit {
		return s, false
	}
	return strings.ToValidUTF8(s[:limit], ""), true
}

// headerFields lists the fields as they stand in the message, unfolded and with
// encoded words (RFC 2047) read.
func headerFields(body []byte) []headerField {
	head, _, _ := bytes.Cut(body, []byte("\r\n\r\n"))
	var list []headerField
	var words mime.WordDecoder
	for line := range strings.SplitSeq(string(head), "\r\n") {
		if n := len(list); n > 0 && strings.HasPrefix(line, " ") || n > 0 && strings.HasPrefix(line, "\t") {
			list[n-1].value += " " + strings.TrimSpace(line)
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		list = append(list, headerField{name, strings.TrimSpace(value)})
	}
	for i, f := range list {
		if read, err := words.DecodeHeader(f.value); err == nil {
			list[i].value = read
		}
		list[i].value = strings.ToValidUTF8(list[i].value, "\ufffd")
	}
	return list
}

// previewPolicy holds foreign HTML: an opaque origin without scripts, forms, pop-ups
// or any fetch; styles are its own and pictures only those within the message.
const previewPolicy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox"

// preview serves the HTML part alone, under a policy that lets nothing out of it.
func (o *office) preview(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	m, err := o.messageOf(r, p)
	if err != nil {
		return err
	}
	body, gone, err := o.bodyOf(r, m)
	if err != nil {
		return err
	}
	if gone {
		return fault.New(fault.NotFound, "content_expired", "the content is gone")
	}
	env, err := parseMIME(body)
	if err != nil {
		return err
	}
	tamed, err := tamedHTML(env)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Security-Policy", previewPolicy)
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(tamed) //nolint:gosec // G705: shown in a sandbox by its policy
	return nil
}

// tamedHTML is the HTML part as it is shown.
func tamedHTML(env *enmime.Envelope) ([]byte, error) {
	shown, _ := cutText(env.HTML, htmlShown)
	tamed, err := tame(shown, inlinePictures(env))
	if err != nil {
		return nil, fmt.Errorf("preview: %w", err)
	}
	return tamed, nil
}

// inlinePictures maps content IDs to data URLs of the pictures within the message.
// SVG is left out: it is a document, not a picture.
func inlinePictures(env *enmime.Envelope) map[string]string {
	urls, room := map[string]string{}, picturesShown
	for _, part := range append(env.Inlines, env.OtherParts...) {
		cid := strings.Trim(part.ContentID, "<>")
		switch part.ContentType {
		case "image/png", "image/jpeg", "image/gif", "image/webp":
		default:
			continue
		}
		if cid == "" || len(part.Content) > room {
			continue
		}
		room -= len(part.Content)
		urls[cid] = "data:" + part.ContentType + ";base64," + base64.StdEncoding.EncodeToString(part.Content)
	}
	return urls
}

// download hands the message over as it was accepted.
func (o *office) download(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	m, err := o.messageOf(r, p)
	if err != nil {
		return err
	}
	body, gone, err := o.bodyOf(r, m)
	if err != nil {
		return err
	}
	if gone {
		return fault.New(fault.NotFound, "content_expired", "the content is gone")
	}
	h := w.Header()
	h.Set("Content-Type", "message/rfc822")
	h.Set("Content-Disposition", `attachment; filename="`+m.ID.String()+`.eml"`)
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(body) //nolint:gosec // G705: an attachment of message/rfc822, with nosniff
	return nil
}
