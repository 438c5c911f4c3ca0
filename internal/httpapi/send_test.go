package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/httpapi"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

func TestSend(t *testing.T) {
	w := newWorld(t)
	a := w.post("/v1/messages", good, "X-Request-Id", "meine-anfrage-1")
	got := read[httpapi.Accepted](w, a, 202)
	want := fmt.Sprintf(`{"id":%q,"deliveries":[{"id":%q,"recipient":"eva@kunde.example","state":"queued"}]}`,
		got.ID, message.Delivery(got.ID, 1))
	if strings.TrimSpace(a.body) != want || a.header.Get("X-Request-Id") != "meine-anfrage-1" {
		t.Errorf("answer %s\nwant   %s\n%v", a.body, want, a.header)
	}
	m := w.store.Accepted()[0].Message
	if m.Subject != "Grüße" || len(m.Digests) != 1 || m.Digests[0].Filename != "Exposé Müller.pdf" || m.Digests[0].Size != 5 ||
		m.Metadata["auftrag"] != "4711" || m.Door != "http" || !strings.HasPrefix(m.Actor, "key_") {
		t.Errorf("stored %+v", m)
	}
}

// with changes one field of the good message; no value removes it.
func with(field string, value ...any) string {
	var m map[string]any
	if err := json.Unmarshal([]byte(good), &m); err != nil {
		panic(err)
	}
	delete(m, field)
	if len(value) > 0 {
		m[field] = value[0]
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func attachment(field string, value any) string {
	return with("attachments", []any{map[string]any{"filename": "a.txt", "content": "YQ==", field: value}})
}

func many(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("n%d@kunde.example", i)
	}
	return list
}

// small makes limits that can be passed cheaply.
func small(c *httpapi.Config, in *ingest.Config) {
	c.Limits = httpapi.Limits{Message: 300_000, Raw: 200_000}
	in.Limits.MaxSize = 200_000
}

// TestBadInput is the list of the specification: a clear refusal that names the
// field, and nothing stored.
func TestBadInput(t *testing.T) {
	for name, c := range map[string]struct {
		body          string
		status        int
		code, pointer string
	}{
		"line break in subject":    {with("subject", "a\r\nBcc: x@y.example"), 422, "header_has_line_break", "/subject"},
		"line feed in subject":     {with("subject", "a\nb"), 422, "header_has_line_break", "/subject"},
		"line break in header":     {with("headers", map[string]string{"X-A": "a\r\nb"}), 422, "header_has_line_break", "/headers/X-A"},
		"line break in file name":  {attachment("filename", "a\r\nb"), 422, "header_has_line_break", "/attachments/0/filename"},
		"line break in type":       {attachment("content_type", "text/plain\r\nX: y"), 422, "header_has_line_break", "/attachments/0/content_type"},
		"line break in tag":        {with("tags", []string{"a\nb"}), 422, "tag_malformed", "/tags/0"},
		"line break in metadata":   {with("metadata", map[string]string{"a": "b\nc"}), 422, "metadata_malformed", "/metadata/a"},
		"line break in from":       {with("from", "x@muster.example\r\nBcc: y@z.example"), 422, "", "/from"},
		"line break in name":       {with("to", []string{"\"a\r\nb\" <x@kunde.example>"}), 422, "", "/to/0"},
		"own header":               {with("headers", map[string]string{"From": "x@y.example"}), 422, "header_not_allowed", "/headers/From"},
		"option header":            {with("headers", map[string]string{"X-Stafette-Tag": "x"}), 422, "option_unknown", "/headers/X-Stafette-Tag"},
		"foreign from":             {with("from", "x@fremd.example"), 403, "from_domain_not_yours", "/from"},
		"unknown from domain":      {with("from", "x@nirgendwo.example"), 403, "from_domain_not_yours", "/from"},
		"no from":                  {with("from"), 422, "field_missing", "/from"},
		"malformed from":           {with("from", "info"), 422, "address_malformed", "/from"},
		"two from":                 {with("from", "a@muster.example, b@muster.example"), 422, "address_malformed", "/from"},
		"malformed recipient":      {with("to", []string{"eva@kunde.example", "eva@"}), 422, "", "/to/1"},
		"long recipient":           {with("to", []string{strings.Repeat("x", 64) + "@" + strings.Repeat("kunde.", 40) + "example"}), 422, "address_too_long", "/to/0"},
		"malformed cc":             {with("cc", []string{"@"}), 422, "", "/cc/0"},
		"malformed bcc":            {with("bcc", []string{"a b"}), 422, "", "/bcc/0"},
		"malformed reply_to":       {with("reply_to", []string{"a b"}), 422, "", "/reply_to/0"},
		"nobody":                   {with("to", []string{}), 422, "recipients_missing", "/to"},
		"1,001 recipients":         {with("to", many(1001)), 413, "recipients_too_many", "/to"},
		"1,001 with bcc":           {with("bcc", many(1000)), 413, "recipients_too_many", "/to"},
		"unknown field":            {with("subjekt", "a"), 422, "field_unknown", "/subjekt"},
		"unknown attachment field": {attachment("contents", "x"), 422, "field_unknown", "/attachments/0/contents"},
		"wrong type":               {with("to", "eva@kunde.example"), 422, "field_type", "/to"},
		"wrong type inside":        {with("tags", []any{"a", 1}), 422, "field_type", "/tags/1"},
		"bad base64":               {attachment("content", "%%%"), 422, "base64_malformed", "/attachments/0/content"},
		"no file":                  {with("attachments", []any{map[string]any{"filename": "a.txt"}}), 422, "field_missing", "/attachments/0/content"},
		"no file name":             {attachment("filename", ""), 422, "filename_missing", "/attachments/0/filename"},
		"unknown stream":           {with("stream", "werbung"), 422, "stream_unknown", "/stream"},
		"time":                     {with("send_at", "morgen"), 422, "field_type", "/send_at"},
		"time too far":             {with("send_at", start.Add(31*24*time.Hour)), 422, "send_at_too_far", "/send_at"},
		"no content":               {strings.NewReplacer(`"text":"Guten Tag",`, "", `"html":"\u003cp\u003eGuten Tag\u003c/p\u003e",`, "").Replace(with("attachments")), 422, "content_missing", "/text"},
		"not JSON":                 {`{"from":`, 400, "json_malformed", ""},
		"empty":                    {``, 400, "json_malformed", ""},
		"trailing data":            {good + `{}`, 400, "json_malformed", ""},
		"null":                     {`null`, 422, "field_type", ""},
		"array":                    {`[]`, 422, "field_type", ""},
		"not UTF-8":                {strings.Replace(good, "Guten Tag", "Guten \xff Tag", 1), 400, "text_not_utf8", ""},
		"over size":                {with("text", strings.Repeat("x", 300_001)), 413, "request_too_large", ""},
		"over size inside":         {with("text", strings.Repeat("x", 200_001)), 413, "message_too_large", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, small)
			a := w.post("/v1/messages", c.body)
			if c.code == "" {
				c.code = read[httpapi.Problem](w, a, c.status).Code
			}
			w.wantProblem(a, c.status, c.code, c.pointer)
			if n := len(w.store.Accepted()); n != 0 {
				t.Errorf("%d messages stored", n)
			}
			if strings.Contains(a.body, "Guten") || strings.Contains(a.body, "eva@") {
				t.Errorf("the answer repeats the message: %s", a.body)
			}
		})
	}
}

