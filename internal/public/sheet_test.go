package public_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"stafette/internal/diagnosis"
	"stafette/internal/dns"
	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/genuine"
	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/public"
	"stafette/internal/published"
	"stafette/internal/published/publishedtest"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// sheets is the door with lists and questions about one account, on a real socket.
type sheets struct {
	*testing.T
	server  *httptest.Server
	lists   *published.Service
	plan    egress.Plan
	account tenant.Tenant
	letters []notice.Letter
	mail    insight.Message
	code    string
	now     time.Time
	broken  error
}

func (s *sheets) Plan(context.Context) (egress.Plan, error)          { return s.plan, s.broken }
func (s *sheets) Findings(context.Context) ([]egress.Finding, error) { return nil, nil }
func (s *sheets) On() bool                                           { return true }
func (s *sheets) Send(_ context.Context, l notice.Letter) error {
	s.letters = append(s.letters, l)
	return nil
}
func (s *sheets) MX(context.Context, string) ([]dns.MX, error)                { return nil, dns.ErrNoDomain }
func (s *sheets) Addrs(context.Context, string) ([]netip.Addr, error)         { return nil, dns.ErrNoDomain }
func (s *sheets) TXT(context.Context, string) ([]string, error)               { return nil, dns.ErrNoDomain }
func (s *sheets) Body(context.Context, spool.Handle) ([]byte, error)          { return nil, spool.ErrGone }
func (s *sheets) Domains(context.Context, tenant.ID) ([]tenant.Domain, error) { return nil, s.broken }
func (s *sheets) RoundTrip(*http.Request) (*http.Response, error)             { return nil, io.ErrUnexpectedEOF }
func (s *sheets) SentAs(context.Context, tenant.ID, time.Time, time.Time, string, int) (int64, error) {
	return 5, s.broken
}

func (s *sheets) Tenant(_ context.Context, t tenant.ID) (tenant.Tenant, error) {
	if t != s.account.ID {
		return tenant.Tenant{}, fault.New(fault.NotFound, "tenant_not_found", "")
	}
	return s.account, s.broken
}

func (s *sheets) AcceptedAt(context.Context, tenant.ID, time.Time, time.Time, int) ([]message.ID, error) {
	return []message.ID{s.mail.ID}, nil
}

func (s *sheets) NamedBySender(context.Context, tenant.ID, string) (message.ID, error) {
	return message.ID{}, fault.New(fault.NotFound, "message_not_found", "")
}

func (s *sheets) Message(context.Context, tenant.ID, message.ID) (insight.Message, error) {
	return s.mail, nil
}

