package frame

import (
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed assets
var assetFiles embed.FS

// sprite holds the marks every page carries within itself: symbols from another
// file would not see the page's colours.
//
//go:embed assets/marks.svg
var sprite string

// assets are the files of the office under addresses that name their content, so
// that browsers may keep them for good.
type assets struct {
	urls  map[string]string
	files map[string]asset
}

type asset struct {
	kind        string
	plain, gzip []byte
}

// loadAssets packs the files at the first call.
var loadAssets = sync.OnceValues(func() (*assets, error) {
	a := &assets{urls: map[string]string{}, files: map[string]asset{}}
	bundles := []struct {
		name, kind string
		parts      []string
	}{
		{"office.css", "text/css; charset=utf-8", []string{"tokens.css", "stafette.css", "office.css"}},
		{"office.js", "text/javascript; charset=utf-8", []string{"toast.js", "live.js", "forms.js", "compose.js", "tables.js", "palette.js", "keys.js", "trace.js", "passkey.js", "blitz.js", "draw.js", "keep.js", "upload.js", "rich.js"}},
		{"formatted.js", "text/javascript; charset=utf-8", []string{"formatted.js"}},
		{"stafette.svg", "image/svg+xml", []string{"stafette.svg"}},
	}
	for _, b := range bundles {
		var data []byte
		for _, part := range b.parts {
			one, err := assetFiles.ReadFile("assets/" + part)
			if err != nil {
				return nil, fmt.Errorf("load assets: %w", err)
			}
			data = append(data, one...)
		}
		a.add(b.name, b.kind, data)
	}
	return a, nil
})

func (a *assets) add(name, kind string, data []byte) {
	sum := sha256.Sum256(data)
	ext := path.Ext(name)
	url := "/assets/" + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	a.urls[name] = url
	a.files[url] = asset{kind: kind, plain: data, gzip: squeeze(data, gzip.BestCompression)}
}

// URL is where a file lies; an unknown name is a mistake in a template and leads
// to an address that is not there.
func (a *assets) URL(name string) string { return a.urls[name] }

// Asset is where a file of the office lies, for pages that load one by themselves.
func (p Page) Asset(name string) string { return p.frame.assets.URL(name) }

// ServeHTTP implements http.Handler.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := a.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h, body := w.Header(), file.plain
	h.Set("Content-Type", file.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	if takesGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = file.gzip
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}