func TestBadHeaders(t *testing.T) {
	w := newWorld(t)
	w.wantProblem(w.post("/v1/messages", good, "Idempotency-Key", strings.Repeat("k", 257)), 422, "field_length", "/header/Idempotency-Key")
	w.wantProblem(w.post("/v1/messages", good, "Content-Type", "text/plain"), 415, "media_type_unsupported", "")
	w.wantProblem(w.post("/v1/messages?dry=1", good), 422, "field_unknown", "/query/dry")
	if n := len(w.store.Accepted()); n != 0 {
		t.Errorf("%d messages stored", n)
	}
}

func TestQuotaSpent(t *testing.T) {
	w := newWorld(t)
	_, key := w.found("Klein", "klein.example", 1, tenant.ScopeSend)
	body := with("from", "x@klein.example")
	ask := func() answer {
		return w.ask(http.MethodPost, "/v1/messages", key, strings.NewReader(body), "Content-Type", "application/json")
	}
	read[httpapi.Accepted](w, ask(), 202)
	a := ask()
	w.wantProblem(a, 429, "quota_spent", "")
	if a.header.Get("Retry-After") != "14400" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
}

func TestIdempotencyKey(t *testing.T) {
	w := newWorld(t)
	first := w.post("/v1/messages", good, "Idempotency-Key", "a")
	second := w.post("/v1/messages", good, "Idempotency-Key", "a")
	if first.status != 202 || second.status != 202 || first.body != second.body ||
		first.header.Get("Idempotency-Replayed") != "" || second.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%+v\n%+v", first, second)
	}
	w.wantProblem(w.post("/v1/messages", with("subject", "anders"), "Idempotency-Key", "a"), 409, "idempotency_conflict", "")
	if n := len(w.store.Accepted()); n != 1 {
		t.Errorf("%d messages stored", n)
	}
}