func openSheets(t *testing.T) *sheets {
	t.Helper()
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	s := &sheets{T: t, now: start, account: tenant.Tenant{ID: tenant.ID{15: 7}, Name: `Hafen <script>alert(1)</script>`}}
	now := func() time.Time { return s.now }
	s.plan = egress.EqualPlan(egress.Source{Name: "a", IP: netip.MustParseAddr("192.0.2.17"), EHLO: "a.mail.example", State: egress.StateActive},
		egress.Source{Name: "b", IP: netip.MustParseAddr("2001:db8::24"), EHLO: "b.mail.example", State: egress.StateNew, ValidFrom: start.AddDate(0, 0, 6)})
	told, err := diagnosis.New(diagnosis.Config{Keeper: keeper, Catalog: catalog, PublicURL: "https://post.example", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if s.lists, err = published.New(published.Config{
		Store: &publishedtest.Store{}, Sources: s, Tenants: s, Mails: s, Catalog: catalog, Signer: told, Keeper: keeper, Resolver: s, Transport: s,
		Name: "post.example", Domain: "post.example", SPFName: "_spf.post.example", Now: now,
	}); err != nil {
		t.Fatal(err)
	}
	s.mail = insight.Message{ID: message.NewID(start), Tenant: s.account.ID, Subject: "Geheimer Betreff", AcceptedAt: start,
		From: message.Mailbox{Address: message.Address{Local: "info", Domain: "hafen.example"}}, To: []message.Mailbox{{Address: message.Address{Local: "eva", Domain: "geheim.example"}}}}
	s.code = genuine.NewCoder(keeper).Code(s.account.ID, s.mail.ID)
	asked, err := genuine.New(genuine.Config{Store: s, Mail: s, Bodies: s, Tenants: s, Resolver: s, Keeper: keeper, Pace: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewServer(public.New(public.Config{Diagnosis: told, Published: s.lists, Genuine: asked, Catalog: catalog, Now: now, PerMinute: 1000, AsksPerMinute: 100}))
	t.Cleanup(s.server.Close)
	for range 2 {
		if err := s.lists.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.plan.Sources[0].State, s.plan.Sources[0].ValidUntil = egress.StateRetiring, start.AddDate(0, 0, 48)
	}
	return s
}

func (s *sheets) do(method, path, kind string, body io.Reader) (int, http.Header, string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.server.URL+path, body)
	if err != nil {
		s.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func (s *sheets) get(path string) (int, http.Header, string) {
	return s.do(http.MethodGet, path, "", nil)
}

func (s *sheets) post(path string, values url.Values) (int, string) {
	status, _, body := s.do(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(values.Encode()))
	return status, body
}

// form sends fields as the page of the question does.
func (s *sheets) form(path string, fields map[string]string) (int, string) {
	s.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for name, value := range fields {
		part, err := m.CreateFormFile(name, "x.eml")
		if err == nil {
			_, err = io.WriteString(part, value)
		}
		if err != nil {
			s.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		s.Fatal(err)
	}
	status, _, body := s.do(http.MethodPost, path, m.FormDataContentType(), &b)
	return status, body
}

// sound holds a page to what all pages for strangers must be (T15): no script, no foreign
// resource, no cookie, nothing of the account as markup, every text there.
func (s *sheets) sound(what string, header http.Header, body string) {
	s.Helper()
	for _, never := range []string{"<script", "style=", "onload", "⟦", "geheim", "Geheimer", "eva@"} {
		if strings.Contains(body, never) {
			s.Errorf("%s: the page says %q", what, never)
		}
	}
	if header != nil && (len(header.Values("Set-Cookie")) > 0 || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'; style-src 'self'")) {
		s.Errorf("%s: headers %v", what, header)
	}
}

func TestAddressPages(t *testing.T) {
	s := openSheets(t)
	own := s.account.ID.String()
	for path, want := range map[string][]string{
		"/absender-ips":             {"Von diesen Adressen sendet post.example", "192.0.2.17", "Läuft aus", "2001:db8::24", "Version 2", "06.01.2027", "läuft aus, gültig bis", `href="/sending-addresses"`},
		"/sending-addresses":        {"post.example sends from these addresses", "Retiring", `lang="en"`, "openssl pkeyutl", "_sending.post.example"},
		"/absender-ips/" + own:      {"Hafen &lt;script&gt;", `href="/echt/` + own + `"`, `action="/absender-ips/` + own + `"`},
		"/sending-addresses/" + own: {"Is this e-mail genuine?"},
		"/echt/" + own:              {"Ist diese E-Mail echt?", "Hafen &lt;script&gt;", `href="/genuine/` + own + `"`},
		"/genuine/" + own:           {"Is this e-mail genuine?", "10"},
	} {
		status, header, body := s.get(path)
		if status != http.StatusOK {
			t.Errorf("%s: status %d: %s", path, status, body)
		}
		for _, text := range want {
			if !strings.Contains(body, text) {
				t.Errorf("%s does not say %q", path, text)
			}
		}
		s.sound(path, header, body)
	}
	for _, path := range []string{"/absender-ips/", "/absender-ips/ten_unknown", "/absender-ips/" + tenant.ID{1}.String(), "/sending-addresses/" + tenant.ID{1}.String() + ".json", "/echt/", "/echt/x", "/genuine/" + tenant.ID{1}.String(),
		"/absender-ips/..%2f..%2fetc%2fpasswd", "/absender-ips/%00.txt"} { // T38: names are identifiers, never files
		if status, header, body := s.get(path); status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, status)
		} else if header.Get("Content-Type") == "text/html; charset=utf-8" {
			s.sound(path, header, body)
		}
	}
	s.broken = io.ErrUnexpectedEOF
	if status, _, body := s.get("/absender-ips/" + own); status != http.StatusServiceUnavailable || strings.Contains(body, "unexpected EOF") {
		t.Errorf("status %d", status)
	}
}

// Programs get the same bytes at each address, from anywhere, and need not fetch them twice.
func TestAddressFiles(t *testing.T) {
	s := openSheets(t)
	l, err := s.lists.List(t.Context(), s.account.ID)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.lists.JSON(l)
	if err != nil {
		t.Fatal(err)
	}
	text, signature, err := s.lists.Text(l)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/absender-ips/", "/sending-addresses/"} {
		for end, want := range map[string]struct {
			kind string
			body []byte
		}{".json": {"application/json", signed}, ".txt": {"text/plain; charset=utf-8", text}, ".txt.sig": {"application/octet-stream", signature}} {
			status, header, body := s.get(path + s.account.ID.String() + end)
			if status != http.StatusOK || header.Get("Content-Type") != want.kind || body != string(want.body) || header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s%s: status %d, %v", path, end, status, header)
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+path+s.account.ID.String()+end, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("If-None-Match", header.Get("ETag"))
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if _ = resp.Body.Close(); resp.StatusCode != http.StatusNotModified {
				t.Errorf("%s again: status %d", end, resp.StatusCode)
			}
		}
	}
	for _, path := range []string{"/absender-ips.json", "/sending-addresses.txt", "/absender-ips.txt.sig", published.KeyPath} {
		if status, _, body := s.get(path); status != http.StatusOK || body == "" {
			t.Errorf("%s: status %d", path, status)
		}
	}
}

// Wishes by mail and webhook, as a browser without scripts makes them.
func TestSubscribing(t *testing.T) {
	s := openSheets(t)
	status, body := s.post("/absender-ips", url.Values{"email": {"kein"}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(body, "ist keine E-Mail-Adresse") || !strings.Contains(body, `aria-invalid="true"`) {
		t.Errorf("status %d: %s", status, body)
	}
	status, body = s.post("/absender-ips", url.Values{"email": {"technik@kunde.example"}})
	if status != http.StatusOK || !strings.Contains(body, "Fast geschafft") || len(s.letters) != 1 || strings.Contains(body, "technik@") {
		t.Fatalf("status %d: %s", status, body)
	}
	path := strings.TrimPrefix(s.letters[0].Link, "https://post.example")
	status, header, body := s.get(path)
	if s.sound("confirm", header, body); status != http.StatusOK || !strings.Contains(body, "Abonnement bestätigen") {
		t.Errorf("status %d: %s", status, body)
	}
	if list, _ := s.lists.Subscribers(t.Context()); !list[0].ConfirmedAt.IsZero() {
		t.Error("looking confirms")
	}
	if status, body = s.post(path, nil); status != http.StatusOK || !strings.Contains(body, "Abonniert") {
		t.Errorf("status %d: %s", status, body)
	}
	s.plan.Sources[0].EHLO = "neu.mail.example"
	if err := s.lists.Turn(t.Context()); err != nil || len(s.letters) != 2 {
		t.Fatal(err, len(s.letters))
	}
	end := strings.TrimPrefix(s.letters[1].Leave, "https://post.example")
	if status, _, body := s.get(end); status != http.StatusOK || !strings.Contains(body, "Abonnement beenden?") {
		t.Errorf("status %d: %s", status, body)
	}
	// RFC 8058: a mail program's POST, without asking again.
	if status, _ = s.post(end, url.Values{"List-Unsubscribe": {"One-Click"}}); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if status, _, _ := s.get(end); status != http.StatusNotFound {
		t.Errorf("after the end: status %d", status)
	}
	if status, body = s.post("/sending-addresses/"+s.account.ID.String(), url.Values{"url": {"http://kunde.example"}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, "Expected is an address") {
		t.Errorf("status %d: %s", status, body)
	}
	status, body = s.post("/sending-addresses", url.Values{"url": {"https://kunde.example/h"}})
	check := regexp.MustCompile(`action="([^"]+)"`).FindStringSubmatch(body)
	if status != http.StatusOK || !strings.Contains(body, "whsec_") || check == nil {
		t.Fatalf("status %d: %s", status, body)
	}
	if status, body = s.post(check[1], nil); status != http.StatusConflict || !strings.Contains(body, "did not return the challenge") || strings.Contains(body, "whsec_") {
		t.Errorf("status %d: %s", status, body)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.server.URL+"/absender-ips", strings.NewReader("email=x@y.example"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusForbidden {
		t.Errorf("from another site: status %d", resp.StatusCode)
	}
}

func TestAskingWhetherAMailIsGenuine(t *testing.T) {
	s := openSheets(t)
	for _, lang := range []string{"/echt/", "/genuine/"} {
		path := lang + s.account.ID.String()
		for name, c := range map[string]struct {
			fields map[string]string
			status int
			label  string
		}{
			"code":          {map[string]string{"code": s.code}, 200, "is-delivered"},
			"wrong code":    {map[string]string{"code": "AAAA"}, 200, "is-deferred"},
			"subject":       {map[string]string{"date": "2026-11-19", "subject": "Neue Adressen"}, 200, "is-delivered"},
			"no date":       {map[string]string{"subject": "x"}, 200, "is-deferred"},
			"header":        {map[string]string{"header": "From: Bank <x@bank.example>\nSubject: eva@geheim.example\n"}, 200, "is-deferred"},
			"file":          {map[string]string{"mail": "From: x@bank.example\n\nText", "header": ""}, 200, "is-deferred"},
			"no mail":       {map[string]string{"mail": "GIF89a"}, 200, "is-deferred"},
			"altered":       {map[string]string{"header": fmt.Sprintf("From: x@bank.example\nSubject: x\nMessage-ID: <%s@hafen.example>\n", s.mail.ID)}, 200, "is-bounced"},
			"too large":     {map[string]string{"mail": strings.Repeat("x", genuine.MaxMail+1)}, 413, ""},
			"header: large": {map[string]string{"header": strings.Repeat("x", 400<<10)}, 413, ""},
			"many fields":   {map[string]string{"1": "", "2": "", "3": "", "4": "", "5": "", "6": "", "7": "", "8": "", "9": ""}, 422, "is-deferred"},
		} {
			s.mail.MessageID = s.mail.ID.String() + "@hafen.example"
			status, body := s.form(path, c.fields)
			if status != c.status || c.label != "" && !strings.Contains(body, "label "+c.label) {
				t.Errorf("%s: status %d: %s", name, status, body)
			}
			s.sound(name, nil, body)
		}
		if status, _ := s.post(path, url.Values{"code": {s.code}}); status != http.StatusUnprocessableEntity {
			t.Errorf("another kind of form: status %d", status)
		}
	}
	if status, _ := s.form("/echt/"+tenant.ID{1}.String(), map[string]string{"code": s.code}); status != http.StatusNotFound {
		t.Errorf("of nobody: status %d", status)
	}
}

func TestFormsAreLimited(t *testing.T) {
	s := openSheets(t)
	for i := range 101 {
		status, body := s.form("/echt/"+s.account.ID.String(), map[string]string{"code": "x"})
		if (status == http.StatusTooManyRequests) != (i == 100) {
			t.Fatalf("form %d: status %d: %s", i, status, body)
		}
	}
}
