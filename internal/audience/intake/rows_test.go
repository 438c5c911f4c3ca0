package intake

import (
	"encoding/json"
	"reflect"
	"testing"
)

// parts are some as they are written, and some that nobody wrote.
var parts = []string{
	`[{"l":2,"c":["anna@gmx.example","Anna",""]},{"l":3,"c":["b@web.example"]}]`,
	`[{"l":2,"c":["J\u00fcrgen \"J\" \\","Ayşe \u003cx\u003e\u0026\n","\ud83d\ude00"]}]`,
	"[{\"l\":2,\"c\":[\"\xff\xfe\"]}]", "[{\"l\":2,\"c\":[\"a\nb\"]}]",
	`[]`, `null`, `[{"l":2,"c":null}]`, `[{"l":2,"c":[]}]`, `[ {"l":2,"c":["a"]}]`, `[{"c":["a"],"l":2}]`, `[{"l":02,"c":["a"]}]`, `[{"l":+2,"c":["a"]}]`, `[{"l":2,"c":["a"]}`,
	`[{"l":2,"c":["a"]},]`, `[{"l":2,"c":["a",]}]`, `[{"l":2,"c":["a]}]`, `[{"l":2,"c":["a\"]}]`, `[{"l":2,"c":["\`, `[{"l":2,"c":[1]}]`, `[{"l":2,"c":["a"]}] `, `[{"l":-2,"c":["a"]}]x`, ``,
}

// readAlike holds readRows to the general way.
func readAlike(t *testing.T, text string) {
	t.Helper()
	var want []row
	wantErr := json.Unmarshal([]byte(text), &want)
	got, err := readRows([]byte(text))
	if (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%q is read as %+v, %v, want %+v, %v", text, got, err, want, wantErr)
	}
}

func TestPartsAreReadAsTheyAreWritten(t *testing.T) {
	for _, text := range parts {
		readAlike(t, text)
	}
	for _, text := range parts[:2] {
		if _, ok := plainRows(text); !ok {
			t.Errorf("%s goes the slow way", text)
		}
	}
}

func FuzzReadRows(f *testing.F) {
	for _, text := range parts {
		f.Add(text)
	}
	f.Fuzz(readAlike)
}