func TestStoreTrouble(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		code   string
	}{
		"disk full": {&fault.Error{Kind: fault.Unavailable, Code: "storage_full", Detail: "There is no room.", Err: errors.New("write /var/lib/x: ENOSPC")}, 503, "storage_full"},
		"broken":    {errors.New("pq: password authentication failed"), 500, "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.store.Fail = func(string) error { return c.err }
			a := w.post("/v1/messages", good)
			w.wantProblem(a, c.status, c.code, "")
			if strings.Contains(a.body, "ENOSPC") || strings.Contains(a.body, "password") {
				t.Errorf("the cause is told to the client: %s", a.body)
			}
			if !strings.Contains(w.log.String(), "err=") {
				t.Error("the cause is not in the log")
			}
			if c.status == 503 && a.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
}

func TestSendSuppressed(t *testing.T) {
	w := newWorld(t)
	w.store.Suppress(w.tenant, message.Address{Local: "eva", Domain: "kunde.example"}, "hard_bounce", start)
	w.wantProblem(w.post("/v1/messages", good), 422, "all_recipients_suppressed", "/to")
	got := read[httpapi.Accepted](w, w.post("/v1/messages", with("to", []string{"eva@kunde.example", "max@kunde.example"})), 202)
	if got.Deliveries[0].State != string(event.Suppressed) || got.Deliveries[0].Reason != "hard_bounce" || got.Deliveries[1].State != "queued" {
		t.Errorf("%+v", got)
	}
}

func TestBatch(t *testing.T) {
	w := newWorld(t)
	body := `{"messages":[` + strings.Join([]string{good, with("from", "x@fremd.example"), with("to", []string{"@"}), good}, ",") + `]}`
	a := w.post("/v1/messages/batch", body, "Idempotency-Key", "tag-1")
	got := read[struct{ Results []httpapi.BatchResult }](w, a, 200).Results
	if len(got) != 4 || len(w.store.Accepted()) != 2 {
		t.Fatalf("%d results, %d stored: %s", len(got), len(w.store.Accepted()), a.body)
	}
	if got[0].Status != 202 || got[0].ID == nil || len(got[0].Deliveries) != 1 || got[0].Problem != nil || *got[0].ID == *got[3].ID {
		t.Errorf("first: %+v", got[0])
	}
	if p := got[1].Problem; got[1].Status != 403 || p.Code != "from_domain_not_yours" || p.Errors[0].Pointer != "/messages/1/from" {
		t.Errorf("second: %+v", p)
	}
	if p := got[2].Problem; got[2].Status != 422 || p.Errors[0].Pointer != "/messages/2/to/0" {
		t.Errorf("third: %+v", p)
	}
	if again := w.post("/v1/messages/batch", body, "Idempotency-Key", "tag-1"); again.body != a.body || len(w.store.Accepted()) != 2 {
		t.Errorf("again: %s", again.body)
	}
	w.wantProblem(w.post("/v1/messages/batch", `{"messages":null}`), 422, "field_type", "/messages")
	w.wantProblem(w.post("/v1/messages/batch", `{"messages":[]}`), 422, "field_length", "/messages")
	w.wantProblem(w.post("/v1/messages/batch", `{"messages":[`+strings.Repeat(`{"from":"x"},`, 1000)+`{"from":"x"}]}`), 422, "field_length", "/messages")
	w.wantProblem(w.post("/v1/messages/batch", `{"messages":[`+good+`,{"from":"x@muster.example","x":1}]}`), 422, "field_unknown", "/messages/1/x")
}

const raw = "From: info@muster.example\r\nTo: Eva <eva@kunde.example>\r\nBcc: still@kunde.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" +
	"X-Stafette-Tag: roh\r\n\r\nText\r\n"

func TestSendRaw(t *testing.T) {
	w := newWorld(t, small)
	post := func(path, body string, header ...string) answer {
		return w.post(path, body, append([]string{"Content-Type", "message/rfc822"}, header...)...)
	}
	got := read[httpapi.Accepted](w, post("/v1/messages/mime", raw, "Idempotency-Key", "r"), 202)
	if len(got.Deliveries) != 2 {
		t.Errorf("%+v", got)
	}
	if a := post("/v1/messages/mime", raw, "Idempotency-Key", "r"); a.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("not replayed: %+v", a)
	}
	w.wantProblem(post("/v1/messages/mime?recipient=max@kunde.example", raw, "Idempotency-Key", "r"), 409, "idempotency_conflict", "")
	got = read[httpapi.Accepted](w, post("/v1/messages/mime?recipient=max@kunde.example&sender=bounce@muster.example", raw), 202)
	m := w.store.Accepted()[1].Message
	if len(got.Deliveries) != 1 || got.Deliveries[0].Recipient != "max@kunde.example" || m.Sender != "bounce@muster.example" || m.Tags[0] != "roh" || m.Subject != "Grüße" {
		t.Errorf("%+v %+v", got, m)
	}
	for name, c := range map[string]struct {
		path, body    string
		status        int
		code, pointer string
	}{
		"recipient":       {"?recipient=a@b.example&recipient=x", raw, 422, "address_malformed", "/query/recipient/1"},
		"sender":          {"?sender=x", raw, 422, "address_malformed", "/query/sender"},
		"parameter":       {"?to=a@b.example", raw, 422, "field_unknown", "/query/to"},
		"bare line feeds": {"", strings.ReplaceAll(raw, "\r\n", "\n"), 422, "line_end_bare", ""},
		"empty":           {"", "", 422, "", ""},
		"foreign from":    {"", strings.Replace(raw, "muster", "fremd", 1), 403, "from_domain_not_yours", "/from"},
		"option":          {"", "X-Stafette-Foo: 1\r\n" + raw, 422, "option_unknown", "/headers/X-Stafette-Foo"},
		"over size":       {"", raw + strings.Repeat("x\r\n", 70_000), 413, "request_too_large", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := post("/v1/messages/mime"+c.path, c.body)
			if c.code == "" {
				c.code = read[httpapi.Problem](w, a, c.status).Code
			}
			w.wantProblem(a, c.status, c.code, c.pointer)
		})
	}
	if n := len(w.store.Accepted()); n != 2 {
		t.Errorf("%d stored", n)
	}
}

