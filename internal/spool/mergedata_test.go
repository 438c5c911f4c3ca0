package spool

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// odd are texts that JSON does not write as they are, or that look as if.
var odd = []string{"", "Anna", `"An\na" <a@b.example>`, "a&b", "tab\tline\r\n\b\f\x00\x1f\x7f", "Käthe „Ö“", "\u2027\u2028\u2029\u2030", "😀", "\xff\xc3(", "\\", `{"a":"b"},:`, "\ufffd", "\U000e0001"}

// TestDataAreThoseOfJSON holds the short ways of data and records to encoding/json.
func TestDataAreThoseOfJSON(t *testing.T) {
	for _, key := range odd {
		for _, value := range odd {
			sameData(t, key, value)
		}
	}
	for name, data := range map[string]map[string]any{
		"none": nil, "empty": {}, "number": {"a": 1.5, "b": "x"}, "list": {"a": []any{"b"}}, "nothing": {"a": nil},
		"deep": {"a": map[string]any{"b": map[string]any{"c": map[string]any{}}}}, "nil inside": {"fields": map[string]any(nil)},
	} {
		want, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := WriteData(data); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is written as %s (%v), not %s", name, got, err, want)
		}
	}
	if _, err := WriteData(map[string]any{"a": func() {}}); err == nil {
		t.Error("a function was written")
	}
}

func sameData(t *testing.T, key, value string) {
	t.Helper()
	data := map[string]any{key: value, "name": value, "fields": map[string]any{key: value, "x": key}}
	want, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	got, err := WriteData(data)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%q is written as %s (%v), not %s", data, got, err, want)
	}
	sameRead(t, got)
	r := Record{Form: key, Date: time.UnixMilli(1790000000123).UTC(), Domain: key, To: value, Level: value, Data: got}
	for _, r := range []Record{r, {Form: value, To: key, Date: r.Date, Data: got}, {To: value}} {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := r.Bytes()
		if err != nil || string(whole) != recordMark+string(text) {
			t.Fatalf("%+v is written as %q (%v), not %s", r, whole, err, text)
		}
		sameRecord(t, whole)
	}
}

// sameRead holds ReadData to encoding/json, which must not read what it refuses, and refuses
// nothing that it reads.
func sameRead(t *testing.T, text []byte) {
	t.Helper()
	want := map[string]any{}
	wantErr := json.Unmarshal(text, &want)
	got, err := ReadData(text)
	if (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%q is read as %v (%v), not %v (%v)", text, got, err, want, wantErr)
	}
}

func sameRecord(t *testing.T, whole []byte) {
	t.Helper()
	var want Record
	wantErr := json.Unmarshal(whole[len(recordMark):], &want)
	got, ok, err := readRecord(whole)
	if !ok || (err == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
		t.Fatalf("%q is read as %+v (%v), not %+v (%v)", whole, got, err, want, wantErr)
	}
}

// Records that others may have written are read, too.
func TestRecordsOfOtherForms(t *testing.T) {
	const first = `{"form":"cmp_1","date":"2026-11-23T12:00:00Z","domain":"a.example","to":"x@b.example"`
	for _, text := range []string{
		first + `}`, first + `,"level":"open"}`, first + `,"data":{"a":"b"},"more":{}}`, first + `,"data":{"a":"b"}, "more":1}`,
		first + `,"data": {"a":"b"}}`, first + `,"more":1,"data":{"a":"}"}}`, `{"to":"x","form":"y"}`, first + `,"data":{"a":"\ud83d\ude00"}}`,
		first + `,"data":{"a":"b"}`, first, `{}`, `{"form":1}`, first + `,"data":{"a":"b"}}}`, first + `,"level":"a","level":"b"}`,
	} {
		whole := []byte(recordMark + text)
		var want Record
		wantErr := json.Unmarshal([]byte(text), &want)
		got, ok, err := readRecord(whole)
		if !ok || (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v (%v), not %+v (%v)", text, got, err, want, wantErr)
		}
	}
}

func FuzzWriteData(f *testing.F) {
	for _, s := range odd {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, key, value string) { sameData(t, key, value) })
}

func FuzzReadData(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":"b"}`, `{"a":{"b":"c"},"a":"d"}`, `{"a":"\u00e4\ud83d\ude00\n\/"}`, `{"a":1}`, ` {"a" : "b"}`, `{"a":"b"}x`, `null`, `{,}`, `{"a":"b",}`, "{\"\xff\":\"\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) { sameRead(t, text) })
}
