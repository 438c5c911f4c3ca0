package demo

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

//go:embed assets
var assets embed.FS

// page is the mailbox page: what recipients would see. It has no sign-in, because
// only this machine reaches it.
type page struct {
	url     string
	server  *http.Server
	boxes   *boxes
	known   []provider
	readers *readers
	zone    *zone
	views   *template.Template
	stop    context.CancelFunc
}

func openPage(ctx context.Context, b *boxes, z *zone, known []provider, r *readers, o Options) (*page, error) {
	views, err := template.New("").Funcs(template.FuncMap{"t": translate, "size": size, "linked": linked}).ParseFS(assets, "assets/*.html")
	if err != nil {
		return nil, fmt.Errorf("mailbox page: %w", err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", o.Mailbox)
	if err != nil {
		return nil, fmt.Errorf("mailbox page: %w", err)
	}
	// Live connections end with the page, not with the start of the world.
	living, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &page{url: "http://" + l.Addr().String(), boxes: b, known: known, readers: r, zone: z, views: views, stop: stop}
	p.server = &http.Server{
		Handler: p.guard(http.NewCrossOriginProtection().Handler(p.routes())), ReadHeaderTimeout: 5 * time.Second,
		BaseContext: func(net.Listener) context.Context { return living },
	}
	go func() {
		if err := p.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			o.Log.Error("mailbox page ended", "err", err)
		}
	}()
	return p, nil
}

func (p *page) close() error {
	p.stop()
	return p.server.Close()
}

func (p *page) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.list)
	mux.HandleFunc("GET /box/{address}", p.list)
	mux.HandleFunc("GET /mail/{id}", p.mail)
	mux.HandleFunc("GET /mail/{id}/html", p.html)
	mux.HandleFunc("GET /mail/{id}/source", p.source)
	mux.HandleFunc("GET /mail/{id}/open", p.openMail)
	mux.Handle("POST /mail/{id}/read", http.NewCrossOriginProtection().Handler(http.HandlerFunc(p.read)))
	mux.HandleFunc("GET /mail/{id}/file/{n}", p.file)
	mux.HandleFunc("GET /live", p.live)
	mux.HandleFunc("GET "+serversPath, p.servers)
	mux.HandleFunc("POST "+serversPath+"/{domain}", p.admit)
	if files, err := fs.Sub(assets, "assets"); err == nil {
		mux.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServerFS(files)))
	}
	return mux
}

