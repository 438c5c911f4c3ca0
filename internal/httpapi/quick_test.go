package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// strictly decodes as decode does where the quick reader gives up.
func strictly[B any](raw []byte) (body B, ok bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if d.Decode(&body) != nil {
		return body, false
	}
	_, err := d.Token()
	return body, errors.Is(err, io.EOF)
}

func agree[B any, P interface {
	*B
	quickReader
}](t *testing.T, raw []byte) (read bool) {
	t.Helper()
	var quickly B
	q := quick{text: raw}
	if !P(&quickly).readQuick(&q) || !q.end() {
		return false
	}
	want, ok := strictly[B](raw)
	if !ok {
		t.Fatalf("the quick reader takes what the decoder refuses: %q", raw)
	}
	if d := cmp.Diff(want, quickly); d != "" {
		t.Fatalf("%q (-decoder +quick):\n%s", raw, d)
	}
	return true
}

// TestQuickReadsTheUsual holds that the usual is read, and that the rest is left alone.
func TestQuickReadsTheUsual(t *testing.T) {
	for _, text := range []string{
		`{"from":"a@b.example","to":["c@d.example"],"subject":"Grüße","text":"Hallo\n\"Welt\"\\ \/\b\f\r\t","html":"<p>","send_at":"2026-11-22T10:00:00+01:00"}`,
		` { "cc" : [ ] , "bcc" : ["x" , "y"], "reply_to":[], "headers":{"X-A":"1"},"stream":"lead","tags":["t"],"metadata":{} } `,
		`{"from":"B\u00fcro \u003ca@b.example\u003E","text":"\u0000\uFFFD\ud83d\uDE00"}`,
		`{}`,
	} {
		if !agree[Draft](t, []byte(text)) {
			t.Errorf("not read: %s", text)
		}
		if !agree[Batch](t, []byte(`{"messages":[`+text+`,`+text+`]}`)) {
			t.Errorf("not read in a batch: %s", text)
		}
	}
	for _, text := range []string{
		`{"from":"a","from":"b"}`, `{"From":"a"}`, `{"from":null}`, `{"from":"\ud83d"}`, `{"from":"\ud83d\n"}`, `{"from":"\ud83d\u0041"}`, `{"from":"\ude00\ud83d"}`, `{"from":"\u00g1"}`, `{"from":"\u00"}`, `{"from":"\U0041"}`, `{"from":"\u`, `{"from":"a",}`, `{"from":"a"`, `{"to":["a",]}`, `{"to":"a"}`,
		"{\"from\":\"a\nb\"}", "{\"from\":\"\\n\nb\"}", `{"from":"\x"}`, `{"from":"\`, `{"send_at":"tomorrow"}`, `{"attachments":[]}`, `{"metadata":{"a":"1","a":"2"}}`,
		`{"metadata":{"a":1}}`, `[]`, ``, `{"from":"a"} x`,
	} {
		if agree[Draft](t, []byte(text)) {
			t.Errorf("read: %s", text)
		}
	}
}

func FuzzQuick(f *testing.F) {
	f.Add([]byte(`{"from":"a@b.example","to":["c"],"headers":{"X":"\n"},"send_at":"2026-11-22T10:00:00Z","tags":[],"stream":"x"}`))
	f.Add([]byte(`{"from":"\u003ca\ud83d\ude00\ud83d"}`))
	f.Add([]byte(`{"messages":[{"from":"a"},{"metadata":{"a":"b"},"text":"\\\""}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !utf8.Valid(raw) {
			return
		}
		agree[Draft](t, raw)
		agree[Batch](t, raw)
	})
}

func BenchmarkQuick(b *testing.B) {
	raw := []byte(`{"messages":[` + strings.Repeat(`{"from":"a@b.example","to":["c@d.example"],"subject":"Ihre Anfrage","text":"`+strings.Repeat(`Guten Tag,\nhier ist Ihr Dokument. `, 60)+`"},`, 99) + `{}]}`)
	for name, read := range map[string]func(){
		"quick":   func() { (&Batch{}).readQuick(&quick{text: raw}) },
		"decoder": func() { strictly[Batch](raw) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				read()
			}
		})
	}
}