func FuzzHTTPSend(f *testing.F) {
	for _, s := range []string{good, with("subject", "a\r\nb"), `{"from":1}`, `[]`, ``, `{"from":"a@muster.example","to":["` + "\xff" + `"]}`, attachment("content", "%")} {
		f.Add([]byte(s))
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		w := *w
		w.TB = t
		before := len(w.store.Accepted())
		a := w.post("/v1/messages", string(body))
		after := len(w.store.Accepted())
		switch {
		case a.status >= 500:
			t.Errorf("status %d: %s", a.status, a.body)
		case (a.status == 202) != (after == before+1):
			t.Errorf("status %d, %d stored", a.status, after-before)
		case a.status != 202 && a.header.Get("Content-Type") != "application/problem+json":
			t.Errorf("refused without a problem document: %s", a.body)
		}
	})
}

// nowhere accepts everything at once, so that only the door is measured.
type nowhere struct{ ingest.Acceptor }

func (nowhere) Accept(context.Context, ingest.Principal, ingest.Submission) (ingest.Receipt, error) {
	return ingest.Receipt{ID: message.NewID(start), Deliveries: make([]ingest.ReceiptLine, 1)}, nil
}

// BenchmarkDoor is one message of 2 KB without socket, composing and storing.
func BenchmarkDoor(b *testing.B) {
	w := newWorld(b, func(c *httpapi.Config, _ *ingest.Config) { c.Acceptor = nowhere{} })
	body := with("text", strings.Repeat("Guten Tag, liebe Eva. ", 80))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/v1/messages", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+w.key)
		r.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		if w.api.ServeHTTP(answer, r); answer.Code != 202 {
			b.Fatal(answer.Body)
		}
	}
}

// BenchmarkSend is the same through a socket, with composing and a store in memory.
func BenchmarkSend(b *testing.B) {
	w := newWorld(b)
	body := with("text", strings.Repeat("Guten Tag, liebe Eva. ", 90))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if a := w.post("/v1/messages", body); a.status != 202 {
				b.Fatal(a.body)
			}
		}
	})
}