// guard lets only names of this machine in, so that no foreign page can point its
// own name at us, and sets the rules every answer obeys.
func (p *page) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); host != "localhost" && (err != nil || !addr.IsLoopback()) {
			http.Error(w, "this page is for this machine", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

// frame is what every view needs.
type frame struct {
	Lang  string
	Path  string
	Title string
	Boxes []providerBoxes
	Walls bool   // there are servers with lists of addresses
	Box   string // shown now, "" for all
	Total int
}

type providerBoxes struct {
	Name  string
	Boxes []boxLine
}

type boxLine struct {
	Address, Link string
	Count         int
	Current       bool
}

func (p *page) frame(r *http.Request, box, title string) frame {
	f := frame{Lang: requestLanguage(r), Path: r.URL.Path, Title: title, Box: box, Walls: len(p.walls()) > 0}
	byDomain := map[string][]boxLine{}
	for address, n := range p.boxes.counts() {
		_, domain, _ := strings.Cut(address, "@")
		byDomain[domain] = append(byDomain[domain], boxLine{address, "/box/" + url.PathEscape(address), n, address == box})
		f.Total += n
	}
	for _, who := range p.known {
		var lines []boxLine
		for _, domain := range append([]string{who.domain}, who.also...) {
			lines = append(lines, byDomain[domain]...)
		}
		sort.Slice(lines, func(i, j int) bool { return lines[i].Address < lines[j].Address })
		f.Boxes = append(f.Boxes, providerBoxes{who.name, lines})
	}
	return f
}

func (p *page) list(w http.ResponseWriter, r *http.Request) {
	box := strings.ToLower(r.PathValue("address"))
	f := p.frame(r, box, box)
	p.show(w, "list", struct {
		frame
		Mails []mail
	}{f, p.boxes.list(box, 200)})
}

func (p *page) found(w http.ResponseWriter, r *http.Request) (mail, bool) {
	id, err := strconv.Atoi(r.PathValue("id"))
	m, ok := p.boxes.get(id)
	if err != nil || !ok {
		http.Error(w, translate(requestLanguage(r), "gone"), http.StatusNotFound)
		return mail{}, false
	}
	return m, true
}

func (p *page) mail(w http.ResponseWriter, r *http.Request) {
	m, ok := p.found(w, r)
	if !ok {
		return
	}
	l := open(m.Raw)
	p.show(w, "mail", struct {
		frame
		Mail       mail
		Letter     letter
		Signatures []signature
		Readers    []reader // who may look at it, where there is something to see
		Read       string   // who just did
	}{p.frame(r, m.Box, m.Subject), m, l, p.signatures(r.Context(), m.Raw), readersFor(l.HTML), r.URL.Query().Get("read")})
}

// html shows a mail's HTML: no scripts, no forms, nothing loaded from anywhere. Links open
// a window of their own, because mail tells people to follow them.
func (p *page) html(w http.ResponseWriter, r *http.Request) {
	m, ok := p.found(w, r)
	if !ok {
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'")
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(leadingOn(open(m.Raw).HTML)))
}

// leadingOn makes links of a page open a window of their own. The element stands in the
// head where there is one: before the doctype it would change how the page looks.
func leadingOn(page string) string {
	const target = `<base target="_blank">`
	if at := strings.Index(page, "<head>"); at >= 0 {
		at += len("<head>")
		return page[:at] + target + page[at:]
	}
	return target + page
}

// linked is a mail's text with its addresses on this machine as links, as mail programs
// show them.
func linked(text string) template.HTML {
	var b strings.Builder
	for {
		at := strings.Index(text, "http://127.0.0.1:")
		if at < 0 {
			break
		}
		address := text[at:]
		if end := strings.IndexAny(address, " \t\r\n<>\"'"); end >= 0 {
			address = address[:end]
		}
		address = strings.TrimRight(address, ".,;:!?)")
		fmt.Fprintf(&b, `%s<a href="%[2]s" target="_blank" rel="noopener">%[2]s</a>`, html.EscapeString(text[:at]), html.EscapeString(address))
		text = text[at+len(address):]
	}
	return template.HTML(b.String() + html.EscapeString(text)) //nolint:gosec // every part of it is escaped above
}

// readersFor are those who can look at a page that fetches something.
func readersFor(page string) []reader {
	if pictures, links := addressesIn(page); len(pictures)+len(links) == 0 {
		return nil
	}
	return readersKnown()
}

// read lets somebody look at a mail, on the reader's demand.
func (p *page) read(w http.ResponseWriter, r *http.Request) {
	m, ok := p.found(w, r)
	if !ok {
		return
	}
	who := reader(r.FormValue("reader"))
	if !slices.Contains(readersKnown(), who) {
		http.Error(w, "nobody reads like that", http.StatusUnprocessableEntity)
		return
	}
	if err := p.readers.read(r.Context(), who, open(m.Raw).HTML); err != nil {
		http.Error(w, "what the mail leads to does not answer", http.StatusBadGateway)
		return
	}
	http.Redirect(w, r, "/mail/"+strconv.Itoa(m.ID)+"?"+url.Values{"lang": {requestLanguage(r)}, "read": {string(who)}}.Encode(), http.StatusSeeOther)
}

// openMail shows a mail's HTML as a mail program does that loads pictures: no scripts, no
// forms, but its pictures of this machine, and links that lead on.
func (p *page) openMail(w http.ResponseWriter, r *http.Request) {
	m, ok := p.found(w, r)
	if !ok {
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "sandbox allow-top-navigation-by-user-activation; default-src 'none'; img-src data: http://127.0.0.1:* http://localhost:*; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(open(m.Raw).HTML))
}

func (p *page) source(w http.ResponseWriter, r *http.Request) {
	if m, ok := p.found(w, r); ok {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write(m.Raw)
	}
}

func (p *page) file(w http.ResponseWriter, r *http.Request) {
	m, ok := p.found(w, r)
	if !ok {
		return
	}
	files := open(m.Raw).Files
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 || n >= len(files) {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", "attachment; filename*=UTF-8''"+url.PathEscape(files[n].Name))
	_, _ = w.Write(files[n].Content)
}

// live tells the browser of new mail by server-sent events.
func (p *page) live(w http.ResponseWriter, r *http.Request) {
	news, cancel := p.boxes.watch()
	defer cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	_, _ = fmt.Fprint(w, "retry: 1000\n\n")
	for out.Flush() == nil {
		select {
		case <-r.Context().Done():
			return
		case <-news:
			_, _ = fmt.Fprint(w, "event: mail\ndata: new\n\n")
		}
	}
}

func (p *page) show(w http.ResponseWriter, view string, data any) {
	p.showAs(w, http.StatusOK, view, data)
}

func (p *page) showAs(w http.ResponseWriter, status int, view string, data any) {
	var b strings.Builder
	if err := p.views.ExecuteTemplate(&b, view+".html", data); err != nil {
		http.Error(w, "page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String()))
}
